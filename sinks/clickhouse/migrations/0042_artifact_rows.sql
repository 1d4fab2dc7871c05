-- State of each artifact, as `artifacts` had it, in small granules: a page of a list is fifty rows from all over the table.
CREATE TABLE IF NOT EXISTS {{ database }}.artifact_rows
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
SETTINGS index_granularity = 256, min_compress_block_size = 16384, non_replicated_deduplication_window = 10000;

INSERT INTO {{ database }}.artifact_rows SELECT * FROM {{ database }}.artifacts;
