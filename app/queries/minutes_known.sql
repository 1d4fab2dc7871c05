-- Minutes of [{start_ms}, {end_ms}) with events; `is_kept` where what is kept of them holds all of their visible events. The row of
-- an organisation counts only if it was written together with the newest row of the platform; without one nothing happened there.
SELECT
    toUnixTimestamp(active.minute) * 1000 AS minute_ms,
    kept.input_max_stored >= active.stored
        AND minute_ms >= {now_ms:Int64} - (SELECT events FROM visible_hours) * 3600000 AS is_kept,
    {{ columns }}
FROM (
    SELECT minute, max(last_stored) AS stored
    FROM minute_activity
    WHERE {{ minutes_asked }}
    GROUP BY minute
) AS active
LEFT JOIN (
    SELECT minute, input_max_stored, {{ kept_columns }}
    FROM minute_figures FINAL
    WHERE scope = 'platform' AND organizationId = '' AND {{ minutes_asked }}
) AS kept ON kept.minute = active.minute
{{ own_minutes }}
ORDER BY minute_ms
