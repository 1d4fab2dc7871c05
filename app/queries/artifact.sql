-- The one artifact with that id, if it is still shown.
SELECT * EXCEPT (version)
FROM artifacts_at(now_ms = {now_ms:Int64})
WHERE artifactId = {artifact_id:String}
  AND version = (SELECT max(version) FROM artifacts WHERE artifactId = {artifact_id:String})
  AND ({organization_id:String} = '' OR organizationId = {organization_id:String})
LIMIT 1
