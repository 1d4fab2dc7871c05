-- What figures sum up in [{start_ms}, {end_ms}), of one organisation or of all (''): a row for each event and for the way of each
-- artifact, with its bucket of {size_ms}. Of an event's copies the first in the log counts.
WITH
-- (timestamp, event id, start of the stage, stage) of each stage start of the artifacts that need one.
starts AS (
    SELECT artifactId, groupUniqArrayArray(starts) AS started
    FROM artifact_marks
    WHERE artifactId IN (
        SELECT artifactId
        FROM events
        WHERE ts >= {{ visible_from }} AND ts < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
          AND {{ events_within }}
          AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
          AND {{ is_unpaired }})
    GROUP BY artifactId
),
found AS (
    SELECT
        eventType, timestamp, artifactId, organizationId, pipelineStage, previousStatus, stageStartedAt, stageCompletedAt, durationMs,
        {{ cost }} AS cost
    FROM events
    WHERE ts >= {{ visible_from }} AND ts < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
      AND {{ events_within }}
      AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
    ORDER BY log_order DESC
    LIMIT 1 BY eventId
),
kinds AS (
    SELECT
        intDiv(timestamp - {start_ms:Int64}, {size_ms:Int64}) AS bucket,
        {{ kind }} AS kind,
        {{ starts_before }} AS before,
        {{ duration }} AS duration,
        {{ is_length }} AS is_usable,
        cost,
        toString(organizationId) AS organization
    FROM found AS e
    LEFT JOIN starts ON starts.artifactId = e.artifactId
    UNION ALL
    SELECT intDiv(completed_ms - {start_ms:Int64}, {size_ms:Int64}), 'end_to_end', [], completed_ms - received_ms, 1, 0,
        organization
    FROM (
{{ end_to_end_samples }}
    )
)
SELECT bucket, organization, kind, cost, ifNull(duration, 0) AS length, is_usable
FROM kinds
