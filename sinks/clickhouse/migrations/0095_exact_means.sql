{%- set most = "toDecimal256('1000000000000000000000000000000', 24)" -%}
{%- macro mean(name) -%}
if({{ name }}Samples = 0, 0, {{ name }}Sum / {{ name }}Samples)
{%- endmacro -%}
{%- macro decimal_mean(sum, samples) -%}
multiIf(
        {{ samples }} = 0, 0,
        {{ sum }} < {{ most }}, toFloat64(toString(divideDecimal(
            least(toDecimal256({{ sum }}, 24), {{ most }}), toDecimal256(greatest({{ samples }}, 1), 0), 40))),
        toFloat64(toString({{ sum }})) / {{ samples }})
{%- endmacro -%}
{%- macro rate(part, whole) -%}
if({{ whole }} = 0, 0, divide({{ part }}, {{ whole }}))
{%- endmacro -%}
{%- set stages = {"transcription": "Transcription", "claimsExtraction": "ClaimsExtraction",
                  "entityResolution": "EntityResolution", "draftGeneration": "DraftGeneration"} -%}
-- The same figures, with means of decimals that are divided before they become doubles: rounded once, not twice, which changed the
-- last digit of every fourth mean. Sums that leave no room for forty digits are divided as doubles.
{%- for snapshots, figures, length in [("snapshots_hourly", "hourly_figures", "HOUR"), ("snapshots_daily", "daily_figures", "DAY")] %}
{%- set finished %}
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
    {{ decimal_mean("transcriptConfidenceSum", "transcriptConfidenceSamples") }} AS avgTranscriptConfidence,
    transcriptConfidenceSamples,
    {{ decimal_mean("claimConfidenceSum", "claimConfidenceSamples") }} AS avgClaimConfidence,
    claimConfidenceSamples,
    {{ rate("artifactsFailed", "artifactsReceived") }} AS overallFailureRate,
    {{ rate("artifactsFailed", "artifactsCompleted + artifactsFailed") }} AS terminalFailureRate,
    totalClaimsExtracted,
    totalEntitiesResolved,
    totalDraftsGenerated,
    toFloat64(toString(s.totalAICost)) AS totalAICost,
    {{ decimal_mean("s.totalAICost", "artifactsReceived") }} AS avgCostPerArtifact,
    draftsConfirmed,
    draftsRejected,
    {{ rate("draftsConfirmed", "draftsConfirmed + draftsRejected") }} AS draftConfirmationRate,
    computed_at AS createdAt
FROM {{ database }}.{{ snapshots }} AS s
{%- endset %}
ALTER TABLE {{ database }}.{{ figures }}_mv MODIFY QUERY
{{- finished }};

-- What was computed before: rows of the same time take the place of the older ones.
INSERT INTO {{ database }}.{{ figures }}
{{- finished }};
{% endfor %}
