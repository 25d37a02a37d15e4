// Service Bus: nudges come back to the app through a queue, notices leave by a topic. With queued event delivery the events
// of storage and of the malware scanner arrive through queues too.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the namespace.')
@minLength(6)
@maxLength(50)
param name string

@description('Reachable through a private endpoint only, which takes the Premium tier.')
param private bool

@description('Events arrive through queues.')
param eventQueues bool

@description('Queue of nudges.')
param statusQueue string

@description('Topic of notices.')
param notificationTopic string

@description('The notifier reads the notices.')
param mail bool

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
var premium = { name: 'Premium', tier: 'Premium', capacity: 1 }
var standard = { name: 'Standard', tier: 'Standard' }
var eventQueueNames = eventQueues ? ['airlock-blob-created', 'airlock-scan-result'] : []

resource bus 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: name
  location: location
  tags: tags
  sku: private ? premium : standard
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
  }
}

// Event Grid delivers from outside the network: it passes as a trusted service, with its identity.
resource trust 'Microsoft.ServiceBus/namespaces/networkRuleSets@2024-01-01' = if (private) {
  parent: bus
  name: 'default'
  properties: {
    defaultAction: 'Deny'
    publicNetworkAccess: 'Disabled'
    trustedServiceAccessEnabled: true
    ipRules: []
    virtualNetworkRules: []
  }
}

resource status 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  parent: bus
  name: statusQueue
  properties: {
    lockDuration: 'PT1M' // the host renews it for as long as an invocation may last
    maxDeliveryCount: 10
    requiresDuplicateDetection: true
    duplicateDetectionHistoryTimeWindow: 'PT10M'
    defaultMessageTimeToLive: 'P14D'
    deadLetteringOnMessageExpiration: true
  }
}

resource events 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = [for queue in eventQueueNames: {
  parent: bus
  name: queue
  properties: {
    lockDuration: 'PT1M'
    maxDeliveryCount: 10
    requiresDuplicateDetection: true
    duplicateDetectionHistoryTimeWindow: 'P1D' // as long as Event Grid repeats an event
    defaultMessageTimeToLive: 'P14D'
    deadLetteringOnMessageExpiration: true
  }
}]

resource notices 'Microsoft.ServiceBus/namespaces/topics@2024-01-01' = {
  parent: bus
  name: notificationTopic
  properties: {
    requiresDuplicateDetection: true
    duplicateDetectionHistoryTimeWindow: 'P1D' // a notice whose sending failed comes again after up to a quarter of an hour
    defaultMessageTimeToLive: 'P14D'
    supportOrdering: true
  }
}

// A mail server that is away for half a day costs no mail: the notifier pauses for a minute before it gives a notice back.
resource mailing 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2024-01-01' = if (mail) {
  parent: notices
  name: 'mail'
  properties: {
    lockDuration: 'PT5M'
    maxDeliveryCount: 1000
    defaultMessageTimeToLive: 'P14D'
    deadLetteringOnMessageExpiration: true
    deadLetteringOnFilterEvaluationExceptions: true
  }
}

resource journal 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'airlock'
  scope: bus
  properties: {
    workspaceId: logsId
    logs: [{ category: 'OperationalLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

module endpoint 'endpoint.bicep' = if (private) {
  name: 'pe-${name}'
  params: {
    location: location
    tags: tags
    name: name
    targetId: bus.id
    service: 'namespace'
    subnetId: endpointSubnetId
    zoneId: zones.namespace
  }
}

resource sendNudges 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(status.id, identityId, 'Azure Service Bus Data Sender')
  scope: status
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Azure Service Bus Data Sender'])
  }
}

resource receiveNudges 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(status.id, identityId, 'Azure Service Bus Data Receiver')
  scope: status
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Azure Service Bus Data Receiver'])
  }
}

resource receiveEvents 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (queue, i) in eventQueueNames: {
  name: guid(events[i].id, identityId, 'Azure Service Bus Data Receiver')
  scope: events[i]
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Azure Service Bus Data Receiver'])
  }
}]

resource sendNotices 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(notices.id, identityId, 'Azure Service Bus Data Sender')
  scope: notices
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Azure Service Bus Data Sender'])
  }
}

output id string = bus.id
output host string = '${name}.servicebus.windows.net'
