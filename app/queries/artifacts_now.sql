-- Artifacts by stage: how many are active, and how many names wait for a person.
SELECT stage, sum(t.active) AS active, sum(t.open) AS open
FROM artifact_totals AS t FINAL
WHERE {organization_id:String} = '' OR organizationId = {organization_id:String}
GROUP BY stage
