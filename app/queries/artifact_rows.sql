-- What is shown of each of these artifacts, of its latest row.
SELECT artifactId, version, shown
FROM artifact_rows
WHERE artifactId IN {ids:Array(String)}
ORDER BY version DESC
LIMIT 1 BY artifactId
