{%- set kept %}
FROM {{ database }}.minute_figures FINAL
WHERE (minute, computed_at) IN (SELECT minute, kept_at FROM {{ database }}.minute_state)
{%- endset %}
{%- set left %}
toStartOfMinute(ts) IN (SELECT minute FROM {{ database }}.minute_state WHERE kept_at = toDateTime64(0, 3, 'UTC'))
{%- endset %}
{%- set both_scopes -%}
CAST(arrayJoin(if(e.organizationId = '', ['platform'], ['platform', 'org'])), 'Enum8(\'platform\' = 0, \'org\' = 1)') AS scope,
    if(scope = 'platform', '', toString(e.organizationId)) AS organizationId
{%- endset -%}
-- Figures by minute: of a minute that a worker has kept with all its visible events what it kept, of any other what is in the
-- events. Rows of the platform or of organisations, told apart by `scope`; a minute may have several, which readers add up.

-- Minutes with events, and when the row was computed that holds all of them: at 0 where none does.
CREATE OR REPLACE VIEW {{ database }}.minute_state AS
SELECT
    active.minute AS minute,
    if(kept.input_max_stored >= active.stored AND minute >= now() - INTERVAL {{ visible_hours.events }} HOUR,
       kept.computed_at, toDateTime64(0, 3, 'UTC')) AS kept_at
FROM (
    SELECT minute, max(last_stored) AS stored
    FROM {{ database }}.minute_activity
    WHERE minute >= now() - INTERVAL {{ visible_hours.events }} HOUR - INTERVAL 1 MINUTE
    GROUP BY minute
) AS active
LEFT JOIN (
    SELECT minute, input_max_stored, computed_at
    FROM {{ database }}.minute_figures FINAL
    WHERE scope = 'platform' AND organizationId = '' AND has_times
) AS kept ON kept.minute = active.minute;

CREATE OR REPLACE VIEW {{ database }}.minute_counts_live AS
SELECT minute, scope, toString(organizationId) AS organizationId, artifactsReceived, artifactsCompleted, artifactsFailed
{{- kept }}
UNION ALL
SELECT
    toStartOfMinute(ts) AS minute,
    {{ both_scopes }},
    toUInt64(eventType IN {{ kinds_of("artifactsReceived") }}),
    toUInt64(eventType IN {{ kinds_of("artifactsCompleted") }}),
    toUInt64(eventType IN {{ kinds_of("artifactsFailed") }})
FROM {{ database }}.events AS e FINAL
WHERE ts >= now64(3, 'UTC') - INTERVAL {{ visible_hours.events }} HOUR
  AND eventType IN ('artifact_received', 'artifact_completed', 'artifact_failed') AND {{- left }};

-- Ends of stages: how many were good and bad, and how long the good ones with a duration took, in milliseconds. Without a
-- duration of its own an end took the time since the latest start of its stage.
CREATE OR REPLACE VIEW {{ database }}.minute_stages_live AS
SELECT minute, scope, toString(organizationId) AS organizationId, one.1 AS stage, one.2 AS good, one.3 AS bad, one.4 AS times
FROM (
    SELECT minute, scope, organizationId, arrayJoin([
{%- for name, ends in stages.items() %}
        ('{{ ends.stage }}', {{ name }}Successes, {{ name }}Failures, {{ name }}Times){{ "," if not loop.last }}
{%- endfor %}]) AS one
    {{- kept }}
)
UNION ALL
SELECT
    toStartOfMinute(ts) AS minute,
    {{ both_scopes }},
    toString(pipelineStage),
    toUInt64(NOT failed),
    toUInt64(failed),
    if(NOT failed AND is_usable, [toUInt32(assumeNotNull(duration))], [])
FROM (
    SELECT
        ts, organizationId, pipelineStage,
        {{ kind }} AS kind,
        kind IN {{ stage_failures }} AS failed,
        {{ starts_before }} AS before,
        {{ duration }} AS duration,
        {{ is_length }} AS is_usable
    FROM (
        SELECT *, ts
        FROM {{ database }}.events FINAL
        WHERE ts >= now64(3, 'UTC') - INTERVAL {{ visible_hours.events }} HOUR
          AND (eventType IN {{ stage_ends }} OR eventType IN {{ stage_failures }}) AND {{- left }}
    ) AS ends
    LEFT JOIN (
        SELECT artifactId AS known, groupUniqArrayArray(starts) AS started
        FROM {{ database }}.artifact_marks
        WHERE artifactId IN (
            SELECT artifactId
            FROM {{ database }}.events
            WHERE ts >= now64(3, 'UTC') - INTERVAL {{ visible_hours.events }} HOUR
              AND {{ is_unpaired }} AND {{- left }})
        GROUP BY artifactId
    ) AS starts ON known = artifactId
    WHERE kind != 'names_settled'
) AS e;

-- Ways of artifacts, from their earliest receipt to their earliest completion, in milliseconds, by the time of the completion.
-- A way is its organisation's: that of the completion, or else of the receipt.
CREATE OR REPLACE VIEW {{ database }}.minute_ways_live AS
SELECT minute, scope, toString(organizationId) AS organizationId, endToEndTimes AS times
{{- kept }}
UNION ALL
SELECT
    toStartOfMinute(completedTime) AS minute,
    {{ both_scopes }},
    [completed_ms - received_ms]
FROM (
    SELECT
        {{ way }},
        organization AS organizationId,
        fromUnixTimestamp64Milli(completed_ms, 'UTC') AS completedTime
    FROM {{ database }}.artifact_marks
    WHERE artifactId IN (
        SELECT artifactId
        FROM {{ database }}.events
        WHERE ts >= now64(3, 'UTC') - INTERVAL {{ visible_hours.events }} HOUR
          AND eventType = 'artifact_completed' AND {{- left }})
    GROUP BY artifactId
    HAVING {{ has_way }}
) AS e
WHERE {{- left.replace("(ts)", "(completedTime)") }};

-- Receipts by the channel of their artifact: that of its latest event with one.
CREATE OR REPLACE VIEW {{ database }}.minute_channels_live AS
SELECT minute, scope, toString(organizationId) AS organizationId, toString(one.1) AS channel, one.2 AS received
FROM (
    SELECT minute, scope, organizationId, arrayJoin(channels) AS one
    {{- kept }}
)
UNION ALL
SELECT toStartOfMinute(ts) AS minute, {{ both_scopes }}, toString(if(artifactId = '', own, latest)), toUInt64(1)
FROM (
    SELECT ts, organizationId, artifactId, ifNull(metadata.sourceChannel, '') AS own, latest
    FROM {{ database }}.events FINAL
    LEFT JOIN (
        SELECT artifactId AS known, {{ channel }} AS latest
        FROM {{ database }}.artifact_marks
        WHERE artifactId IN (
            SELECT artifactId FROM {{ database }}.events WHERE eventType = 'artifact_received' AND {{- left }})
        GROUP BY artifactId
    ) AS marks ON known = artifactId
    WHERE ts >= now64(3, 'UTC') - INTERVAL {{ visible_hours.events }} HOUR
      AND eventType = 'artifact_received' AND {{- left }}
) AS e;

CREATE OR REPLACE VIEW {{ database }}.minute_costs_live AS
SELECT minute, scope, toString(organizationId) AS organizationId, toString(one.1) AS stage, toString(one.2) AS aiModel, one.3 AS aiCost
FROM (
    SELECT minute, scope, organizationId, arrayJoin(costs) AS one
    {{- kept }}
)
UNION ALL
SELECT toStartOfMinute(ts) AS minute, {{ both_scopes }}, toString(pipelineStage), aiModel, aiCost
FROM {{ database }}.costs_live AS e
WHERE {{- left }};

-- Views of an earlier schema that nothing reads any more.
DROP VIEW IF EXISTS {{ database }}.stage_ends_live;
DROP VIEW IF EXISTS {{ database }}.stage_starts_live;
