-- Mean way of the artifacts whose earliest completion lies in [{start_ms}, {end_ms}), from their earliest receipt on.
SELECT
    count() AS samples,
    ifNotFinite(avg(completed_ms - received_ms), 0) AS mean
FROM (
{{ end_to_end_samples }}
)
