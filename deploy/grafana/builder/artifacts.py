"""The board Artifacts and errors: which notes are stuck or failed, and why."""

from typing import Final

from app.domain.event_types import ERR, STAGES
from deploy.grafana.builder import limits
from deploy.grafana.builder.board import ORG_VARIABLE, Row, board, fixed_choice, text_box
from deploy.grafana.builder.panels import Json, bar_gauge, link, override, series, stat, steps, table
from deploy.grafana.builder.sql import (
    BUCKET,
    ERRORS,
    FILL,
    IN_RANGE,
    MINUTES,
    NAME,
    NAMED,
    ORG,
    RETRIES,
    STUCK,
    latest,
    stuck,
)

UID: Final = "voice-artifacts"
STAGE: Final = "$__conditionalAll(stage IN (${stage:singlequote}), $stage)"
EVENT_STAGE: Final = "$__conditionalAll(pipelineStage IN (${stage:singlequote}), $stage)"
SEARCH: Final = "$__conditionalAll(positionCaseInsensitive(errorMessage, ${search:singlequote}) > 0, $search)"
HAVE_FAILED: Final = f"status = 'failed' AND $__timeFilter_ms(failedTime) AND {STAGE} AND {ORG}"
MOMENT: Final = "time:YYYY-MM-DD HH:mm:ss.SSS"
STATUS_COLORS: Final[list[Json]] = [
    {
        "options": {
            "completed": {"color": "green", "index": 0, "text": "completed"},
            "failed": {"color": "red", "index": 1, "text": "failed"},
        },
        "type": "value",
    }
]
TYPE_COLUMNS: Final = ",\n    ".join(
    f"countIf(eventType = '{kind}') AS \"{kind.replace('_', ' ')}\"" for kind in sorted(ERR)
)
VARIABLES: Final = [
    ORG_VARIABLE,
    fixed_choice("stage", "Stage", STAGES),
    text_box("search", "Message contains", "Only errors whose message contains this text."),
    text_box("artifact", "Artifact", "Id of the artifact whose events the last row shows."),
]


def _artifact_links() -> Json:
    return override("Artifact", links=[link("Its events", UID, "artifact=${__value.raw}")])


def _moments(*columns: str) -> list[Json]:
    return [override(name, unit=MOMENT, custom__width=200) for name in columns]


def _numbers() -> list[Json]:
    return [
        stat(1, "Under way now", "Artifacts that are neither completed nor failed. An alert fires above "
             f"{limits.QUEUE_DEPTH}.",
             f"SELECT sum(active) AS active FROM artifact_totals_live WHERE {STAGE} AND {ORG}",
             thresholds=steps((limits.QUEUE_DEPTH, "red")), size=(6, 4)),
        stat(2, "Stuck", f"Artifacts whose next step is due for more than {limits.STUCK_MINUTES} minutes at the end "
             "of the range.", f"SELECT uniqExact(artifactId) AS stuck FROM {stuck(f'{STAGE} AND {ORG}')}",
             thresholds=steps((limits.STUCK_ARTIFACTS + 1, "red")), size=(6, 4)),
        stat(3, "Failed in the range", "Artifacts whose status is failed and that failed in the range.",
             f"SELECT uniqExact(artifactId) AS failed FROM {latest('artifacts_failed_live', HAVE_FAILED)}", size=(6, 4),
             thresholds=steps((1, "red"))),
        stat(4, "Failures in the range", "Events that tell of a failure; a failed note mostly has two of them.",
             f"SELECT count() AS failures FROM failures_live WHERE {IN_RANGE} AND {EVENT_STAGE} "
             f"AND {SEARCH} AND {ORG}", size=(6, 4)),
    ]  # fmt: skip


def _stuck_and_failed() -> list[Json]:
    return [
        table(10, "Stuck artifacts", "Those whose next step is due for more than "
              f"{limits.STUCK_MINUTES} minutes at the end of the range, the longest first.",
              f"""
              SELECT artifactId AS "Artifact", {NAME} AS "Organisation", status AS "Status", stage AS "Stage",
                  waitingFor AS "Waits for", dateDiff('second', waitingTime, $__toTime_ms) AS "Waits",
                  retryCount AS "Retries", createdTime AS "Created"
              FROM artifacts_live
              {NAMED}
              WHERE {STUCK} AND {STAGE} AND {ORG} AND artifactId IN (
                  SELECT artifactId
                  FROM artifacts_waiting_live
                  WHERE {STUCK} AND {STAGE} AND {ORG}
                  ORDER BY waitingTime, artifactId
                  LIMIT 400
              )
              ORDER BY waitingTime, artifactId
              LIMIT 100
              """, size=(12, 9), overrides=[_artifact_links(), override("Waits", unit="s"), *_moments("Created")]),
        table(11, "Failed artifacts", "Those that failed in the range and are still failed, the newest first.",
              f"""
              SELECT failedTime AS "Failed", artifactId AS "Artifact", {NAME} AS "Organisation",
                  failedStage AS "Stage", lastErrorCode AS "Code", lastErrorMessage AS "Message",
                  retryCount AS "Retries"
              FROM artifacts_live
              {NAMED}
              WHERE {HAVE_FAILED} AND artifactId IN (
                  SELECT artifactId
                  FROM artifacts_failed_live
                  WHERE {HAVE_FAILED}
                  ORDER BY failedTime DESC, artifactId
                  LIMIT 400
              )
              ORDER BY failedTime DESC, artifactId
              LIMIT 100
              """, size=(12, 9), overrides=[_artifact_links(), *_moments("Failed")]),
    ]  # fmt: skip


def _errors() -> list[Json]:
    return [
        table(20, "Errors by message", "Failures of the range by event, stage, code and message, the most frequent "
              "first. A bad note mostly has a failure of its stage and one of the artifact: two rows here.",
              f"""
              SELECT eventType AS "Event", pipelineStage AS "Stage", errorCode AS "Code", errorMessage AS "Message",
                  count() AS "Times", uniqExact(artifactId) AS "Artifacts", max(ts) AS "Last"
              FROM failures_live
              WHERE {IN_RANGE} AND {EVENT_STAGE} AND {SEARCH} AND {ORG}
              GROUP BY eventType, pipelineStage, errorCode, errorMessage
              ORDER BY "Times" DESC, "Last" DESC, "Event", "Stage", "Message", "Code"
              LIMIT 50
              """, size=(14, 9), overrides=[*_moments("Last"), *(override(name, unit="short")
                                                                for name in ("Times", "Artifacts"))]),
        series(21, "Errors by type", "Failures and openings of the circuit breaker over time.",
               f"""
               SELECT {BUCKET},
                   {TYPE_COLUMNS}
               FROM events_live
               WHERE {IN_RANGE} AND {ERRORS} AND {EVENT_STAGE} AND {SEARCH} AND {ORG}
               GROUP BY time
               {FILL}
               """, bars=True, size=(10, 9)),
        series(22, "Retries", "Retries that were asked for, and their outcomes.",
               f"""
               SELECT {BUCKET}, countIf(eventType = 'retry_initiated') AS "asked for",
                   countIf(eventType = 'retry_succeeded') AS "succeeded",
                   countIf(eventType = 'retry_failed') AS "failed"
               FROM events_live
               WHERE {IN_RANGE} AND {RETRIES} AND {EVENT_STAGE}
                 AND {ORG}
               GROUP BY time
               {FILL}
               """, bars=True),
        bar_gauge(23, "Received by channel", "Receipts of the range, by the channel that their artifact came through.",
                  f"""
                  SELECT if(channel = '', 'unknown', channel) AS "Channel", sum(received) AS "Artifacts"
                  FROM minute_channels_live
                  WHERE {MINUTES} AND received > 0
                  GROUP BY "Channel"
                  ORDER BY "Artifacts" DESC, "Channel"
                  LIMIT 20
                  """, each_row=True),
    ]  # fmt: skip


def _one() -> list[Json]:
    return [
        table(30, "The artifact ${artifact}", "State of the artifact whose id is in the field Artifact at the top.",
              """
              SELECT status AS "Status", stage AS "Stage", organizationId AS "Organisation", coachUserId AS "Coach",
                  sourceChannel AS "Channel", createdTime AS "Created", updatedTime AS "Updated",
                  endToEndMs AS "End to end", claimCount AS "Claims", entityCount AS "Entities", draftCount AS "Drafts",
                  openDisambiguations AS "Open names", retryCount AS "Retries", aiCost AS "AI cost"
              FROM artifacts_live
              WHERE artifactId = ${artifact:singlequote} AND artifactId != ''
              LIMIT 1
              """, size=(24, 4), overrides=[
                  override("Status", mappings=STATUS_COLORS, custom__cellOptions={"type": "color-text"}),
                  override("End to end", unit="ms"), override("AI cost", unit="currencyUSD", decimals=4),
                  *_moments("Created", "Updated")], no_value="no such artifact"),
        table(31, "Events of ${artifact}", "Its events of the 48 hours before the end of the range, the oldest first.",
              """
              SELECT ts AS "Time", eventType AS "Event", pipelineStage AS "Stage", durationMs AS "Duration",
                  newStatus AS "Status", errorCode AS "Code", errorMessage AS "Message"
              FROM event_copies_live
              WHERE artifactId = ${artifact:singlequote} AND artifactId != ''
                AND ts >= $__toTime_ms - INTERVAL 48 HOUR AND ts <= $__toTime_ms
              ORDER BY ts, eventId, log_order DESC
              LIMIT 1 BY eventId
              LIMIT 200
              """, size=(24, 10), overrides=[override("Duration", unit="ms"), *_moments("Time")],
              no_value="no events in these 48 hours"),
    ]  # fmt: skip


def artifacts() -> Json:
    """The board: numbers, lists, errors, one artifact."""
    rows = [
        Row("How many", _numbers()),
        Row("Which ones", _stuck_and_failed()),
        Row("Why", _errors()),
        Row("One artifact", _one()),
    ]
    about = "Which artifacts are stuck or failed, the errors behind it, and the events of one of them."
    return board(UID, "Voice pipeline: artifacts and errors", about, rows, VARIABLES)
