// One storage account: keys off, TLS 1.2, closed to the internet unless it is an external one, every use of its files
// logged, and private endpoints.

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

@description('Addresses of operators, as CIDR ranges, that may reach the account besides the private endpoints.')
param operatorAddresses array = []

@description('Malware scanning is on: its scanner passes the firewall.')
param scanned bool = false

@description('How long deleted blobs and containers can be brought back, in days. 0: deleted is deleted.')
param undeleteDays int = 0

@description('Services that get a private endpoint.')
param services array

@description('Subnet of the private endpoints.')
param endpointSubnetId string

@description('Ids of the private DNS zones, by service.')
param zones object

@description('Log Analytics workspace.')
param logsId string

var scanner = [
  {
    tenantId: tenant().tenantId
    resourceId: '${subscription().id}/providers/Microsoft.Security/datascanners/StorageDataScanner'
  }
]

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    isLocalUserEnabled: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    encryption: {
      keySource: 'Microsoft.Storage'
      requireInfrastructureEncryption: true
      services: {
        blob: { enabled: true, keyType: 'Account' }
        file: { enabled: true, keyType: 'Account' }
        queue: { enabled: true, keyType: 'Account' }
        table: { enabled: true, keyType: 'Account' }
      }
    }
    publicNetworkAccess: external || !empty(operatorAddresses) ? 'Enabled' : 'Disabled'
    networkAcls: {
      bypass: 'AzureServices' // Event Grid's dead letters
      defaultAction: external ? 'Allow' : 'Deny'
      ipRules: [for cidr in operatorAddresses: { action: 'Allow', value: cidr }]
      virtualNetworkRules: []
      // Defender adds this rule by itself. It stands here too because a deployment would remove what it does not name.
      resourceAccessRules: scanned ? scanner : []
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: undeleteDays > 0 ? { enabled: true, days: undeleteDays } : { enabled: false }
    containerDeleteRetentionPolicy: undeleteDays > 0 ? { enabled: true, days: undeleteDays } : { enabled: false }
  }
}

// A link carries a correlation id that stands in the audit trail too: this log says who used it, and when.
resource journal 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'airlock'
  scope: blobs
  properties: {
    workspaceId: logsId
    logs: [
      { category: 'StorageRead', enabled: true }
      { category: 'StorageWrite', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
  }
}

module endpoints 'endpoint.bicep' = [for service in services: {
  name: 'pe-${name}-${service}'
  params: {
    location: location
    tags: tags
    name: name
    targetId: account.id
    service: service
    subnetId: endpointSubnetId
    zoneId: zones[service]
  }
}]

output id string = account.id
output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
output tableEndpoint string = account.properties.primaryEndpoints.table
