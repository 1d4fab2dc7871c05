{%- set sums = ["events", "artifactsReceived", "artifactsCompleted", "artifactsFailed", "entityResolutionsAmbiguous",
    "endToEndSum", "endToEndSamples", "transcriptConfidenceSum", "transcriptConfidenceSamples",
    "claimConfidenceSum", "claimConfidenceSamples", "totalClaimsExtracted", "totalEntitiesResolved",
    "totalDraftsGenerated", "totalAICost", "draftsConfirmed", "draftsRejected"] -%}
{%- set stages = ["transcription", "claimsExtraction", "entityResolution", "draftGeneration"] -%}
{%- for stage in stages %}{% for sum in ["Successes", "Failures", "LatencySum", "LatencySamples"] -%}
{%- set _ = sums.append(stage ~ sum) -%}
{%- endfor %}{% endfor -%}
{%- set quantiles = ["endToEndQuantiles"] -%}
{%- for stage in stages %}{% set _ = quantiles.append(stage ~ "LatencyQuantiles") %}{% endfor -%}
-- Snapshots of the days in {days} (epoch seconds) out of their hours; an hour's rows count only if they were written
-- together with its newest platform row.
INSERT INTO snapshots_daily
(
    periodStart, scope, organizationId,
    {{ sums | join(", ") }},
    {{ quantiles | join(", ") }},
    input_max_stored, computed_at
)
WITH
wanted AS (SELECT toDateTime(arrayJoin({days:Array(UInt32)}), 'UTC') AS day),
newest AS (
    SELECT periodStart, max(computed_at) AS computed_at
    FROM snapshots_hourly
    WHERE scope = 'platform' AND toStartOfDay(periodStart) IN (SELECT day FROM wanted)
    GROUP BY periodStart
)
SELECT
    toStartOfDay(h.periodStart) AS day,
    h.scope,
    h.organizationId,
{%- for column in sums %}
    sum(h.{{ column }}),
{%- endfor %}
{%- for column in quantiles %}
    quantileExactMergeState(0.95)(h.{{ column }}),
{%- endfor %}
    max(h.computed_at),
    now64(3, 'UTC')
FROM snapshots_hourly AS h FINAL
WHERE (h.periodStart, h.computed_at) IN (SELECT periodStart, computed_at FROM newest)
GROUP BY day, h.scope, h.organizationId
-- The platform's rows last, as with hours.
ORDER BY h.scope DESC
