// A private endpoint for one service of one resource, and its name in the private DNS zone of that service.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the resource that it leads to.')
param name string

@description('Id of the resource that it leads to.')
param targetId string

@description('Group id: which service of the resource.')
@allowed(['blob', 'table', 'queue', 'namespace', 'vault', 'sites'])
param service string

@description('Subnet that it stands in.')
param subnetId string

@description('Private DNS zone of the service. Empty: a policy of the organisation makes the records.')
param zoneId string

resource endpoint 'Microsoft.Network/privateEndpoints@2024-07-01' = {
  name: 'pe-${name}-${service}'
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    customNetworkInterfaceName: 'nic-${name}-${service}'
    privateLinkServiceConnections: [
      {
        name: service
        properties: {
          privateLinkServiceId: targetId
          groupIds: [service]
        }
      }
    ]
  }
}

resource record 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-07-01' = if (!empty(zoneId)) {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [{ name: service, properties: { privateDnsZoneId: zoneId } }]
  }
}
