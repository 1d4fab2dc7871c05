-- How many rows the hours that [{start_ms}, {end_ms}) touches have in the table of artifacts by hour.
SELECT count()
FROM artifact_hours
WHERE hour >= toDateTime(intDiv({start_ms:Int64}, 3600000) * 3600, 'UTC') AND hour < toDateTime(intDiv({end_ms:Int64} + 999, 1000), 'UTC')
  AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
