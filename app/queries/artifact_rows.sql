-- The latest row of each of these artifacts.
SELECT *
FROM artifact_rows
WHERE artifactId IN {ids:Array(String)}
ORDER BY version DESC
LIMIT 1 BY artifactId
