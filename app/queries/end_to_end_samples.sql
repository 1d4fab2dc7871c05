SELECT
    toInt64(substring(min(receipt) AS received, 1, 20)) AS received_ms,
    toInt64(substring(min(completion) AS completed, 1, 20)) AS completed_ms,
    substring(if(length(completed) > 56, completed, received), 57) AS organization
FROM artifact_links
WHERE artifactId IN (
    SELECT artifactId
    FROM artifact_links
    WHERE completion >= leftPad(toString({start_ms:Int64}), 20, '0')
      AND completion < leftPad(toString({end_ms:Int64}), 20, '0'))
GROUP BY artifactId
HAVING received != '~' AND completed_ms >= received_ms AND completed_ms >= {start_ms:Int64}
   AND completed_ms < {end_ms:Int64}
   AND ({organization_id:String} = '' OR organization = {organization_id:String})
