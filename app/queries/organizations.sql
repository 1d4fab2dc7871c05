-- Figures of each organisation over the periods that start in [{start_ms}, {end_ms}]. Exact: costs are summed as decimals, and a
-- mean times its samples is a whole number, but for what floating point adds or takes away.
SELECT figures.*, if(known.name = '', 'Unknown', known.name) AS orgName
FROM (
  SELECT
      organizationId,
      sum(s.artifactsReceived) AS artifactsReceived,
      sum(s.artifactsCompleted) AS artifactsCompleted,
      sum(s.artifactsFailed) AS artifactsFailed,
      toFloat64(toString(sum(toDecimal256(toString(s.totalAICost), 24)))) AS totalAICost,
      sum(s.endToEndSamples) AS endToEndSamples,
      if(endToEndSamples = 0, 0, sum(round(s.avgEndToEndLatency * s.endToEndSamples)) / endToEndSamples) AS avgLatency,
      if(artifactsReceived = 0, 0, artifactsFailed / artifactsReceived) AS failureRate
  FROM {{ view }}(now_ms = {now_ms:Int64}) AS s
  WHERE periodStart >= fromUnixTimestamp64Milli({start_ms:Int64}, 'UTC')
    AND periodStart <= fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
    AND scope = 'org'
    AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
  GROUP BY organizationId
) AS figures
LEFT JOIN (SELECT organizationId AS known_id, name FROM organization_names FINAL) AS known ON known_id = organizationId
ORDER BY artifactsReceived DESC, organizationId
LIMIT {limit:UInt32} + 1
