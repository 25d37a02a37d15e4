// What wakes somebody up. Each rule carries the name of its page in infra/playbooks, and the page of that name says what to
// do. Rules look at the host's record of invocations, which is never sampled, at storage's own log, at the app's log lines,
// and at metrics.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the app; the rules are named after it.')
param name string

@description('Address that says whether the app is well. Empty: the app has no public address, and something inside the network has to ask.')
param healthUrl string

@description('The app is running: before that, its silence means nothing.')
param codeDeployed bool

@description('Malware scanning is on.')
param malwareScanning bool

@description('Log Analytics workspace.')
param logsId string

@description('Application Insights component.')
param insightsId string

@description('Service Bus namespace.')
param busId string

@description('Account of the table.')
param platformId string

@description('Who is told.')
param peopleId string

// Lines of the app itself; the host files what a handler writes under this category.
var lines = 'AppTraces | where tostring(Properties.Category) == "Host.Function.Console" | extend line = parse_json(Message)'

// The zone is told by the account, or by the container where zones share an account.
var holding = '(AccountName startswith "stalimip" or AccountName startswith "stalexip" or Uri matches regex "-holding(-[0-9]+)?/")'
var quarantine = '(AccountName startswith "stalimblocked" or AccountName startswith "stalexblocked" or Uri matches regex "-quarantine(-[0-9]+)?/")'

var rules = [
  {
    playbook: 'no-sweep-success'
    says: 'No sweep has succeeded for a quarter of an hour.'
    severity: 1
    enabled: codeDeployed
    window: 'PT15M'
    every: 'PT5M'
    query: '${lines} | where line.message == "sweep succeeded" | summarize found = count()'
    operator: 'LessThan'
    threshold: 1
  }
  {
    playbook: 'oldest-owed-work'
    says: 'Work for a request has been failing for more than an hour, or the sweeps are half an hour behind.'
    severity: 2
    enabled: codeDeployed
    window: 'PT2H'
    every: 'PT15M'
    query: 'union (${lines} | where line.message == "problem" | extend request = extract("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", 0, tostring(line.error)) | where isnotempty(request) | summarize first = min(TimeGenerated), last = max(TimeGenerated) by request | where last - first > 1h and last > ago(20m) | project request), (${lines} | where TimeGenerated > ago(20m) and line.message == "sweep succeeded" and toreal(line.oldest_s) > 1800 | project request = "sweep") | summarize found = count()'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    playbook: 'dead-letters'
    says: 'Event Grid gave up on events.'
    severity: 2
    enabled: true
    window: 'PT15M'
    every: 'PT15M'
    query: 'StorageBlobLogs | where Uri has "/undelivered-events/" and OperationName startswith "Put" and toint(StatusCode) < 300 | summarize found = count()'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    playbook: 'scan-silence'
    says: 'Files were sealed, and the malware scanner has said nothing about some of them.'
    severity: 2
    enabled: malwareScanning && codeDeployed
    window: 'PT2H'
    every: 'PT15M'
    query: 'let sealed = toscalar(StorageBlobLogs | where TimeGenerated between (ago(2h) .. ago(30m)) | where OperationName == "CopyBlob" and toint(StatusCode) < 300 and ${holding} | count); let heard = toscalar(AppRequests | where TimeGenerated > ago(2h) and Name == "ScanResult" and Success | count); print found = max_of(sealed - heard, 0)'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    playbook: 'copy-failures'
    says: 'Files could not be copied from zone to zone.'
    severity: 2
    enabled: true
    window: 'PT1H'
    every: 'PT15M'
    // 404, 409 and 412 are how storage says that a file has changed, is there already or is being deleted: part of the work.
    query: 'union (StorageBlobLogs | where OperationName == "CopyBlob" and toint(StatusCode) >= 400 and toint(StatusCode) !in (404, 409, 412) | project TimeGenerated), (${lines} | where line.message == "request failed" and tostring(line.task) != "gates" | project TimeGenerated) | summarize found = count()'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    playbook: 'health-red'
    says: 'The airlock is ill or does not answer.'
    severity: 1
    enabled: codeDeployed
    window: 'PT15M'
    every: 'PT5M'
    query: 'union isfuzzy=true (AppAvailabilityResults | where not(Success) | project TimeGenerated), (AppRequests | where Name == "Api" and toint(ResultCode) in (500, 502, 503) | project TimeGenerated) | summarize found = count()'
    operator: 'GreaterThan'
    threshold: 2
  }
  {
    playbook: 'quarantine-hit'
    says: 'A file was put into quarantine.'
    severity: 2
    enabled: true
    window: 'PT15M'
    every: 'PT15M'
    query: 'StorageBlobLogs | where OperationName == "CopyBlob" and toint(StatusCode) < 300 and ${quarantine} | summarize found = count()'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    playbook: 'digest-mismatch'
    says: 'What has arrived is not what was sealed.'
    severity: 0
    enabled: true
    window: 'PT15M'
    every: 'PT5M'
    query: '${lines} | where tostring(line.event) == "digest_mismatch" | summarize found = count()'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    playbook: 'audit-verification-failure'
    says: 'An audit trail does not verify.'
    severity: 0
    enabled: true
    window: 'PT15M'
    every: 'PT5M'
    query: '${lines} | where tostring(line.event) == "audit_broken" or tostring(line.error) matches regex "record [0-9]+: (expected number|does not follow|has been changed|is of another trail)|the head of (its|the|their) chain" | summarize found = count()'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    playbook: 'no-checkpoint'
    says: 'The heads of the audit trails could not be signed and stored, again and again.'
    severity: 2
    enabled: codeDeployed
    window: 'PT2H'
    every: 'PT15M'
    // One failure is made good by the next sweep.
    query: '${lines} | where tostring(line.event) == "no_checkpoint" | summarize found = count()'
    operator: 'GreaterThan'
    threshold: 5
  }
]

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: '${name}-${rule.playbook}'
  location: location
  tags: union(tags, { playbook: rule.playbook })
  kind: 'LogAlert'
  properties: {
    displayName: 'Airlock: ${rule.playbook}'
    description: '${rule.says} See infra/playbooks/${rule.playbook}.md.'
    severity: rule.severity
    enabled: rule.enabled
    autoMitigate: true
    scopes: [logsId]
    windowSize: rule.window
    evaluationFrequency: rule.every
    skipQueryValidation: true // the tables of the logs appear with their first rows
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Total'
          metricMeasureColumn: 'found'
          operator: rule.operator
          threshold: rule.threshold
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    actions: { actionGroups: [peopleId] }
  }
}]

resource deadLetters 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${name}-dead-letters-bus'
  location: 'global'
  tags: union(tags, { playbook: 'dead-letters' })
  properties: {
    description: 'Messages could not be understood or handled. See infra/playbooks/dead-letters.md.'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: [busId]
    windowSize: 'PT15M'
    evaluationFrequency: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'dead letters'
          metricName: 'DeadletteredMessages'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          dimensions: [{ name: 'EntityName', operator: 'Include', values: ['*'] }]
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: [{ actionGroupId: peopleId }]
  }
}

resource throttling 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${name}-storage-throttling'
  location: 'global'
  tags: union(tags, { playbook: 'storage-throttling' })
  properties: {
    description: 'The table of requests is asked for more than it gives. See infra/playbooks/storage-throttling.md.'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: [platformId]
    windowSize: 'PT15M'
    evaluationFrequency: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'throttled'
          metricName: 'Transactions'
          metricNamespace: 'Microsoft.Storage/storageAccounts'
          dimensions: [
            {
              name: 'ResponseType'
              operator: 'Include'
              values: ['ServerBusyError', 'ClientThrottlingError', 'ClientAccountRequestThrottlingError', 'ClientAccountBandwidthThrottlingError']
            }
          ]
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 20
        }
      ]
    }
    actions: [{ actionGroupId: peopleId }]
  }
}

resource probe 'Microsoft.Insights/webtests@2022-06-15' = if (!empty(healthUrl) && codeDeployed) {
  name: '${name}-health'
  location: location
  tags: union(tags, { 'hidden-link:${insightsId}': 'Resource' })
  kind: 'standard'
  properties: {
    SyntheticMonitorId: '${name}-health'
    Name: 'Airlock: health'
    Kind: 'standard'
    Enabled: true
    Frequency: 300
    Timeout: 30
    RetryEnabled: true
    Locations: [{ Id: 'emea-nl-ams-azr' }, { Id: 'emea-gb-db3-azr' }, { Id: 'us-va-ash-azr' }]
    Request: { RequestUrl: healthUrl, HttpVerb: 'GET', FollowRedirects: false }
    ValidationRules: { ExpectedHttpStatusCode: 200, SSLCheck: true, SSLCertRemainingLifetimeCheck: 14 }
  }
}
