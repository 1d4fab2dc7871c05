-- What lists of artifacts are searched by, in the order in which they are shown. A row stays when its artifact has got
-- another time; readers take only those that are the artifact's latest row.
{%- for table, place, condition in [
    ("artifacts_by_creation", "createdAt", ""),
    ("artifacts_by_failure", "failedAt", "\nWHERE r.failedAt IS NOT NULL")] %}
CREATE TABLE IF NOT EXISTS {{ database }}.{{ table }}
(
    place Int64,
    artifactId String,
    version UInt64,
    status LowCardinality(String),
    stage LowCardinality(String),
    organizationId LowCardinality(String),
    sourceChannel LowCardinality(String),
    updatedAt Int64,
    stageEnteredAt Int64,
    waitingSince Int64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (place, artifactId)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000;

{%- set select %}
SELECT
    assumeNotNull(r.{{ place }}) AS place, artifactId, version, status, stage, organizationId, sourceChannel, updatedAt,
    ifNull(r.stageEnteredAt, 0) AS stageEnteredAt, ifNull(r.waitingSince, 0) AS waitingSince
FROM {{ database }}.artifact_rows AS r
{{- condition }}
{%- endset %}

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.{{ table }}_mv TO {{ database }}.{{ table }} AS
{{- select }};

INSERT INTO {{ database }}.{{ table }}
{{- select }};
{% endfor %}
-- How many artifacts of an organisation are active in a stage, and how many names wait for a person. Workers write what has
-- changed; the newest row counts.
CREATE TABLE IF NOT EXISTS {{ database }}.artifact_totals
(
    organizationId String,
    stage LowCardinality(String),
    active UInt64,
    open UInt64,
    at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (organizationId, stage)
SETTINGS non_replicated_deduplication_window = 10000;

INSERT INTO {{ database }}.artifact_totals
SELECT
    organizationId,
    stage,
    countIf(status IN ('received', 'transcribing', 'transcribed', 'processing')),
    sum(openDisambiguations),
    now64(6, 'UTC')
FROM {{ database }}.artifact_rows FINAL
GROUP BY organizationId, stage;
