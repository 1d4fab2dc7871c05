-- artifact_marks and artifact_rows stand in their place. Gone rather than empty: an older program that still runs gets an
-- error instead of wrong figures.
DROP VIEW IF EXISTS {{ database }}.artifact_links_mv;

DROP TABLE IF EXISTS {{ database }}.artifact_links;

DROP TABLE IF EXISTS {{ database }}.artifacts;
