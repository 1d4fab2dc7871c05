{%- set names = counts | list + ["p95EndToEndLatency", "totalAICost"] -%}
{%- for name in lengths -%}
{%- set _ = names.extend([name ~ "Sum", name ~ "Samples", name | replace("Latency", "") ~ "Times"]) -%}
{%- endfor -%}
-- Keeps the figures of the minutes in {minutes} (epoch seconds, all within [{start_ms}, {end_ms})) for later questions.
-- {stored_ms} says, in the same order, up to which stored_at each minute's rows are taken into account.
INSERT INTO minute_figures
(
    minute, scope, organizationId,
    {{ names | join(", ") }},
    confidences, channels, costs, has_times, input_max_stored, computed_at
)
SELECT
    fromUnixTimestamp64Milli(f.periodStart, 'UTC') AS minute, if(f.is_platform, 'platform', 'org'), f.organization,
    f.{{ names | join(", f.") }},
    known_confidences.found, known_channels.found, known_costs.found, true,
    fromUnixTimestamp64Milli(
        transform(toUnixTimestamp(minute), {minutes:Array(UInt32)}, {stored_ms:Array(Int64)}, toInt64(0)), 'UTC'),
    now64(3, 'UTC')
FROM (
{{ figures }}
) AS f
{{ lists }}
WHERE toUnixTimestamp(minute) IN {minutes:Array(UInt32)}
  AND (f.is_platform OR f.organization != '')
