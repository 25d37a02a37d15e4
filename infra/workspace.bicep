// What one workspace adds to the airlock of its TRE: its storage accounts, with their events and their scanner. It goes into
// the resource group of the workspace, or into that of the TRE, after main.bicep. It takes the identity, the bus and the
// rest from there.

targetScope = 'resourceGroup'

@description('Id of the workspace.')
@minLength(4)
@maxLength(36)
param workspaceId string

@description('What ends the names of the accounts: 1 to 9 letters and digits that no other workspace of any TRE has, because names of accounts are unique in all of Azure. It has to stand in the workspace\'s airlock settings too. The default is what those have by default.')
@minLength(1)
@maxLength(9)
param suffix string = substring(workspaceId, length(workspaceId) - 4, 4)

@description('Id of the TRE, as for main.bicep.')
@minLength(1)
@maxLength(11)
param treId string

@description('Resource group of the TRE\'s own resources.')
param treGroup string = resourceGroup().name

@description('Region: that of the TRE, because Defender publishes in the region of the account only.')
param location string = resourceGroup().location

@description('Tags of every resource.')
param tags object = { application: 'airlock', tre: treId, workspace: workspaceId }

@description('As for main.bicep.')
@allowed(['default', 'compact'])
param layout string = 'default'

@description('Replication of the accounts.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param replication string = 'Standard_ZRS'

@description('Scan sealed files for malware. main.bicep must have it on too.')
param malwareScanning bool = true

@description('How much may be scanned in a month in each scanned account, in GB. -1: no limit.')
param scanCapGB int = 5000

@description('As main.bicep says in its output.')
@allowed(['push', 'queue'])
param eventDelivery string = 'push'

@description('The package is deployed and running, so that Event Grid can be told to call it.')
param codeDeployed bool = true

@description('Subnet of the private endpoints: in the network of the workspace, peered with that of the TRE. Empty: in the network that main.bicep made.')
param endpointSubnetId string = ''

@description('Private DNS zone for the blob service, linked to both networks. Empty with a subnet: left to a policy of the organisation. Empty without: the zone that main.bicep made.')
param blobZoneId string = ''

var names = loadJsonContent('modules/names.json')
var zones = loadJsonContent('modules/layout.json')
var tre = toLower(replace(replace(treId, '-', ''), '_', ''))
var ws = toLower(replace(replace(suffix, '-', ''), '_', ''))

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: replace(names.identity, '{tre}', tre)
  scope: resourceGroup(treGroup)
}

resource logs 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = {
  name: replace(names.logs, '{tre}', tre)
  scope: resourceGroup(treGroup)
}

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: replace(names.app, '{tre}', tre)
  scope: resourceGroup(treGroup)
}

resource scan 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: replace(names.scanTopic, '{tre}', tre)
  scope: resourceGroup(treGroup)
}

var madeSubnetId = resourceId(treGroup, 'Microsoft.Network/virtualNetworks/subnets', replace(names.network, '{tre}', tre), 'endpoints')
var madeZoneId = resourceId(treGroup, 'Microsoft.Network/privateDnsZones', 'privatelink.blob.${environment().suffixes.storage}')

module accounts 'modules/zone.bicep' = [for zone in zones[layout].workspace: {
  name: 'zone-${replace(zone.account, '{ws}', ws)}'
  params: {
    location: location
    tags: tags
    name: replace(zone.account, '{ws}', ws)
    sku: replication
    external: zone.external
    scanned: zone.scanned
    events: zone.events
    malwareScanning: malwareScanning
    scanCapGB: scanCapGB
    scanTopicId: malwareScanning ? scan.id : ''
    eventDelivery: eventDelivery
    codeDeployed: codeDeployed
    appId: app.id
    platformGroup: treGroup
    platformAccount: replace(names.platformAccount, '{tre}', tre)
    busName: replace(names.bus, '{tre}', tre)
    endpointSubnetId: empty(endpointSubnetId) ? madeSubnetId : endpointSubnetId
    zones: { blob: empty(endpointSubnetId) ? madeZoneId : blobZoneId }
    logsId: logs.id
    identityId: identity.id
    principalId: identity.properties.principalId
  }
}]

output suffix string = ws
output accounts array = [for zone in zones[layout].workspace: replace(zone.account, '{ws}', ws)]
