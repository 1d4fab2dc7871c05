-- Accepted events. A column is named like the key of the canonical event line; an absent text is ''.
-- timestamp stays an integer: DateTime64 would read epoch milliseconds as seconds.
-- log_order falls along the log, so that of equal keys the copy first in the log is kept.
CREATE TABLE IF NOT EXISTS {{ database }}.events
(
    eventId UUID,
    eventType LowCardinality(String),
    timestamp Int64,
    artifactId String,
    voiceNoteId String,
    organizationId LowCardinality(String),
    coachUserId String,
    pipelineStage LowCardinality(String),
    stageStartedAt Nullable(Int64),
    stageCompletedAt Nullable(Int64),
    durationMs Nullable(Int64),
    previousStatus String,
    newStatus String,
    errorMessage String,
    errorCode String,
    metadata Tuple(
        sourceChannel Nullable(String),
        transcriptDuration Nullable(Float64),
        transcriptWordCount Nullable(UInt32),
        confidenceScore Nullable(Float64),
        claimCount Nullable(UInt32),
        entityCount Nullable(UInt32),
        draftCount Nullable(UInt32),
        autoResolvedCount Nullable(UInt32),
        disambiguationCount Nullable(UInt32),
        aiModel Nullable(String),
        aiCost Nullable(Float64),
        retryAttempt Nullable(UInt32)
    ),
    source_partition UInt32,
    source_offset UInt64,
    append_time_ms Int64,
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    ts DateTime64(3, 'UTC') MATERIALIZED fromUnixTimestamp64Milli(timestamp, 'UTC'),
    timeWindow String ALIAS formatDateTime(ts, '%Y-%m-%d-%H'),
    log_order UInt128 MATERIALIZED bitNot(bitOr(bitOr(
        bitShiftLeft(toUInt128(append_time_ms), 83),
        bitShiftLeft(toUInt128(source_partition), 63)),
        toUInt128(source_offset))),
    INDEX artifact artifactId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(log_order)
PARTITION BY toStartOfHour(ts)
ORDER BY (organizationId, eventType, ts, eventId)
TTL greatest(toDateTime64(toStartOfDay(ts), 3, 'UTC') + INTERVAL 1 DAY, stored_at) + INTERVAL {{ ttl_hours.events }} HOUR
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 600, non_replicated_deduplication_window = 10000;
