{%- set columns = [
    "artifactId", "status", "organizationId", "coachUserId", "voiceNoteId", "sourceChannel", "createdAt", "updatedAt",
    "stage", "stageEnteredAt", "completedAt", "failedAt", "failedStage", "lastErrorMessage", "lastErrorCode",
    "retryCount", "claimCount", "entityCount", "openDisambiguations", "draftCount", "aiCost", "endToEndMs",
    "waitingFor", "waitingSince"] -%}
-- What lists show of an artifact, as one text: a page is fifty rows from all over the table, and of each column a block
-- would have to be read for each of them. What is unknown is left out; numbers are texts, so that no setting of the
-- writer changes how they look.
ALTER TABLE {{ database }}.artifact_rows ADD COLUMN IF NOT EXISTS shown String MATERIALIZED
    toJSONString(mapFilter((name, value) -> value != '', map(
{%- for name in columns %}
        '{{ name }}', ifNull(toString({{ name }}), ''){{ "," if not loop.last }}
{%- endfor %}
    )));

ALTER TABLE {{ database }}.artifact_rows MATERIALIZE COLUMN shown;
