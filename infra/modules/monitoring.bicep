// Where everything is logged, and who is told when an alert fires.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the Log Analytics workspace.')
param logsName string

@description('Name of the Application Insights component.')
param insightsName string

@description('Name of the action group.')
param peopleName string

@description('Addresses that alerts are mailed to.')
param alertEmails array

@description('How long logs are kept, in days.')
param retentionDays int

resource logs 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: logsName
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
    features: { disableLocalAuth: true }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: insightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: logs.id
    DisableLocalAuth: true
  }
}

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: peopleName
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'airlock'
    emailReceivers: [for (address, i) in alertEmails: {
      name: 'mail-${i}'
      emailAddress: address
      useCommonAlertSchema: true
    }]
  }
}

output logsId string = logs.id
output insightsId string = insights.id
output peopleId string = people.id

// It names the component and is no credential: the component takes telemetry from identities only.
output insightsConnection string = insights.properties.ConnectionString
