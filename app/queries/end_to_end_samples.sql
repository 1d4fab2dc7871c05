SELECT
        {{ way }}
FROM artifact_marks
WHERE artifactId IN (
    SELECT artifactId
    FROM events
    WHERE ts >= {{ visible_from }} AND ts < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')
      AND {{ events_within }}
      AND eventType = 'artifact_completed'
      -- A completion without an organisation belongs to that of the receipt.
      AND ({organization_id:String} = '' OR organizationId IN ({organization_id:String}, '')))
GROUP BY artifactId
HAVING {{ has_way }}
   AND completed_ms >= {start_ms:Int64} AND completed_ms < {end_ms:Int64}
   AND {{ completions_within }}
   AND ({organization_id:String} = '' OR organization = {organization_id:String})
