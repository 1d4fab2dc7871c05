-- Events of [{start_ms}, {end_ms}) by tenths of their confidence, in buckets of {size_ms}; 1 belongs to the last tenth.
SELECT
    bucket,
    {{ scope }},
    bin,
    uniqExactIf(eventId, eventType = 'transcription_completed') AS transcription,
    uniqExactIf(eventId, eventType = 'claims_extracted') AS claims
FROM (
    SELECT
        intDiv(timestamp - {start_ms:Int64}, {size_ms:Int64}) AS bucket,
        toString(organizationId) AS organization,
        toInt64(least(floor(metadata.confidenceScore * 10), 9)) AS bin,
        eventId,
        eventType
    FROM events
    WHERE ts >= {{ visible_from }} AND ts < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
      AND {{ events_within }}
      AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
      AND eventType IN ('transcription_completed', 'claims_extracted') AND metadata.confidenceScore IS NOT NULL
)
GROUP BY {{ groups }}
