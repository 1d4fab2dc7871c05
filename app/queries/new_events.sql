-- Events stored from a time on: of each organisation the newest, in the order of the log.
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
    source_offset,
    toUnixTimestamp64Milli(stored_at) AS stored_ms
FROM
(
    SELECT *, timeWindow
    FROM events
    WHERE stored_at >= fromUnixTimestamp64Milli({stored_ms:Int64}, 'UTC')
      AND ({is_any:Bool} OR has({moments:Array(Int64)}, toUnixTimestamp64Milli(stored_at) - {stored_ms:Int64}))
      AND ts >= fromUnixTimestamp64Milli({visible_ms:Int64}, 'UTC')
    ORDER BY append_time_ms DESC, source_partition DESC, source_offset DESC
    LIMIT {of_each:UInt32} BY organizationId
    LIMIT {most:UInt32}
)
ORDER BY append_time_ms, source_partition, source_offset
