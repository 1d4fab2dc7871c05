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
-- Finished figures of each snapshot, in the order in which they are asked for: one scope, a stretch of time.
-- Decimals become doubles through their text: a direct cast may be off in the last digit.
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
    computed_at AS createdAt
FROM {{ database }}.{{ snapshots }} AS s
{%- endset %}
CREATE TABLE IF NOT EXISTS {{ database }}.{{ figures }}
(
    periodStart DateTime('UTC'),
    periodEnd DateTime('UTC'),
    scope Enum8('platform' = 0, 'org' = 1),
    organizationId LowCardinality(String),
    artifactsReceived UInt64,
    artifactsCompleted UInt64,
    artifactsFailed UInt64,
{%- for stage, title in stages.items() %}
    avg{{ title }}Latency Float64,
    {{ stage }}LatencySamples UInt64,
    {{ stage }}Successes UInt64,
    {{ stage }}Failures UInt64,
    {{ stage }}FailureRate Float64,
{%- endfor %}
    entityResolutionsAmbiguous UInt64,
    autoResolutionRate Float64,
    disambiguationRate Float64,
    avgEndToEndLatency Float64,
    p95EndToEndLatency Int64,
    endToEndSamples UInt64,
    avgTranscriptConfidence Float64,
    transcriptConfidenceSamples UInt64,
    avgClaimConfidence Float64,
    claimConfidenceSamples UInt64,
    overallFailureRate Float64,
    terminalFailureRate Float64,
    totalClaimsExtracted UInt64,
    totalEntitiesResolved UInt64,
    totalDraftsGenerated UInt64,
    totalAICost Float64,
    avgCostPerArtifact Float64,
    draftsConfirmed UInt64,
    draftsRejected UInt64,
    draftConfirmationRate Float64,
    createdAt DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(createdAt)
ORDER BY (scope, organizationId, periodStart)
TTL greatest(toDateTime64(toStartOfDay(periodStart), 3, 'UTC') + INTERVAL 1 DAY, createdAt) + INTERVAL {{ ttl_hours[figures] }} HOUR
SETTINGS index_granularity = 256, merge_with_ttl_timeout = 600, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.{{ figures }}_mv TO {{ database }}.{{ figures }} AS
{{- finished }};

-- What was computed before this table existed.
INSERT INTO {{ database }}.{{ figures }}
{{- finished }};
{% endfor %}
