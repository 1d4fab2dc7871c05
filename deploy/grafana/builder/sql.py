"""Pieces of the queries. The macros are those of the ClickHouse plugin.

Of DateTime64 columns only `_ms` filters are right: the plain ones drop the newest second. `$__conditionalAll` and
`${org:singlequote}` are replaced in the browser, so alert rules must not have them.
"""

from typing import Final

from app.domain.event_types import ERR, STAGES, Stage
from deploy.grafana.builder import limits

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
# Minutes are whole, the first one, too: a part of it would look like a dip. Platform or organisations as above.
MINUTE: Final = "$__timeInterval(minute) AS time"
MINUTES_OF: Final = f"scope = if($__conditionalAll(0, $org), 'platform', 'org') AND {ORG}"
MINUTES_OF_ORGS: Final = f"scope = 'org' AND {ORG}"
SINCE: Final = "minute >= toStartOfMinute($__fromTime) AND minute <= $__toTime"
TODAY: Final = "minute >= toStartOfDay($__toTime, 'UTC') AND minute <= $__toTime"
MINUTES: Final = f"{MINUTES_OF} AND {SINCE}"
FILL: Final = (
    "ORDER BY time WITH FILL FROM $__timeInterval($__fromTime) TO $__toTime STEP toIntervalSecond($__interval_s)"
)


def texts(values: frozenset[str] | tuple[str, ...]) -> str:
    """The texts as a list of SQL literals, in a fixed order; they are names of ours and hold no quotes."""
    return ", ".join(f"'{value}'" for value in sorted(values))


STUCK: Final = f"status != 'failed' AND waitingTime < $__toTime_ms - INTERVAL {limits.STUCK_MINUTES} MINUTE"
ERRORS: Final = f"eventType IN ({texts(ERR)})"
FINISHED: Final = "eventType IN ('artifact_completed', 'artifact_failed')"
RETRIES: Final = "eventType IN ('retry_initiated', 'retry_succeeded', 'retry_failed')"
BUDGETS: Final = "eventType IN ('budget_exceeded', 'budget_threshold_reached', 'rate_limit_hit')"
BREAKER: Final = "eventType IN ('circuit_breaker_closed', 'circuit_breaker_opened')"
NAMED: Final = (
    "LEFT JOIN (SELECT organizationId AS known, name FROM organizations_live) AS names ON names.known = organizationId"
)
NAME: Final = "if(names.name = '', organizationId, names.name)"

WAYS: Final = f"""
SELECT {MINUTE}, quantileExactArray(0.5)(times) AS "p50", quantileExactArray(0.95)(times) AS "p95",
    quantileExactArray(0.99)(times) AS "p99"
FROM minute_ways_live
WHERE {MINUTES} AND notEmpty(times)
GROUP BY time
ORDER BY time
"""


def latest(view: str, condition: str) -> str:
    """What to select from for the rows of the view that are their artifact's latest; an artifact may have several.

    FINAL of all artifacts would take half a second as soon as small parts lie beside the large one.
    """
    return (
        f"{view} WHERE {condition} AND (artifactId, version) IN (SELECT artifactId, max(version) "
        f"FROM artifact_versions_live WHERE artifactId IN (SELECT artifactId FROM {view} WHERE {condition}) "
        "GROUP BY artifactId)"
    )


def stuck(condition: str = "1") -> str:
    """What to select from for the artifacts that are stuck."""
    return latest("artifacts_waiting_live", f"{STUCK} AND {condition}")


def by_stage(expression: str, stages: tuple[Stage, ...] = FLOW, column: str = "stage") -> str:
    """One column for each stage, in their order; `{}` in the expression is the condition for the stage."""
    columns = [(expression.replace("{}", f"{column} = '{stage}'"), LABELS[stage]) for stage in stages]
    return ",\n    ".join(f'{text} AS "{label}"' for text, label in columns)
