-- Receipts, completions and failures of [{start_ms}, {end_ms}) in buckets of {size_ms}, by the channel of their artifact: that of its
-- latest event with one.
SELECT
    bucket,
    {{ scope }},
    channel,
    uniqExactIf(eventId, eventType IN {{ kinds_of("artifactsReceived") }}) AS received,
    uniqExactIf(eventId, eventType IN {{ kinds_of("artifactsCompleted") }}) AS completed,
    uniqExactIf(eventId, eventType IN {{ kinds_of("artifactsFailed") }}) AS failed
FROM (
    SELECT
        intDiv(timestamp - {start_ms:Int64}, {size_ms:Int64}) AS bucket,
        toString(organizationId) AS organization,
        eventId, eventType,
        if(e.artifactId = '', ifNull(metadata.sourceChannel, ''), known.artifact_channel) AS channel
    FROM events AS e
    LEFT JOIN (
        SELECT artifactId, {{ channel }} AS artifact_channel
        FROM artifact_marks
        WHERE artifactId IN (
            SELECT artifactId
            FROM events
            WHERE ts >= {{ visible_from }} AND ts < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
              AND {{ events_within }}
              AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
              AND eventType IN ('artifact_received', 'artifact_completed', 'artifact_failed'))
        GROUP BY artifactId
    ) AS known ON known.artifactId = e.artifactId
    WHERE ts >= {{ visible_from }} AND ts < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
      AND {{ events_within }}
      AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
      AND eventType IN ('artifact_received', 'artifact_completed', 'artifact_failed')
)
GROUP BY {{ groups }}
