toString(eventId) AS id,
eventType, timestamp, timeWindow, artifactId, voiceNoteId, organizationId, coachUserId, pipelineStage,
stageStartedAt, stageCompletedAt, durationMs, previousStatus, newStatus, errorMessage, errorCode,
toJSONString(metadata) AS metadata_json
