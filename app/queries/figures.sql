-- Sums over buckets of {size_ms} within [{start_ms}, {end_ms}), as a snapshot would have them, and every single length. A bucket
-- without anything has no row.
SELECT
    {start_ms:Int64} + bucket * {size_ms:Int64} AS periodStart,
    {{ scope }},
{%- for figure in counts %}
    countIf(kind IN {{ kinds_of(figure) }}) AS {{ figure }},
{%- endfor %}
{%- for name in lengths %}
    sumIf(length, is_usable AND kind IN {{ kinds_of(name) }}) AS {{ name }}Sum,
    countIf(is_usable AND kind IN {{ kinds_of(name) }}) AS {{ name }}Samples,
    groupArrayIf(length, is_usable AND kind IN {{ kinds_of(name) }}) AS {{ name | replace("Latency", "") }}Times,
{%- endfor %}
    quantileExactIf(0.95)(length, kind IN {{ kinds_of("endToEnd") }}) AS p95EndToEndLatency,
    sum(cost) AS totalAICost
FROM (
{{ figure_kinds }}
)
GROUP BY {{ groups }}
ORDER BY bucket
