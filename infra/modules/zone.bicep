// One storage account of the layout: the zones in it, who may work there, what its events start and whether its files are
// scanned.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the account.')
@minLength(3)
@maxLength(24)
param name string

@description('Replication.')
param sku string

@description('Researchers reach the account from the internet, with a link.')
param external bool

@description('It holds a holding zone, whose files are scanned.')
param scanned bool

@description('Which new files the app hears of: none, all, or those behind the intake where zones share the account.')
@allowed(['none', 'all', 'behindIntake'])
param events string

@description('Malware scanning is on.')
param malwareScanning bool

@description('How much may be scanned in a month, in GB. -1: no limit.')
param scanCapGB int

@description('Topic that scan results go to. Empty where malware scanning is off.')
param scanTopicId string

@description('How events reach the app: Event Grid calls it, or fills a queue.')
@allowed(['push', 'queue'])
param eventDelivery string

@description('The app is running, so that Event Grid can be told to call it.')
param codeDeployed bool

@description('Id of the function app.')
param appId string

@description('Resource group of the TRE\'s own resources.')
param platformGroup string

@description('Account of the undelivered events.')
param platformAccount string

@description('Service Bus namespace.')
param busName string

@description('Subnet of the private endpoint.')
param endpointSubnetId string

@description('Ids of the private DNS zones, by service.')
param zones object

@description('Log Analytics workspace.')
param logsId string

@description('Id of the identity of the app.')
param identityId string

@description('Object id of the identity of the app.')
param principalId string

var roles = loadJsonContent('roles.json')
var heard = events != 'none'
var queued = eventDelivery == 'queue'

// Zones share the account: the zone stands in the container's name. These words may stand in the name of an uploaded file
// too. Such an event is one too many, which does no harm; a filter that excluded the intake would lose some.
var behindIntake = [
  { operatorType: 'StringContains', key: 'subject', values: ['-holding', '-released', '-refused', '-quarantine'] }
]

// What the files of people need of the identity: everything but writing index tags, where the scanner's result stands.
var noTagWriting = '((!(ActionMatches{\'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags/write\'})) OR (@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals \'nowhere\'))'

module storage 'account.bicep' = {
  name: 'account-${name}'
  params: {
    location: location
    tags: tags
    name: name
    sku: sku
    external: external
    scanned: scanned && malwareScanning
    services: ['blob']
    endpointSubnetId: endpointSubnetId
    zones: zones
    logsId: logsId
  }
}

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: name
}

resource work 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, identityId, 'Storage Blob Data Owner')
  scope: account
  dependsOn: [storage]
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Storage Blob Data Owner'])
    conditionVersion: '2.0'
    condition: noTagWriting
  }
}

// An account has one system topic. Defender would make its own, and this one could not be made any more: it comes first.
resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (heard) {
  name: 'evgt-${name}'
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    source: storage.outputs.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

module grants 'events.bicep' = if (heard) {
  name: 'events-${name}'
  scope: resourceGroup(platformGroup)
  params: {
    sourceId: topic.id
    principalId: topic.identity.principalId
    platformAccount: platformAccount
    busName: busName
    queue: queued ? 'airlock-blob-created' : ''
  }
}

var common = {
  eventDeliverySchema: 'EventGridSchema'
  filter: {
    includedEventTypes: ['Microsoft.Storage.BlobCreated']
    subjectBeginsWith: '/blobServices/default/containers/'
    advancedFilters: events == 'behindIntake' ? behindIntake : []
  }
  retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }
  deadLetterWithResourceIdentity: {
    identity: { type: 'SystemAssigned' }
    deadLetterDestination: {
      endpointType: 'StorageBlob'
      properties: {
        resourceId: resourceId(platformGroup, 'Microsoft.Storage/storageAccounts', platformAccount)
        blobContainerName: 'undelivered-events'
      }
    }
  }
}

var toFunction = {
  destination: {
    endpointType: 'AzureFunction'
    properties: {
      resourceId: '${appId}/functions/BlobCreated'
      maxEventsPerBatch: 1
      preferredBatchSizeInKilobytes: 64
    }
  }
}

var toQueue = {
  deliveryWithResourceIdentity: {
    identity: { type: 'SystemAssigned' }
    destination: {
      endpointType: 'ServiceBusQueue'
      properties: {
        resourceId: resourceId(platformGroup, 'Microsoft.ServiceBus/namespaces/queues', busName, 'airlock-blob-created')
      }
    }
  }
}

resource created 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = if (heard && (queued || codeDeployed)) {
  parent: topic
  name: 'blob-created'
  properties: union(common, queued ? toQueue : toFunction)
  dependsOn: [grants]
}

// The result is written into the index tags of the blob as well, where it has to agree with the event. Defender is not asked
// to do anything with a file that it finds: the app moves it to quarantine.
resource scanner 'Microsoft.Security/defenderForStorageSettings@2025-06-01' = if (scanned) {
  name: 'current'
  scope: account
  dependsOn: [storage, topic]
  properties: {
    isEnabled: malwareScanning
    overrideSubscriptionLevelSettings: true
    malwareScanning: {
      onUpload: { isEnabled: malwareScanning, capGBPerMonth: scanCapGB }
      scanResultsEventGridTopicResourceId: malwareScanning ? scanTopicId : null
      blobScanResultsOptions: 'BlobIndexTags'
    }
    sensitiveDataDiscovery: { isEnabled: false }
  }
}

resource scans 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (scanned && malwareScanning) {
  name: 'airlock'
  scope: scanner
  properties: {
    workspaceId: logsId
    logs: [{ category: 'ScanResults', enabled: true }]
  }
}
