"""Pieces of the queries. The macros are those of the ClickHouse plugin.

Of DateTime64 columns only `_ms` filters are right: the plain ones drop the newest second. `$__conditionalAll` and
`${org:singlequote}` are replaced in the browser, so alert rules must not have them.
"""

from typing import Final

from app.domain.event_types import ACTIVE_STATUSES, ERR, FAIL, STAGES, Stage
from deploy.grafana.builder import limits
from sinks.clickhouse.templates import LONGEST_DURATION_MS

FLOW: Final[tuple[Stage, ...]] = STAGES[1:5]
LABELS: Final[dict[str, str]] = {
    "ingestion": "Ingestion",
    "transcription": "Transcription",
    "claims_extraction": "Claims extraction",
    "entity_resolution": "Entity resolution",
    "draft_generation": "Draft generation",
    "confirmation": "Confirmation",
}
SNAPSHOT_NAMES: Final[dict[str, str]] = {
    "transcription": "transcription",
    "claims_extraction": "claimsExtraction",
    "entity_resolution": "entityResolution",
    "draft_generation": "draftGeneration",
}
"""How the columns of a snapshot call the stages."""

ORG: Final = "$__conditionalAll(organizationId IN (${org:singlequote}), $org)"
IN_RANGE: Final = "$__timeFilter_ms(ts)"
# Finding the latest event of all 48 hours would read them all.
LATELY: Final = "$__toTime_ms - INTERVAL 6 HOUR"
BUCKET: Final = "$__timeInterval(ts) AS time"
LONGEST_HOURLY_SECONDS: Final = 7 * 86_400
# Rows of the platform or rows of organisations, never both: else every figure would count twice.
SCOPE: Final = f"toString(scope) = if($__conditionalAll(0, $org), 'platform', 'org') AND {ORG}"
# The first period began before the range did, unless the range begins with one.
PERIODS: Final = (
    f"periodType = if($__toTime - $__fromTime > {LONGEST_HOURLY_SECONDS}, 'daily', 'hourly') "
    "AND periodStart >= if(periodType = 'daily', toStartOfDay($__fromTime, 'UTC'), toStartOfHour($__fromTime, 'UTC')) "
    "AND periodStart <= $__toTime"
)
FILL: Final = (
    "ORDER BY time WITH FILL FROM $__timeInterval($__fromTime) TO $__toTime STEP toIntervalSecond($__interval_s)"
)


def texts(values: frozenset[str] | tuple[str, ...]) -> str:
    """The texts as a list of SQL literals, in a fixed order; they are names of ours and hold no quotes."""
    return ", ".join(f"'{value}'" for value in sorted(values))


ACTIVE: Final = f"status IN ({texts(ACTIVE_STATUSES)})"
STUCK: Final = f"status != 'failed' AND waitingTime < $__toTime_ms - INTERVAL {limits.STUCK_MINUTES} MINUTE"
FAILURES: Final = f"eventType IN ({texts(FAIL)})"
ERRORS: Final = f"eventType IN ({texts(ERR)})"
FINISHED: Final = "eventType IN ('artifact_completed', 'artifact_failed')"
THROUGHPUT: Final = "eventType IN ('artifact_received', 'artifact_completed', 'artifact_failed')"
RETRIES: Final = "eventType IN ('retry_initiated', 'retry_succeeded', 'retry_failed')"
BUDGETS: Final = "eventType IN ('budget_exceeded', 'budget_threshold_reached', 'rate_limit_hit')"
BREAKER: Final = "eventType IN ('circuit_breaker_closed', 'circuit_breaker_opened')"
BREAKER_STATE: Final = (
    "multiIf(newStatus IN ('open', 'half_open', 'closed'), newStatus, "
    "eventType = 'circuit_breaker_opened', 'open', 'closed')"
)
NAMED: Final = (
    "LEFT JOIN (SELECT organizationId AS known, name FROM organizations_live) AS names ON names.known = organizationId"
)
NAME: Final = "if(names.name = '', organizationId, names.name)"


# Good and bad ends of stages in the range, good ones with their duration as a snapshot would have it: the event's own,
# else the time since the latest start of the stage. Starts are looked up for those artifacts of the range that need it.
STAGE_ENDS: Final = f"""(
    SELECT ts, stage, failed, if(lengthMs BETWEEN 0 AND {LONGEST_DURATION_MS}, lengthMs, NULL) AS latencyMs
    FROM (
        SELECT ts, stage, failed,
            arrayFilter(start -> start.4 = stage AND start.1 <= timestamp, started) AS before,
            if(unpaired AND notEmpty(before), endedAt - arrayMax(before).3, ownMs) AS lengthMs
        FROM stage_ends_live
        LEFT JOIN (
            SELECT artifactId AS known, started FROM stage_starts_live
            WHERE artifactId IN (SELECT artifactId FROM stage_ends_live WHERE {IN_RANGE} AND unpaired)
        ) AS starts ON known = artifactId
        WHERE {IN_RANGE} AND {ORG}
    )
) AS ends"""


def by_stage(expression: str, stages: tuple[Stage, ...] = FLOW, column: str = "stage") -> str:
    """One column for each stage, in their order; `{}` in the expression is the condition for the stage."""
    columns = [(expression.replace("{}", f"{column} = '{stage}'"), LABELS[stage]) for stage in stages]
    return ",\n    ".join(f'{text} AS "{label}"' for text, label in columns)
