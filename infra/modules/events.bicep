// What the identity of an Event Grid topic may do: put undelivered events away, and fill a queue where events are queued.

@description('Id of the topic.')
param sourceId string

@description('Object id of the identity of the topic.')
param principalId string

@description('Account of the undelivered events.')
param platformAccount string

@description('Service Bus namespace.')
param busName string

@description('Queue that the topic fills. Empty: it calls the app.')
param queue string

var roles = loadJsonContent('roles.json')

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' existing = {
  name: '${platformAccount}/default/undelivered-events'
}

resource filled 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' existing = if (!empty(queue)) {
  name: '${busName}/${queue}'
}

resource putAway 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(container.id, sourceId, 'Storage Blob Data Contributor')
  scope: container
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Storage Blob Data Contributor'])
  }
}

resource fill 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(queue)) {
  name: guid(filled.id, sourceId, 'Azure Service Bus Data Sender')
  scope: filled
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Azure Service Bus Data Sender'])
  }
}
