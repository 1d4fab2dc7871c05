-- Finished figures of closed periods, one scope, ascending, none past its retention. No view, which would take longer than
-- all the rest. An organisation's row counts only beside the newest platform row of its period.
SELECT
    * EXCEPT (periodStart, periodEnd, scope, organizationId, createdAt),
    toUnixTimestamp(periodStart) * 1000 AS period_start_ms,
    toUnixTimestamp(periodEnd) * 1000 AS period_end_ms,
    toUnixTimestamp64Milli(createdAt) AS created_at_ms,
    CAST(periodEnd <= (SELECT max(closed_until) FROM rollup_progress), 'Bool') AS complete
FROM {{ view }} FINAL
WHERE periodStart >= fromUnixTimestamp64Milli(
        greatest({start_ms:Int64}, {now_ms:Int64} - (SELECT {{ view }} FROM visible_hours) * 3600000), 'UTC')
  AND periodStart <= fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
  AND scope = {scope:String}
  AND organizationId = {organization_id:String}
  AND {{ newest }}
ORDER BY period_start_ms
