-- Finished figures of closed periods, one scope, ascending, none past its retention. No view, which would take longer than
-- all the rest. An organisation's row counts only beside the newest platform row of its period.
SELECT
    {{ columns }}
FROM {{ view }} FINAL
WHERE periodStart >= fromUnixTimestamp64Milli(
        greatest({start_ms:Int64}, {now_ms:Int64} - (SELECT {{ view }} FROM visible_hours) * 3600000), 'UTC')
  AND periodStart <= fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
  AND scope = {scope:String}
  AND organizationId = {organization_id:String}
  AND {{ newest }}
ORDER BY periodStart
