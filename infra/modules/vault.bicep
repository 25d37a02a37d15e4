// The Key Vault: the key that signs checkpoints and disclosure records, which never leaves it, and the password of the
// mail server where that wants one.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the vault.')
@minLength(3)
@maxLength(24)
param name string

@description('Name of the key that signs.')
param keyName string

@description('Addresses of operators, as CIDR ranges, that may reach the vault besides the private endpoint.')
param operatorAddresses array

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

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true // signatures outlive mistakes
    publicNetworkAccess: empty(operatorAddresses) ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: 'Deny'
      ipRules: [for cidr in operatorAddresses: { value: cidr }]
      virtualNetworkRules: []
    }
  }
}

// Azure: Key Vault has the curves P-256, P-384, P-521 and P-256K, and no Ed25519. It is never replaced by itself: old
// signatures have to be verified with the version that made them.
resource signing 'Microsoft.KeyVault/vaults/keys@2024-11-01' = {
  parent: vault
  name: keyName
  tags: tags
  properties: {
    kty: 'EC'
    curveName: 'P-256'
    keyOps: ['sign', 'verify']
    attributes: { enabled: true, exportable: false }
  }
}

resource sign 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(signing.id, identityId, 'Key Vault Crypto User')
  scope: signing
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Key Vault Crypto User'])
  }
}

resource journal 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'airlock'
  scope: vault
  properties: {
    workspaceId: logsId
    logs: [{ category: 'AuditEvent', enabled: true }]
  }
}

module endpoint 'endpoint.bicep' = {
  name: 'pe-${name}'
  params: {
    location: location
    tags: tags
    name: name
    targetId: vault.id
    service: 'vault'
    subnetId: endpointSubnetId
    zoneId: zones.vault
  }
}

output uri string = vault.properties.vaultUri
