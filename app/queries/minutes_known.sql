-- Minutes of [{from_ms}, {to_ms}) with events; `is_known` where what is kept of them holds all of their visible events. The row of
-- a scope counts only if it was written together with the newest row of the platform; without one nothing happened there.
WITH
toDateTime(intDiv({from_ms:Int64}, 60000) * 60, 'UTC') AS first_minute,
toDateTime(intDiv({to_ms:Int64} + 999, 1000), 'UTC') AS end_minute
SELECT
    toUnixTimestamp(active.minute) * 1000 AS minute_ms,
    kept.input_max_stored >= active.stored
        AND minute_ms >= {now_ms:Int64} - (SELECT events FROM visible_hours) * 3600000 AS is_known,
    {{ columns }}
FROM (
    SELECT minute, max(last_stored) AS stored
    FROM minute_activity
    WHERE minute >= first_minute AND minute < end_minute
    GROUP BY minute
) AS active
LEFT JOIN (
    SELECT minute, input_max_stored, computed_at
    FROM minute_figures FINAL
    WHERE scope = 'platform' AND minute >= first_minute AND minute < end_minute
) AS kept ON kept.minute = active.minute
LEFT JOIN (
    SELECT minute, computed_at, {{ columns }}
    FROM minute_figures FINAL
    WHERE scope = if({organization_id:String} = '', 'platform', 'org') AND organizationId = {organization_id:String}
      AND minute >= first_minute AND minute < end_minute
) AS own ON own.minute = active.minute AND own.computed_at = kept.computed_at
ORDER BY minute_ms
