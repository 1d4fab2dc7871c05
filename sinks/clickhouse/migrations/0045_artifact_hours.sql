{%- set stages = {
    "ingestion": ["artifact_received"],
    "transcription": ["transcription_started", "transcription_completed", "transcription_failed"],
    "claims_extraction": ["claims_extraction_started", "claims_extracted", "claims_extraction_failed"],
    "entity_resolution": ["entity_resolution_started", "entity_resolution_completed", "entity_needs_disambiguation",
                          "entity_resolution_failed"],
    "draft_generation": ["draft_generation_started", "drafts_generated", "draft_generation_failed"],
    "confirmation": ["draft_confirmed", "draft_rejected"]} -%}
{%- set select %}
SELECT
    toStartOfHour(ts) AS hour,
    toString(e.organizationId) AS organizationId,
    sipHash128(artifactId) AS artifact,
    groupBitOr(multiIf(
{%- for types in stages.values() %}
        eventType IN ({% for type in types %}'{{ type }}'{{ ", " if not loop.last }}{% endfor %}), {{ 2 ** loop.index0 }},
{%- endfor %}
        0)) AS stages
FROM {{ database }}.events AS e
WHERE artifactId != ''
GROUP BY hour, organizationId, artifact
{%- endset -%}
-- Which stages an artifact had events of in an hour, a bit for each: 1 for ingestion up to 32 for confirmation.
-- The artifact is the hash of its id that counts of distinct ids use as well. Bits: repeated rows change nothing.
CREATE TABLE IF NOT EXISTS {{ database }}.artifact_hours
(
    hour DateTime('UTC'),
    organizationId String,
    artifact FixedString(16),
    stages SimpleAggregateFunction(groupBitOr, UInt8)
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(hour)
ORDER BY (hour, organizationId, artifact)
TTL hour + INTERVAL {{ ttl_hours.artifact_hours }} HOUR
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 600, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.artifact_hours_mv TO {{ database }}.artifact_hours AS
{{- select }};

-- What was stored before this table existed.
INSERT INTO {{ database }}.artifact_hours
{{- select }};
