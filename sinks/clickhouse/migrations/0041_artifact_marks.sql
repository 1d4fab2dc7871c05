{%- set start = "Tuple(timestamp Int64, eventId String, began Int64, stage String)" -%}
{%- macro moment(timestamp, id, text) -%}
concat(leftPad(toString({{ timestamp }}), 20, '0'), toString({{ id }}), {{ text }})
{%- endmacro -%}
-- What must be known of an artifact beyond the events of a period: the earliest receipt, the earliest completion, every
-- stage start, the channel, and where its events are. Minima, maxima and sets: repeated rows change nothing.
-- Small rows in small granules: questions look up some hundred artifacts, an hour of a million events a hundred thousand.
-- A receipt, a completion and a channel is one text that sorts by time, then by event id: 20 digits of the timestamp, the
-- event id, and the organisation or the channel. '~', which is greater than any digit, is no receipt, '' no channel.
CREATE TABLE IF NOT EXISTS {{ database }}.artifact_marks
(
    artifactId String,
    receipt SimpleAggregateFunction(min, String),
    completion SimpleAggregateFunction(min, String),
    starts SimpleAggregateFunction(groupUniqArrayArray, Array({{ start }})),
    channel SimpleAggregateFunction(max, String),
    hours SimpleAggregateFunction(groupUniqArrayArray, Array(DateTime('UTC'))),
    organizations SimpleAggregateFunction(groupUniqArrayArray, Array(String))
)
ENGINE = AggregatingMergeTree
ORDER BY artifactId
SETTINGS index_granularity = 256, min_compress_block_size = 16384, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{ database }}.artifact_marks_mv TO {{ database }}.artifact_marks AS
SELECT
    artifactId,
    min(if(eventType = 'artifact_received', {{ moment("timestamp", "eventId", "organizationId") }}, '~')) AS receipt,
    min(if(eventType = 'artifact_completed', {{ moment("timestamp", "eventId", "organizationId") }}, '~')) AS completion,
    groupUniqArrayIf(
        CAST((timestamp, toString(eventId), ifNull(stageStartedAt, timestamp), pipelineStage), '{{ start }}'),
        endsWith(eventType, '_started')) AS starts,
    max(if(metadata.sourceChannel IS NULL, '',
           {{ moment("timestamp", "eventId", "assumeNotNull(metadata.sourceChannel)") }})) AS channel,
    groupUniqArray(toStartOfHour(ts)) AS hours,
    groupUniqArray(toString(organizationId)) AS organizations
FROM {{ database }}.events
WHERE artifactId != ''
GROUP BY artifactId;

-- What was stored before this table existed, row by row: a group of all artifacts would not fit into memory.
INSERT INTO {{ database }}.artifact_marks
SELECT
    artifactId,
    arrayMin(arrayMap((id, event) -> if(event.eventType = 'artifact_received',
        {{ moment("event.timestamp", "id", "event.organizationId") }}, '~'), ids, known)) AS receipt,
    arrayMin(arrayMap((id, event) -> if(event.eventType = 'artifact_completed',
        {{ moment("event.timestamp", "id", "event.organizationId") }}, '~'), ids, known)) AS completion,
    arrayMap(
        (id, event) -> CAST((event.timestamp, toString(id), ifNull(event.stageStartedAt, event.timestamp), event.pipelineStage), '{{ start }}'),
        arrayFilter((id, event) -> endsWith(event.eventType, '_started'), ids, known),
        arrayFilter(event -> endsWith(event.eventType, '_started'), known)) AS starts,
    arrayMax(arrayMap((id, event) -> if(event.sourceChannel IS NULL, '',
        {{ moment("event.timestamp", "id", "assumeNotNull(event.sourceChannel)") }}), ids, known)) AS channel,
    arrayDistinct(arrayMap(event -> toStartOfHour(fromUnixTimestamp64Milli(event.timestamp, 'UTC')), known)) AS hours,
    arrayDistinct(arrayMap(event -> event.organizationId, known)) AS organizations
FROM (SELECT artifactId, mapKeys(events) AS ids, mapValues(events) AS known FROM {{ database }}.artifact_state);
