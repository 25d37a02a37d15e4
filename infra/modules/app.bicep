// The function app: the plan that it runs on, what the Functions host needs, and the settings of the airlock.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the app, which is a part of its address.')
@minLength(2)
@maxLength(60)
param name string

@description('Flex Consumption, or Elastic Premium.')
@allowed(['flex', 'premium'])
param plan string

@description('Memory of an instance in MB. Flex Consumption only.')
param instanceMemoryMB int

@description('Instances that are ready for HTTP and for events at any time.')
param alwaysReady int

@description('Most instances at a time.')
param maximumInstances int

@description('Reachable through a private endpoint only.')
param private bool

@description('Subnet that the app runs in.')
param appSubnetId string

@description('Subnet of the private endpoint.')
param endpointSubnetId string

@description('Ids of the private DNS zones, by service.')
param zones object

@description('Id of the identity of the app.')
param identityId string

@description('Client id of the identity of the app.')
param clientId string

@description('Blob endpoint of the host\'s account.')
param hostBlobEndpoint string

@description('Queue endpoint of the host\'s account.')
param hostQueueEndpoint string

@description('Table endpoint of the host\'s account.')
param hostTableEndpoint string

@description('Container of the deployed package.')
param packageContainer string

@description('Host name of the Service Bus namespace.')
param busHost string

@description('How to find Application Insights. It is no credential.')
param insightsConnection string

@description('Log Analytics workspace.')
param logsId string

@description('Settings of the airlock.')
param settings object

var flex = plan == 'flex'

// What the host needs. The app reads AZURE_CLIENT_ID and the namespace as well.
var hostSettings = {
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: clientId
  AzureWebJobsStorage__blobServiceUri: hostBlobEndpoint
  AzureWebJobsStorage__queueServiceUri: hostQueueEndpoint
  AzureWebJobsStorage__tableServiceUri: hostTableEndpoint
  ServiceBus__fullyQualifiedNamespace: busHost
  ServiceBus__credential: 'managedidentity'
  ServiceBus__clientId: clientId
  AZURE_CLIENT_ID: clientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnection
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${clientId};Authorization=AAD'
  AzureWebJobsDisableHomepage: 'true'
}

// Flex Consumption refuses these; Elastic Premium cannot do without. The package is read with the identity, so that no file
// share with a key is needed.
var premiumSettings = {
  FUNCTIONS_EXTENSION_VERSION: '~4'
  FUNCTIONS_WORKER_RUNTIME: 'custom'
  WEBSITE_RUN_FROM_PACKAGE: '${hostBlobEndpoint}${packageContainer}/airlock.zip'
  WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID: identityId
}

resource farm 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: flex ? 'functionapp' : 'elastic'
  sku: flex ? { name: 'FC1', tier: 'FlexConsumption' } : { name: 'EP1', tier: 'ElasticPremium' }
  properties: flex ? { reserved: true } : { reserved: true, maximumElasticWorkerCount: maximumInstances }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: farm.id
    httpsOnly: true
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    virtualNetworkSubnetId: appSubnetId
    functionAppConfig: flex ? {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostBlobEndpoint}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: { name: 'custom', version: '1.0' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstances
        alwaysReady: alwaysReady > 0 ? [{ name: 'http', instanceCount: alwaysReady }] : []
      }
    } : null
    siteConfig: flex ? {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
    } : {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      minimumElasticInstanceCount: alwaysReady > 0 ? alwaysReady : 1
      functionsRuntimeScaleMonitoringEnabled: true
    }
  }
}

resource ftp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource scm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: union(settings, hostSettings, flex ? {} : premiumSettings)
}

resource journal 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'airlock'
  scope: app
  properties: {
    workspaceId: logsId
    logs: [{ category: 'FunctionAppLogs', enabled: true }]
  }
}

module endpoint 'endpoint.bicep' = if (private) {
  name: 'pe-${name}'
  params: {
    location: location
    tags: tags
    name: name
    targetId: app.id
    service: 'sites'
    subnetId: endpointSubnetId
    zoneId: zones.sites
  }
}

output id string = app.id
output host string = app.properties.defaultHostName
