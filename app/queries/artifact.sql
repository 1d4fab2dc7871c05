-- The one artifact with that id, if it is still shown.
SELECT * EXCEPT (version)
FROM artifact_at(now_ms = {now_ms:Int64}, artifact_id = {artifact_id:String})
WHERE {organization_id:String} = '' OR organizationId = {organization_id:String}
