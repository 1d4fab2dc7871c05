-- Events stored since a place in each partition: of each organisation the newest, each event once, oldest first.
SELECT
    toString(eventId) AS eventId,
    eventType,
    timestamp,
    timeWindow,
    artifactId,
    voiceNoteId,
    organizationId,
    coachUserId,
    pipelineStage,
    stageStartedAt,
    stageCompletedAt,
    durationMs,
    previousStatus,
    newStatus,
    errorMessage,
    errorCode,
    metadata,
    source_partition,
    source_offset
FROM
(
    SELECT *, timeWindow
    FROM events
    WHERE stored_at >= fromUnixTimestamp64Milli({stored_ms:Int64}, 'UTC')
      AND ts >= fromUnixTimestamp64Milli({visible_ms:Int64}, 'UTC')
      AND source_offset >= transform(source_partition, {partitions:Array(UInt32)}, {offsets:Array(UInt64)}, toUInt64(0))
    ORDER BY append_time_ms DESC, source_partition DESC, source_offset DESC
    LIMIT {of_each:UInt32} BY organizationId
    LIMIT {most:UInt32}
)
ORDER BY append_time_ms, source_partition, source_offset
LIMIT 1 BY eventId
