-- Finished figures of closed periods, one scope, ascending; rows past their retention are hidden by the view.
SELECT
    * EXCEPT (periodStart, periodEnd, scope, organizationId, createdAt),
    toUnixTimestamp(periodStart) * 1000 AS period_start_ms,
    toUnixTimestamp(periodEnd) * 1000 AS period_end_ms,
    toUnixTimestamp64Milli(createdAt) AS created_at_ms
FROM {{ view }}(now_ms = {now_ms:Int64})
WHERE periodStart >= fromUnixTimestamp64Milli({start_ms:Int64}, 'UTC')
  AND periodStart <= fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
  AND scope = {scope:String}
  AND organizationId = {organization_id:String}
ORDER BY period_start_ms
