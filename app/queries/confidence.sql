-- Events by tenths of their confidence; 1 belongs to the last.
SELECT
    toInt64(least(floor(metadata.confidenceScore * 10), 9)) AS bin,
    uniqExactIf(eventId, eventType = 'transcription_completed') AS transcription,
    uniqExactIf(eventId, eventType = 'claims_extracted') AS claims
FROM event_copies_at(now_ms = {now_ms:Int64})
WHERE ts >= fromUnixTimestamp64Milli({start_ms:Int64}, 'UTC') AND ts <= fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
  AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
  AND eventType IN ('transcription_completed', 'claims_extracted') AND metadata.confidenceScore IS NOT NULL
GROUP BY bin
