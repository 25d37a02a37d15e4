// Where Defender for Storage publishes what it found, and how the app hears of it. Defender publishes to a topic in the
// region of the account, and only where that is open to the internet; it takes identities only.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the topic.')
@minLength(3)
@maxLength(50)
param name string

@description('How events reach the app: Event Grid calls it, or fills a queue.')
@allowed(['push', 'queue'])
param eventDelivery string

@description('The app is running, so that Event Grid can be told to call it.')
param codeDeployed bool

@description('Id of the function app.')
param appId string

@description('Account of the undelivered events.')
param platformAccount string

@description('Service Bus namespace.')
param busName string

@description('Log Analytics workspace.')
param logsId string

var queued = eventDelivery == 'queue'

resource topic 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    inputSchema: 'EventGridSchema'
    publicNetworkAccess: 'Enabled'
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
  }
}

module grants 'events.bicep' = {
  name: 'events-${name}'
  params: {
    sourceId: topic.id
    principalId: topic.identity.principalId
    platformAccount: platformAccount
    busName: busName
    queue: queued ? 'airlock-scan-result' : ''
  }
}

var common = {
  eventDeliverySchema: 'EventGridSchema'
  filter: { includedEventTypes: ['Microsoft.Security.MalwareScanningResult'] }
  retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }
  deadLetterWithResourceIdentity: {
    identity: { type: 'SystemAssigned' }
    deadLetterDestination: {
      endpointType: 'StorageBlob'
      properties: {
        resourceId: resourceId('Microsoft.Storage/storageAccounts', platformAccount)
        blobContainerName: 'undelivered-events'
      }
    }
  }
}

var toFunction = {
  destination: {
    endpointType: 'AzureFunction'
    properties: {
      resourceId: '${appId}/functions/ScanResult'
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
        resourceId: resourceId('Microsoft.ServiceBus/namespaces/queues', busName, 'airlock-scan-result')
      }
    }
  }
}

resource results 'Microsoft.EventGrid/topics/eventSubscriptions@2025-02-15' = if (queued || codeDeployed) {
  parent: topic
  name: 'scan-result'
  properties: union(common, queued ? toQueue : toFunction)
  dependsOn: [grants]
}

resource journal 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'airlock'
  scope: topic
  properties: {
    workspaceId: logsId
    logs: [
      { category: 'DeliveryFailures', enabled: true }
      { category: 'PublishFailures', enabled: true }
    ]
  }
}

output id string = topic.id
