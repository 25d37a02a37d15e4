// The Logic App that mails the notices: its plan, its own account, its settings and what it may read. The workflow in
// infra/notifier is deployed as a package.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the Logic App.')
@minLength(2)
@maxLength(43)
param name string

@description('Name of the identity with which it reaches its account.')
param identityName string

@description('Name of its account.')
param accountName string

@description('Replication of its account.')
param sku string

@description('Addresses of operators, as CIDR ranges, that may upload the package.')
param operatorAddresses array

@description('Subnet that it runs in.')
param notifierSubnetId string

@description('Subnet of the private endpoints.')
param endpointSubnetId string

@description('Ids of the private DNS zones, by service.')
param zones object

@description('Name of the Service Bus namespace.')
param busName string

@description('Host name of the Service Bus namespace.')
param busHost string

@description('Topic of notices.')
param notificationTopic string

@description('Name of the Key Vault.')
param vaultName string

@description('Address of the Key Vault.')
param vaultUri string

@description('Name of the Application Insights component.')
param insightsName string

@description('How to find Application Insights. It is no credential.')
param insightsConnection string

@description('Log Analytics workspace.')
param logsId string

@description('The mail server, who mails come from, and how they are written.')
param mail object

@description('How mails are sent.')
@allowed(['smtp', 'office365'])
param mailConnector string

var roles = loadJsonContent('roles.json')
var accountRoles = [
  'Storage Account Contributor'
  'Storage Blob Data Owner'
  'Storage Queue Data Contributor'
  'Storage Table Data Contributor'
]
var byOffice = mailConnector == 'office365'
var officeApiId = subscriptionResourceId('Microsoft.Web/locations/managedApis', location, 'office365')
var password = empty(mail.username) ? '' : '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/smtp-password)'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: identityName
  location: location
  tags: tags
}

module storage 'account.bicep' = {
  name: 'account-${accountName}'
  params: {
    location: location
    tags: tags
    name: accountName
    sku: sku
    external: false
    operatorAddresses: operatorAddresses
    services: ['blob', 'queue', 'table']
    endpointSubnetId: endpointSubnetId
    zones: zones
    logsId: logsId
  }
}

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: accountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' existing = {
  parent: account
  name: 'default'
}

resource package 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: blobs
  name: 'package'
  dependsOn: [storage]
}

resource own 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in accountRoles: {
  name: guid(account.id, identity.id, role)
  scope: account
  dependsOn: [storage]
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[role])
  }
}]

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource measure 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, identity.id, 'Monitoring Metrics Publisher')
  scope: insights
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Monitoring Metrics Publisher'])
  }
}

resource farm 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'elastic'
  sku: { name: 'WS1', tier: 'WorkflowStandard' }
  properties: { maximumElasticWorkerCount: 2 }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,workflowapp'
  // The connection to Service Bus in infra/notifier uses the system-assigned one.
  identity: {
    type: 'SystemAssigned, UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    serverFarmId: farm.id
    httpsOnly: true
    publicNetworkAccess: 'Disabled' // nothing calls it: it reads notices
    virtualNetworkSubnetId: notifierSubnetId
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      netFrameworkVersion: 'v8.0'
      minimumElasticInstanceCount: 1
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

// The account that mails come from is given to it in the portal: its sign-in cannot be deployed. Only the Logic App may use it.
resource office 'Microsoft.Web/connections@2016-06-01' = if (byOffice) {
  name: 'office365-${name}'
  location: location
  tags: tags
  kind: 'V2' // the one that Logic Apps (Standard) use with an identity
  properties: {
    displayName: 'Mails of the airlock'
    api: { id: officeApiId }
  }
}

resource officeAccess 'Microsoft.Web/connections/accessPolicies@2016-06-01' = if (byOffice) {
  parent: office
  name: name
  location: location
  properties: {
    principal: {
      type: 'ActiveDirectory'
      identity: { tenantId: tenant().tenantId, objectId: app.identity.principalId }
    }
  }
}

resource settings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  dependsOn: [own]
  properties: {
    APP_KIND: 'workflowApp'
    FUNCTIONS_EXTENSION_VERSION: '~4'
    FUNCTIONS_WORKER_RUNTIME: 'dotnet'
    FUNCTIONS_INPROC_NET8_ENABLED: '1'
    AzureFunctionsJobHost__extensionBundle__id: 'Microsoft.Azure.Functions.ExtensionBundle.Workflows'
    AzureFunctionsJobHost__extensionBundle__version: '[1.*, 2.0.0)'
    AzureWebJobsStorage__credential: 'managedIdentity'
    AzureWebJobsStorage__managedIdentityResourceId: identity.id
    AzureWebJobsStorage__blobServiceUri: storage.outputs.blobEndpoint
    AzureWebJobsStorage__queueServiceUri: storage.outputs.queueEndpoint
    AzureWebJobsStorage__tableServiceUri: storage.outputs.tableEndpoint
    WEBSITE_RUN_FROM_PACKAGE: '${storage.outputs.blobEndpoint}${package.name}/notifier.zip'
    WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID: identity.id
    APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnection
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
    serviceBus_fullyQualifiedNamespace: busHost
    Smtp_serverAddress: mail.server
    Smtp_port: mail.port
    Smtp_enableSSL: 'true'
    Smtp_username: mail.username
    Smtp_password: password
    // The workflow names both ways; the one that is not taken has settings that lead nowhere.
    office365_apiId: officeApiId
    office365_connectionId: byOffice ? office.id : ''
    office365_connectionRuntimeUrl: byOffice ? office.properties.connectionRuntimeUrl : ''
    NOTIFIER_MAIL_CONNECTOR: mailConnector
    NOTIFIER_SENDER: mail.sender
    NOTIFIER_LANGUAGE: mail.language
    NOTIFIER_TIME_ZONE: mail.timeZone
    NOTIFIER_TIME_ZONE_LABEL: mail.timeZoneLabel
  }
}

resource mailing 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2024-01-01' existing = {
  name: '${busName}/${notificationTopic}/mail'
}

resource receive 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(mailing.id, app.id, 'Azure Service Bus Data Receiver')
  scope: mailing
  properties: {
    principalId: app.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Azure Service Bus Data Receiver'])
  }
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

resource readPassword 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(mail.username)) {
  name: guid(vault.id, app.id, 'Key Vault Secrets User')
  scope: vault
  properties: {
    principalId: app.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Key Vault Secrets User'])
  }
}

resource journal 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'airlock'
  scope: app
  properties: {
    workspaceId: logsId
    logs: [{ category: 'WorkflowRuntime', enabled: true }, { category: 'FunctionAppLogs', enabled: true }]
  }
}
