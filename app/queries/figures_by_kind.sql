-- Sums over buckets of {size_ms} within [{start_ms}, {end_ms}) by kind of event, to be put together by the reader: with a column for
-- each figure the engine would need as long to understand the statement as to read what it asks for.
SELECT
    {start_ms:Int64} + bucket * {size_ms:Int64} AS periodStart,
    kind,
    count() AS number,
    sumIf(length, is_usable) AS latency,
    countIf(is_usable) AS samples,
    quantileExact(0.95)(length) AS p95,
    sum(cost) AS cost
FROM (
{{ figure_kinds }}
)
GROUP BY {{ groups }}
ORDER BY bucket
