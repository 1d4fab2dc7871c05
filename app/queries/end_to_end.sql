-- The ways of the artifacts whose earliest completion lies in [{start_ms}, {end_ms}), from their earliest receipt on.
SELECT
    count() AS endToEndSamples,
    sum(completed_ms - received_ms) AS endToEndSum
FROM (
{{ end_to_end_samples }}
)
