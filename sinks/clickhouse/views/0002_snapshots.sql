{%- macro mean(name) -%}
if({{ name }}Samples = 0, 0, {{ name }}Sum / {{ name }}Samples)
{%- endmacro -%}
{%- macro decimal_mean(name) -%}
if({{ name }}Samples = 0, 0, toFloat64(toString({{ name }}Sum)) / {{ name }}Samples)
{%- endmacro -%}
{%- macro rate(part, whole) -%}
if({{ whole }} = 0, 0, divide({{ part }}, {{ whole }}))
{%- endmacro -%}
{%- set stages = {"transcription": "Transcription", "claimsExtraction": "ClaimsExtraction",
                  "entityResolution": "EntityResolution", "draftGeneration": "DraftGeneration"} -%}
-- Finished figures of the snapshots. An organisation's row counts only if it was written together with the newest
-- platform row of its period: a recomputation may find that the organisation has nothing there any more.
-- A row is complete if the whole log up to the period's end was stored when the roll-up last looked.
-- Decimals become doubles through their text: a direct cast may be off in the last digit.
{%- for table, length in [("snapshots_hourly", "HOUR"), ("snapshots_daily", "DAY")] %}
CREATE OR REPLACE VIEW {{ database }}.{{ table }}_figures AS
SELECT
    periodStart,
    periodStart + INTERVAL 1 {{ length }} AS periodEnd,
    scope,
    organizationId,
    artifactsReceived,
    artifactsCompleted,
    artifactsFailed,
{%- for stage, title in stages.items() %}
    {{ mean(stage ~ "Latency") }} AS avg{{ title }}Latency,
    {{ stage }}LatencySamples,
    {{ stage }}Successes,
    {{ stage }}Failures,
    {{ rate(stage ~ "Failures", stage ~ "Failures + " ~ stage ~ "Successes") }} AS {{ stage }}FailureRate,
{%- endfor %}
    entityResolutionsAmbiguous,
    {{ rate("entityResolutionSuccesses - entityResolutionsAmbiguous", "entityResolutionSuccesses") }} AS autoResolutionRate,
    {{ rate("entityResolutionsAmbiguous", "entityResolutionSuccesses") }} AS disambiguationRate,
    {{ mean("endToEnd") }} AS avgEndToEndLatency,
    if(endToEndSamples = 0, 0, p95EndToEnd) AS p95EndToEndLatency,
    endToEndSamples,
    {{ decimal_mean("transcriptConfidence") }} AS avgTranscriptConfidence,
    transcriptConfidenceSamples,
    {{ decimal_mean("claimConfidence") }} AS avgClaimConfidence,
    claimConfidenceSamples,
    {{ rate("artifactsFailed", "artifactsReceived") }} AS overallFailureRate,
    {{ rate("artifactsFailed", "artifactsCompleted + artifactsFailed") }} AS terminalFailureRate,
    totalClaimsExtracted,
    totalEntitiesResolved,
    totalDraftsGenerated,
    toFloat64(toString(s.totalAICost)) AS totalAICost,
    if(artifactsReceived = 0, 0, toFloat64(toString(s.totalAICost)) / artifactsReceived) AS avgCostPerArtifact,
    draftsConfirmed,
    draftsRejected,
    {{ rate("draftsConfirmed", "draftsConfirmed + draftsRejected") }} AS draftConfirmationRate,
    computed_at AS createdAt,
    CAST(periodEnd <= (SELECT max(closed_until) FROM {{ database }}.rollup_progress), 'Bool') AS complete
FROM {{ database }}.{{ table }} AS s FINAL
WHERE (periodStart, computed_at) IN (
    SELECT periodStart, max(computed_at) FROM {{ database }}.{{ table }} WHERE scope = 'platform' GROUP BY periodStart
);

CREATE OR REPLACE VIEW {{ database }}.{{ table }}_at AS
SELECT *
FROM {{ database }}.{{ table }}_figures
WHERE periodStart >= fromUnixTimestamp64Milli({now_ms:Int64}, 'UTC') - INTERVAL {{ visible_hours[table] }} HOUR;

CREATE OR REPLACE VIEW {{ database }}.{{ table }}_live AS
SELECT *
FROM {{ database }}.{{ table }}_figures
WHERE periodStart >= now64(3, 'UTC') - INTERVAL {{ visible_hours[table] }} HOUR;
{% endfor %}
