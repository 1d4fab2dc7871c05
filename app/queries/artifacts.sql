-- Artifacts behind a place in a list, in its order: `place` descends, then the id. Those that have another row by now are
-- among them; the rows that an artifact has at one place come in any order, which lets the engine stop after the first
-- ones of a table. No view: the times that its text is worked out would take longer than to read the rows.
SELECT {{ place }} AS list_place, artifactId, version
FROM {{ table }}
WHERE {{ filters }}
ORDER BY {{ place }} DESC, artifactId DESC
LIMIT {limit:UInt32}
