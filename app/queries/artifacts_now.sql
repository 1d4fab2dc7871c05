-- Artifacts by stage: how many are active, and how many names wait for a person.
SELECT
    stage,
    countIf(status IN ('received', 'transcribing', 'transcribed', 'processing')) AS active,
    toUInt64(sum(openDisambiguations)) AS open
FROM artifacts FINAL
WHERE {organization_id:String} = '' OR organizationId = {organization_id:String}
GROUP BY stage
