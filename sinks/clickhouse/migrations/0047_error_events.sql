{%- set select %}
SELECT
    toString(e.pipelineStage) AS pipelineStage, toString(e.eventType) AS eventType, ts, eventId,
    artifactId, toString(e.organizationId) AS organizationId, coachUserId, errorMessage, errorCode,
    source_partition, source_offset, log_order
FROM {{ database }}.events AS e
WHERE eventType IN ('artifact_failed', 'transcription_failed', 'claims_extraction_failed', 'entity_resolution_failed',
                    'draft_generation_failed', 'retry_failed')
{%- endset -%}
-- Failures by stage: a few of all events, and readers ask for two days of them at once.
CREATE TABLE IF NOT EXISTS {{ database }}.error_events
(
    pipelineStage LowCardinality(String),
    eventType LowCardinality(String),
    ts DateTime64(3, 'UTC'),
    eventId UUID,
    artifactId String,
    organizationId LowCardinality(String),
    coachUserId String,
    errorMessage String,
    errorCode String,
    source_partition UInt32,
    source_offset UInt64,
    log_order UInt128
)
ENGINE = ReplacingMergeTree(log_order)
PARTITION BY toDate(ts)
ORDER BY (pipelineStage, eventType, organizationId, ts, eventId)
TTL toDateTime(ts) + INTERVAL {{ ttl_hours.error_events }} HOUR
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 600, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.error_events_mv TO {{ database }}.error_events AS
{{- select }};

INSERT INTO {{ database }}.error_events
{{- select }};
