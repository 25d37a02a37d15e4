// The network of the airlock: where the app runs, where private endpoints are, and the names by which they are found.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the virtual network.')
param name string

@description('Address range of the virtual network, at least a /24.')
param addressSpace string

@description('Size of the subnet of the private endpoints: it is the second of that size in the range, for example its upper half.')
param endpointPrefix int

@description('What the subnet of the app is delegated to: Flex Consumption and Elastic Premium differ.')
@allowed(['Microsoft.App/environments', 'Microsoft.Web/serverFarms'])
param appDelegation string

// Each by the group id of the private endpoints that it is for.
var zones = [
  { service: 'blob', name: 'privatelink.blob.${environment().suffixes.storage}' }
  { service: 'table', name: 'privatelink.table.${environment().suffixes.storage}' }
  { service: 'queue', name: 'privatelink.queue.${environment().suffixes.storage}' }
  { service: 'namespace', name: 'privatelink.servicebus.windows.net' }
  { service: 'vault', name: 'privatelink.vaultcore.azure.net' }
  { service: 'sites', name: 'privatelink.azurewebsites.net' }
]

// It has no rules of its own: the built-in ones keep the internet out and let the network talk to itself.
resource guard 'Microsoft.Network/networkSecurityGroups@2024-07-01' = {
  name: 'nsg-${name}'
  location: location
  tags: tags
}

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressSpace] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressSpace, 26, 0)
          networkSecurityGroup: { id: guard.id }
          // The app has to reach Entra ID, and Service Bus where that is public. Bring a network of your own to send
          // this through a firewall.
          defaultOutboundAccess: true
          delegations: [{ name: 'app', properties: { serviceName: appDelegation } }]
        }
      }
      {
        name: 'notifier'
        properties: {
          addressPrefix: cidrSubnet(addressSpace, 26, 1)
          networkSecurityGroup: { id: guard.id }
          defaultOutboundAccess: true
          delegations: [{ name: 'notifier', properties: { serviceName: 'Microsoft.Web/serverFarms' } }]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressSpace, endpointPrefix, 1)
          networkSecurityGroup: { id: guard.id }
          defaultOutboundAccess: false
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }
}

resource dns 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zone in zones: {
  name: zone.name
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (zone, i) in zones: {
  parent: dns[i]
  name: name
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: network.id }
  }
}]

output network object = {
  appSubnetId: '${network.id}/subnets/app'
  notifierSubnetId: '${network.id}/subnets/notifier'
  endpointSubnetId: '${network.id}/subnets/endpoints'
  zones: {
    blob: dns[0].id
    table: dns[1].id
    queue: dns[2].id
    namespace: dns[3].id
    vault: dns[4].id
    sites: dns[5].id
  }
}
