// What the airlock keeps for itself: the table of requests, the checkpoints of the audit trail and the events that could
// not be delivered in one account, and what the Functions host needs in another. The host's identity owns all of the
// second; nothing owns all of the first.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Account of the table, the checkpoints and the undelivered events.')
param platformName string

@description('Account of the Functions host: its locks and keys, and the deployed package.')
param hostName string

@description('Name of the table.')
param tableName string

@description('Replication.')
param sku string

@description('Container of the checkpoints.')
param checkpointContainer string

@description('How long a checkpoint cannot be changed or deleted, in days.')
param checkpointDays int

@description('The retention of checkpoints was locked, which nobody can undo. Azure then refuses to have it set again.')
param checkpointsLocked bool

@description('Addresses of operators, as CIDR ranges, that may upload packages.')
param operatorAddresses array

@description('Subnet of the private endpoints.')
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

module platform 'account.bicep' = {
  name: 'platform-account'
  params: {
    location: location
    tags: tags
    name: platformName
    sku: sku
    external: false
    undeleteDays: 30
    services: ['blob', 'table']
    endpointSubnetId: endpointSubnetId
    zones: zones
    logsId: logsId
  }
}

module host 'account.bicep' = {
  name: 'host-account'
  params: {
    location: location
    tags: tags
    name: hostName
    sku: sku
    external: false
    operatorAddresses: operatorAddresses
    services: ['blob', 'queue', 'table']
    endpointSubnetId: endpointSubnetId
    zones: zones
    logsId: logsId
  }
}

resource platformAccount 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: platformName
}

resource hostAccount 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: hostName
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2024-01-01' = {
  parent: platformAccount
  name: 'default'
  dependsOn: [platform]
}

resource table 'Microsoft.Storage/storageAccounts/tableServices/tables@2024-01-01' = {
  parent: tables
  name: tableName
}

resource platformBlobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' existing = {
  parent: platformAccount
  name: 'default'
}

resource undelivered 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: platformBlobs
  name: 'undelivered-events'
  dependsOn: [platform]
}

resource checkpoints 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: platformBlobs
  name: checkpointContainer
  dependsOn: [platform]
}

resource retention 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2024-01-01' = if (!checkpointsLocked) {
  parent: checkpoints
  name: 'default'
  properties: {
    immutabilityPeriodSinceCreationInDays: checkpointDays
    allowProtectedAppendWrites: false
  }
}

resource hostBlobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' existing = {
  parent: hostAccount
  name: 'default'
}

resource package 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: hostBlobs
  name: 'package'
  dependsOn: [host]
}

resource appTable 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(table.id, identityId, 'Storage Table Data Contributor')
  scope: table
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Storage Table Data Contributor'])
  }
}

// No smaller built-in role may write a blob. That nothing is changed or deleted, the retention sees to.
resource appCheckpoints 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(checkpoints.id, identityId, 'Storage Blob Data Contributor')
  scope: checkpoints
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Storage Blob Data Contributor'])
  }
}

resource hostBlobOwner 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostAccount.id, identityId, 'Storage Blob Data Owner')
  scope: hostAccount
  dependsOn: [host]
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Storage Blob Data Owner'])
  }
}

resource hostTable 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostAccount.id, identityId, 'Storage Table Data Contributor')
  scope: hostAccount
  dependsOn: [host]
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Storage Table Data Contributor'])
  }
}

output platformId string = platform.outputs.id
output hostBlobEndpoint string = host.outputs.blobEndpoint
output hostQueueEndpoint string = host.outputs.queueEndpoint
output hostTableEndpoint string = host.outputs.tableEndpoint
output packageContainer string = package.name
