-- Finds what was stored lately without reading parts in which nothing is.
ALTER TABLE {{ database }}.artifact_state ADD INDEX IF NOT EXISTS stored last_stored TYPE minmax GRANULARITY 1;

-- State of each artifact, computed by the workers out of artifact_state. An empty text and NULL are absent.
-- version grows with what is known of the artifact: last_stored in milliseconds · 2^20 + number of its events.
-- No TTL: it would take a row of a finished artifact before an older one of its active time, which would come back.
CREATE TABLE IF NOT EXISTS {{ database }}.artifacts
(
    artifactId String,
    version UInt64,
    status LowCardinality(String),
    organizationId String,
    coachUserId String,
    voiceNoteId String,
    sourceChannel String,
    createdAt Int64,
    updatedAt Int64,
    stage LowCardinality(String),
    stageEnteredAt Nullable(Int64),
    completedAt Nullable(Int64),
    failedAt Nullable(Int64),
    failedStage LowCardinality(String),
    lastErrorMessage String,
    lastErrorCode String,
    retryCount UInt32,
    claimCount Nullable(UInt32),
    entityCount Nullable(UInt32),
    openDisambiguations UInt32,
    draftCount Nullable(UInt32),
    aiCost Nullable(Float64),
    endToEndMs Nullable(Int64),
    waitingFor LowCardinality(String),
    waitingSince Nullable(Int64)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY artifactId
SETTINGS non_replicated_deduplication_window = 10000;
