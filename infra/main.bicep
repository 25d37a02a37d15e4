// The airlock of one TRE: everything but the storage accounts of its workspaces, which workspace.bicep adds.
//
// It is deployed twice. Event Grid refuses to call functions that do not run yet, so the first time leaves the calls out;
// then the package is deployed; the second time, with codeDeployed, adds them. scripts/deploy does all of it.

targetScope = 'resourceGroup'

@description('Id of the TRE: 1 to 11 letters, digits, hyphens and underscores. It ends the names of the accounts, in lower case and without the last two, and Azure limits a name to 24.')
@minLength(1)
@maxLength(11)
param treId string

@description('Region.')
param location string = resourceGroup().location

@description('Tags of every resource.')
param tags object = { application: 'airlock', tre: treId }

@description('One account for each zone, or one for the TRE and one for each workspace.')
@allowed(['default', 'compact'])
param layout string = 'default'

@description('Replication of the accounts.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param replication string = 'Standard_ZRS'

@description('Scan sealed files for malware, with Defender for Storage. It costs by the GB.')
param malwareScanning bool = true

@description('How much may be scanned in a month in each scanned account, in GB. Beyond it Azure scans nothing and says nothing. -1: no limit.')
param scanCapGB int = 5000

@description('The app is reachable inside the network only. This takes Service Bus Premium, and queued events.')
param privateApp bool = false

@description('How events reach the app: push lets Event Grid call it, queue goes through Service Bus. A private app cannot be called, and always takes queue. scripts/package needs the same choice.')
@allowed(['push', 'queue'])
param eventDelivery string = 'push'

@description('The package is deployed and running, so that Event Grid can be told to call it.')
param codeDeployed bool = false

@description('Flex Consumption, or Elastic Premium.')
@allowed(['flex', 'premium'])
param plan string = 'flex'

@description('Memory of an instance in MB. Flex Consumption only.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Instances that are ready for HTTP and for events at any time. 0 is cheaper, and the first request after a pause waits for some seconds.')
@minValue(0)
@maxValue(20)
param alwaysReady int = 1

@description('Most instances at a time: 40 to 1,000 on Flex Consumption, 1 to 100 on Elastic Premium.')
@minValue(1)
@maxValue(1000)
param maximumInstances int = 40

@description('Address range of the virtual network that is made, at least a /24.')
param addressSpace string = '10.90.0.0/24'

@description('Size of the subnet of the private endpoints, as the length of its prefix: that of addressSpace and one more, which is half of it. A workspace without a subnet of its own takes 5 of its addresses, or 1 with the compact layout.')
@minValue(9)
@maxValue(25)
param endpointPrefix int = 25

@description('A network to use instead of a new one: {appSubnetId, notifierSubnetId, endpointSubnetId, zones: {blob, table, queue, namespace, vault, sites}}. Zones are ids of private DNS zones; an empty one is left to a policy of the organisation. The subnet of the app is delegated to Microsoft.App/environments (flex) or Microsoft.Web/serverFarms (premium), that of the notifier to Microsoft.Web/serverFarms.')
param existingNetwork object = {}

@description('Addresses of operators, as CIDR ranges without /31 and /32, that may reach the vault and upload packages. Empty: only from inside the network.')
param operatorAddresses array = []

@description('Who is told when an alert fires.')
param alertEmails array = []

@description('How long logs are kept, in days.')
@minValue(30)
@maxValue(730)
param logDays int = 180

@description('How long a checkpoint of the audit trail cannot be changed or deleted, in days.')
@minValue(1)
@maxValue(146000)
param checkpointDays int = 3650

@description('The retention of checkpoints was locked, which nobody can undo. Azure then refuses to have it set again.')
param checkpointsLocked bool = false

@description('Exact issuer of access tokens: this form, or https://sts.windows.net/{tenant}/ where the app registration asks for version 1.')
param issuer string = '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'

@description('Audiences of access tokens for the API itself: the client id of its app registration, or its id URI for version 1.')
@minLength(1)
param apiAudiences array

@description('Settings of the airlock that differ from modules/settings.json, by name, for example {AIRLOCK_PAGE_URL: \'https://…\'}. What each means stands in handlers/internal/config.')
param settings object = {}

@description('Mail the notices: {sender, language, timeZone, timeZoneLabel}, and for smtp {server, port, username} too. All are texts; a username that is not empty takes a secret smtp-password in the vault. Empty: nothing is mailed, and no Logic App is made.')
param mail object = {}

@description('How mails are sent: to the mail server, or by the Office 365 Outlook connector. That one has to be given an account by hand, once.')
@allowed(['smtp', 'office365'])
param mailConnector string = 'smtp'

var names = loadJsonContent('modules/names.json')
var roles = loadJsonContent('modules/roles.json')
var zones = loadJsonContent('modules/layout.json')

// As the app writes it into the names of accounts.
var tre = toLower(replace(replace(treId, '-', ''), '_', ''))

var statusQueue = 'airlock-status-changed'
var notificationTopic = 'airlock-notifications'
var tableName = 'airlock'
var checkpointContainer = 'checkpoints'
var signingKey = 'signing'
var delivery = privateApp ? 'queue' : eventDelivery
var mailed = !empty(mail)
var network = empty(existingNetwork) ? made.outputs.network : existingNetwork

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: replace(names.identity, '{tre}', tre)
  location: location
  tags: tags
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    location: location
    tags: tags
    logsName: replace(names.logs, '{tre}', tre)
    insightsName: replace(names.insights, '{tre}', tre)
    peopleName: replace(names.people, '{tre}', tre)
    alertEmails: alertEmails
    retentionDays: logDays
  }
}

module made 'modules/network.bicep' = if (empty(existingNetwork)) {
  name: 'network'
  params: {
    location: location
    tags: tags
    name: replace(names.network, '{tre}', tre)
    addressSpace: addressSpace
    endpointPrefix: endpointPrefix
    appDelegation: plan == 'flex' ? 'Microsoft.App/environments' : 'Microsoft.Web/serverFarms'
  }
}

module platform 'modules/platform.bicep' = {
  name: 'platform'
  params: {
    location: location
    tags: tags
    platformName: replace(names.platformAccount, '{tre}', tre)
    hostName: replace(names.hostAccount, '{tre}', tre)
    tableName: tableName
    sku: replication
    checkpointContainer: checkpointContainer
    checkpointDays: checkpointDays
    checkpointsLocked: checkpointsLocked
    operatorAddresses: operatorAddresses
    endpointSubnetId: network.endpointSubnetId
    zones: network.zones
    logsId: monitoring.outputs.logsId
    identityId: identity.id
    principalId: identity.properties.principalId
  }
}

module bus 'modules/bus.bicep' = {
  name: 'bus'
  params: {
    location: location
    tags: tags
    name: replace(names.bus, '{tre}', tre)
    private: privateApp
    eventQueues: delivery == 'queue'
    statusQueue: statusQueue
    notificationTopic: notificationTopic
    mail: mailed
    endpointSubnetId: network.endpointSubnetId
    zones: network.zones
    logsId: monitoring.outputs.logsId
    identityId: identity.id
    principalId: identity.properties.principalId
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  params: {
    location: location
    tags: tags
    name: replace(names.vault, '{tre}', tre)
    keyName: signingKey
    operatorAddresses: operatorAddresses
    endpointSubnetId: network.endpointSubnetId
    zones: network.zones
    logsId: monitoring.outputs.logsId
    identityId: identity.id
    principalId: identity.properties.principalId
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: replace(names.insights, '{tre}', tre)
}

resource measure 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, identity.id, 'Monitoring Metrics Publisher')
  scope: insights
  dependsOn: [monitoring]
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Monitoring Metrics Publisher'])
  }
}

module app 'modules/app.bicep' = {
  name: 'app'
  params: {
    location: location
    tags: tags
    name: replace(names.app, '{tre}', tre)
    plan: plan
    instanceMemoryMB: instanceMemoryMB
    alwaysReady: alwaysReady
    maximumInstances: maximumInstances
    private: privateApp
    appSubnetId: network.appSubnetId
    endpointSubnetId: network.endpointSubnetId
    zones: network.zones
    identityId: identity.id
    clientId: identity.properties.clientId
    hostBlobEndpoint: platform.outputs.hostBlobEndpoint
    hostQueueEndpoint: platform.outputs.hostQueueEndpoint
    hostTableEndpoint: platform.outputs.hostTableEndpoint
    packageContainer: platform.outputs.packageContainer
    busHost: bus.outputs.host
    insightsConnection: monitoring.outputs.insightsConnection
    logsId: monitoring.outputs.logsId
    settings: union(loadJsonContent('modules/settings.json'), settings, {
      AIRLOCK_TRE_ID: treId
      AIRLOCK_TENANT_ID: tenant().tenantId
      AIRLOCK_ISSUER: issuer
      AIRLOCK_API_AUDIENCE: join(apiAudiences, ',')
      AIRLOCK_STORAGE_SUFFIX: environment().suffixes.storage
      AIRLOCK_TABLE_ACCOUNT: replace(names.platformAccount, '{tre}', tre)
      AIRLOCK_TABLE_NAME: tableName
      AIRLOCK_SIGNING_KEY_URL: 'https://${replace(names.vault, '{tre}', tre)}${environment().suffixes.keyvaultDns}/keys/${signingKey}'
      AIRLOCK_CHECKPOINT_CONTAINER: checkpointContainer
      AIRLOCK_STATUS_QUEUE: statusQueue
      AIRLOCK_NOTIFICATION_TOPIC: notificationTopic
      AIRLOCK_COMPACT_LAYOUT: layout == 'compact' ? 'true' : 'false'
      AIRLOCK_SCAN_TAGS: 'true' // every scanned account writes them
    })
  }
  dependsOn: [measure]
}

module scan 'modules/scan.bicep' = if (malwareScanning) {
  name: 'scan'
  params: {
    location: location
    tags: tags
    name: replace(names.scanTopic, '{tre}', tre)
    eventDelivery: delivery
    codeDeployed: codeDeployed
    appId: app.outputs.id
    platformAccount: replace(names.platformAccount, '{tre}', tre)
    busName: replace(names.bus, '{tre}', tre)
    logsId: monitoring.outputs.logsId
  }
}

module accounts 'modules/zone.bicep' = [for zone in zones[layout].tre: {
  name: 'zone-${replace(zone.account, '{tre}', tre)}'
  params: {
    location: location
    tags: tags
    name: replace(zone.account, '{tre}', tre)
    sku: replication
    external: zone.external
    scanned: zone.scanned
    events: zone.events
    malwareScanning: malwareScanning
    scanCapGB: scanCapGB
    scanTopicId: malwareScanning ? scan.outputs.id : ''
    eventDelivery: delivery
    codeDeployed: codeDeployed
    appId: app.outputs.id
    platformGroup: resourceGroup().name
    platformAccount: replace(names.platformAccount, '{tre}', tre)
    busName: replace(names.bus, '{tre}', tre)
    endpointSubnetId: network.endpointSubnetId
    zones: network.zones
    logsId: monitoring.outputs.logsId
    identityId: identity.id
    principalId: identity.properties.principalId
  }
}]

module notifier 'modules/notifier.bicep' = if (mailed) {
  name: 'notifier'
  params: {
    location: location
    tags: tags
    name: replace(names.notifier, '{tre}', tre)
    identityName: replace(names.notifierIdentity, '{tre}', tre)
    accountName: replace(names.notifierAccount, '{tre}', tre)
    sku: replication
    operatorAddresses: operatorAddresses
    notifierSubnetId: network.notifierSubnetId
    endpointSubnetId: network.endpointSubnetId
    zones: network.zones
    busName: replace(names.bus, '{tre}', tre)
    busHost: bus.outputs.host
    notificationTopic: notificationTopic
    vaultName: replace(names.vault, '{tre}', tre)
    vaultUri: vault.outputs.uri
    insightsName: replace(names.insights, '{tre}', tre)
    insightsConnection: monitoring.outputs.insightsConnection
    logsId: monitoring.outputs.logsId
    mailConnector: mailConnector
    mail: union({ server: '', port: '', username: '' }, mail)
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    location: location
    tags: tags
    name: replace(names.app, '{tre}', tre)
    healthUrl: privateApp ? '' : 'https://${app.outputs.host}/api/health'
    codeDeployed: codeDeployed
    malwareScanning: malwareScanning
    logsId: monitoring.outputs.logsId
    insightsId: monitoring.outputs.insightsId
    busId: bus.outputs.id
    platformId: platform.outputs.platformId
    peopleId: monitoring.outputs.peopleId
  }
}

output appName string = replace(names.app, '{tre}', tre)
output appHost string = app.outputs.host
output eventDelivery string = delivery
output hostAccount string = replace(names.hostAccount, '{tre}', tre)
output notifierName string = mailed ? replace(names.notifier, '{tre}', tre) : ''
output notifierAccount string = mailed ? replace(names.notifierAccount, '{tre}', tre) : ''
