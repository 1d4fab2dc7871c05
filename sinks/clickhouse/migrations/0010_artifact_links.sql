{%- macro moment(timestamp, id, organization) -%}
concat(leftPad(toString({{ timestamp }}), 20, '0'), toString({{ id }}), {{ organization }})
{%- endmacro -%}
{%- set start = "Tuple(timestamp Int64, eventId String, began Int64, stage String)" -%}
-- What a snapshot must know of an artifact beyond the events of its period: the earliest receipt, the earliest
-- completion and every stage start. Minimum and set: repeated rows change nothing.
-- Small rows, because an hour of a million events looks up a hundred thousand artifacts; artifact_state has all events.
-- A receipt or completion is one text that sorts by time, then by event id: 20 digits of the timestamp, the event id
-- and the organisation. '~', which is greater than any digit, is none. A minimum of tuples takes five times as long.
CREATE TABLE IF NOT EXISTS {{ database }}.artifact_links
(
    artifactId String,
    receipt SimpleAggregateFunction(min, String),
    completion SimpleAggregateFunction(min, String),
    starts SimpleAggregateFunction(groupUniqArrayArray, Array({{ start }}))
)
ENGINE = AggregatingMergeTree
ORDER BY artifactId
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.artifact_links_mv TO {{ database }}.artifact_links AS
SELECT
    artifactId,
    min(if(eventType = 'artifact_received', {{ moment("timestamp", "eventId", "organizationId") }}, '~')) AS receipt,
    min(if(eventType = 'artifact_completed', {{ moment("timestamp", "eventId", "organizationId") }}, '~')) AS completion,
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
    min(if(event.eventType = 'artifact_received', {{ moment("event.timestamp", "id", "event.organizationId") }}, '~')),
    min(if(event.eventType = 'artifact_completed', {{ moment("event.timestamp", "id", "event.organizationId") }}, '~')),
    groupUniqArrayIf(
        CAST((event.timestamp, toString(id), ifNull(event.stageStartedAt, event.timestamp), event.pipelineStage), '{{ start }}'),
        endsWith(event.eventType, '_started'))
FROM (SELECT artifactId, minMap(events) AS history FROM {{ database }}.artifact_state GROUP BY artifactId)
ARRAY JOIN mapKeys(history) AS id, mapValues(history) AS event
WHERE event.eventType IN ('artifact_received', 'artifact_completed') OR endsWith(event.eventType, '_started')
GROUP BY artifactId;
