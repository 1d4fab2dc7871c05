{%- set moment = "Tuple(timestamp Int64, eventId String, organizationId String)" -%}
{%- set start = "Tuple(timestamp Int64, eventId String, began Int64, stage String)" -%}
{%- set never = "CAST((9223372036854775807, '', ''), '" ~ moment ~ "')" -%}
-- What a snapshot must know of an artifact beyond the events of its period: the earliest receipt, the earliest
-- completion and every stage start. Minimum and set: repeated rows change nothing.
-- Small rows, because an hour of a million events looks up a hundred thousand artifacts; artifact_state has all events.
CREATE TABLE IF NOT EXISTS {{ database }}.artifact_links
(
    artifactId String,
    receipt SimpleAggregateFunction(min, {{ moment }}),
    completion SimpleAggregateFunction(min, {{ moment }}),
    starts SimpleAggregateFunction(groupUniqArrayArray, Array({{ start }}))
)
ENGINE = AggregatingMergeTree
ORDER BY artifactId
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.artifact_links_mv TO {{ database }}.artifact_links AS
SELECT
    artifactId,
    min(if(eventType = 'artifact_received', CAST((timestamp, toString(eventId), organizationId), '{{ moment }}'), {{ never }})) AS receipt,
    min(if(eventType = 'artifact_completed', CAST((timestamp, toString(eventId), organizationId), '{{ moment }}'), {{ never }})) AS completion,
    groupUniqArrayIf(
        CAST((timestamp, toString(eventId), ifNull(stageStartedAt, timestamp), pipelineStage), '{{ start }}'),
        endsWith(eventType, '_started')) AS starts
FROM {{ database }}.events
WHERE artifactId != '' AND (eventType IN ('artifact_received', 'artifact_completed') OR endsWith(eventType, '_started'))
GROUP BY artifactId;

-- What was stored before this table existed.
INSERT INTO {{ database }}.artifact_links
SELECT
    artifactId,
    min(if(event.eventType = 'artifact_received', CAST((event.timestamp, toString(id), event.organizationId), '{{ moment }}'), {{ never }})) AS receipt,
    min(if(event.eventType = 'artifact_completed', CAST((event.timestamp, toString(id), event.organizationId), '{{ moment }}'), {{ never }})) AS completion,
    groupUniqArrayIf(
        CAST((event.timestamp, toString(id), ifNull(event.stageStartedAt, event.timestamp), event.pipelineStage), '{{ start }}'),
        endsWith(event.eventType, '_started')) AS starts
FROM (SELECT artifactId, minMap(events) AS history FROM {{ database }}.artifact_state GROUP BY artifactId)
ARRAY JOIN mapKeys(history) AS id, mapValues(history) AS event
WHERE event.eventType IN ('artifact_received', 'artifact_completed') OR endsWith(event.eventType, '_started')
GROUP BY artifactId;
