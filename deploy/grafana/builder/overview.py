"""The board Overview: is anything wrong, and where does one look on."""

from typing import Final

from deploy.grafana.builder import limits
from deploy.grafana.builder.board import ORG_VARIABLE, Row, board
from deploy.grafana.builder.flow import flow
from deploy.grafana.builder.panels import (
    OUTCOME_COLORS,
    RED,
    YELLOW,
    Json,
    colors,
    link,
    override,
    series,
    stat,
    steps,
    table,
)
from deploy.grafana.builder.sql import (
    BREAKER,
    ERRORS,
    FILL,
    IN_RANGE,
    LATELY,
    MINUTE,
    MINUTES,
    MINUTES_OF,
    NAME,
    NAMED,
    ORG,
    PERIODS,
    SCOPE,
    TODAY,
    WAYS,
    stuck,
)
from sinks.clickhouse.formulas import BREAKER_STATE

UID: Final = "voice-overview"
FAILURE_STEPS: Final = steps((limits.FAILURE_RATE, YELLOW), (limits.FAILURE_RATE_CRITICAL, RED))
BREAKER_WORDS: Final[list[Json]] = [
    {
        "options": {
            "closed": {"color": "green", "index": 0, "text": "closed"},
            "half_open": {"color": "yellow", "index": 1, "text": "half open"},
            "open": {"color": "red", "index": 2, "text": "open"},
        },
        "type": "value",
    }
]


def count_series(column: str, name: str) -> str:
    """Sums of a count over time."""
    return f"""
    SELECT {MINUTE}, sum({column}) AS "{name}"
    FROM minute_counts_live
    WHERE {MINUTES}
    GROUP BY time
    {FILL}
    """


def total_now(column: str) -> str:
    """A sum over the artifacts under way."""
    return f"SELECT sum({column}) AS {column} FROM artifact_totals_live WHERE {ORG}"


def _symptoms() -> list[Json]:
    return [
        stat(1, "Received", "Artifacts received in the range.", count_series("artifactsReceived", "Received"),
             sparkline=True, reduce="sum", no_value="0"),
        stat(2, "Completed", "Completions in the range.", count_series("artifactsCompleted", "Completed"),
             sparkline=True, reduce="sum", no_value="0", thresholds=steps()),
        stat(3, "Failure rate", "Failed by completed and failed artifacts in the range. An alert fires above "
             f"{100 * limits.FAILURE_RATE:g} % of the last 60 minutes, if at least {limits.FEWEST_FINISHED} finished.",
             f"""
             SELECT sum(artifactsFailed) / nullIf(sum(artifactsCompleted + artifactsFailed), 0) AS failure_rate
             FROM minute_counts_live
             WHERE {MINUTES}
             """, unit="percentunit", decimals=1, thresholds=FAILURE_STEPS, no_value="nothing finished"),
        stat(4, "End to end, p95", "95th percentile of the time from an artifact's earliest receipt to its earliest "
             "completion, over the completions of the range.",
             f"""
             SELECT quantileExactArrayIfOrNull(0.95)(times, notEmpty(times)) AS p95
             FROM minute_ways_live
             WHERE {MINUTES}
             """, unit="ms", no_value="no completion"),
        stat(5, "Under way now", "Artifacts that are neither completed nor failed, whenever they came. An alert fires "
             f"above {limits.QUEUE_DEPTH}.", total_now("active"),
             thresholds=steps((limits.QUEUE_DEPTH, RED))),
        stat(6, "AI cost today", "Cost of the events of the UTC day in which the range ends, up to its end.",
             f"""
             SELECT sum(aiCost) AS cost
             FROM minute_costs_live
             WHERE {MINUTES_OF} AND {TODAY}
             """, unit="currencyUSD", decimals=2),
        stat(7, "Circuit breaker", "State of the circuit breaker of the AI service, for the whole platform: that of "
             "its latest event in the 48 hours before the end of the range.",
             f"""
             SELECT if(count() = 0, 'closed', argMax({BREAKER_STATE}, (timestamp, toString(eventId)))) AS state
             FROM event_copies_live
             WHERE ts >= $__toTime_ms - INTERVAL 48 HOUR AND ts <= $__toTime_ms AND {BREAKER}
             """, mappings=BREAKER_WORDS, unit="string", fields="/.*/"),
        stat(8, "Open disambiguations", f"Names that wait for a person. An alert fires above "
             f"{limits.OPEN_DISAMBIGUATIONS}.",
             total_now("open"),
             thresholds=steps((limits.OPEN_DISAMBIGUATIONS, YELLOW))),
        stat(9, "Stuck", f"Artifacts whose next step is due for more than {limits.STUCK_MINUTES} minutes at the end "
             "of the range.",
             f"SELECT uniqExact(artifactId) AS stuck FROM {stuck(ORG)}",
             thresholds=steps((limits.STUCK_ARTIFACTS + 1, RED)),
             links=[link("Which ones", "voice-artifacts", "${org:queryparam}")]),
        stat(10, "Last receipt", "Time from the latest receipt to the end of the range; 6 hours stand for 6 or more. "
             f"An alert fires above {limits.SILENT_MINUTES} minutes.",
             f"""
             SELECT dateDiff('second', greatest(max(ts), {LATELY}), $__toTime_ms) AS seconds
             FROM event_copies_live
             WHERE ts >= {LATELY} AND ts <= $__toTime_ms AND eventType = 'artifact_received' AND {ORG}
             """, unit="s", thresholds=steps((60 * limits.SILENT_MINUTES, RED))),
        stat(11, "Failed", "Failed artifacts in the range.", count_series("artifactsFailed", "Failed"),
             sparkline=True, reduce="sum", no_value="0", thresholds=steps(base=RED)),
        stat(12, "AI cost", "Cost of the events of the range.",
             f"SELECT sum(aiCost) AS cost FROM minute_costs_live WHERE {MINUTES}", unit="currencyUSD", decimals=2),
    ]  # fmt: skip


def _trends() -> list[Json]:
    return [
        series(20, "Throughput", "Artifacts received, completed and failed. Events are kept for 48 hours; older "
               "figures are under Past hours and days.",
               f"""
               SELECT {MINUTE}, sum(artifactsReceived) AS "Received", sum(artifactsCompleted) AS "Completed",
                   sum(artifactsFailed) AS "Failed"
               FROM minute_counts_live
               WHERE {MINUTES}
               GROUP BY time
               {FILL}
               """, overrides=colors(OUTCOME_COLORS)),
        series(21, "Failure rate", "Failed by completed and failed artifacts, with the limits of the alerts.",
               f"""
               SELECT {MINUTE}, sum(artifactsFailed) / sum(artifactsCompleted + artifactsFailed) AS "Failure rate"
               FROM minute_counts_live
               WHERE {MINUTES} AND artifactsCompleted + artifactsFailed > 0
               GROUP BY time
               ORDER BY time
               """, unit="percentunit", limit=FAILURE_STEPS, interval="5m"),
        series(22, "End to end", "From an artifact's earliest receipt to its earliest completion, by the time of the "
               "completion.",
               WAYS, unit="ms",
               overrides=[override("p99", custom__lineStyle={"dash": [6, 6], "fill": "dash"})]),
        series(23, "AI cost", "Cost of the events, by the time of the event.",
               f"""
               SELECT {MINUTE}, sum(aiCost) AS "Cost"
               FROM minute_costs_live
               WHERE {MINUTES}
               GROUP BY time
               {FILL}
               """, unit="currencyUSD", bars=True),
    ]  # fmt: skip


def _causes() -> list[Json]:
    return [
        flow(29, (8, 10)),
        table(30, "Latest errors", "The 50 newest failures and openings of the circuit breaker in the range.",
              f"""
              SELECT ts AS "Time", eventType AS "Event", pipelineStage AS "Stage", errorCode AS "Code",
                  errorMessage AS "Message", artifactId AS "Artifact", {NAME} AS "Organisation"
              FROM (
                  SELECT ts, eventType, pipelineStage, errorCode, errorMessage, artifactId, organizationId, eventId
                  FROM event_copies_live
                  WHERE {IN_RANGE} AND {ERRORS} AND {ORG}
                  ORDER BY ts DESC, eventId DESC, log_order DESC
                  LIMIT 1 BY eventId
                  LIMIT 50
              ) AS newest
              {NAMED}
              ORDER BY ts DESC, eventId DESC
              LIMIT 50
              """, overrides=[
                  override("Time", unit="time:YYYY-MM-DD HH:mm:ss.SSS", custom__width=200),
                  override("Artifact", links=[
                      link("What became of it", "voice-artifacts", "artifact=${__value.raw}")]),
              ], size=(16, 10)),
    ]  # fmt: skip


def _past() -> list[Json]:
    return [
        series(40, "Throughput, closed periods", "Snapshots of UTC hours, for ranges over 7 days of UTC days.",
               f"""
               SELECT periodStart AS time, sum(artifactsReceived) AS "Received",
                   sum(artifactsCompleted) AS "Completed", sum(artifactsFailed) AS "Failed"
               FROM snapshots_live
               WHERE {PERIODS} AND {SCOPE}
               GROUP BY time
               ORDER BY time
               """, overrides=colors(OUTCOME_COLORS)),
        series(41, "Failure rate, closed periods", "Failed by completed and failed artifacts of each snapshot.",
               f"""
               SELECT periodStart AS time,
                   sum(artifactsFailed) / nullIf(sum(artifactsCompleted + artifactsFailed), 0) AS "Failure rate"
               FROM snapshots_live
               WHERE {PERIODS} AND {SCOPE}
               GROUP BY time
               ORDER BY time
               """, unit="percentunit", limit=FAILURE_STEPS),
        series(42, "End to end, closed periods", "Mean over the completions of each period.",
               f"""
               SELECT periodStart AS time,
                   sum(avgEndToEndLatency * endToEndSamples) / nullIf(sum(endToEndSamples), 0) AS "Mean"
               FROM snapshots_live
               WHERE {PERIODS} AND {SCOPE}
               GROUP BY time
               ORDER BY time
               """, unit="ms"),
        series(43, "AI cost, closed periods", "Cost of all events of each period.",
               f"""
               SELECT periodStart AS time, sum(totalAICost) AS "Cost"
               FROM snapshots_live
               WHERE {PERIODS} AND {SCOPE}
               GROUP BY time
               ORDER BY time
               """, unit="currencyUSD", bars=True),
    ]  # fmt: skip


def overview() -> Json:
    """The board, symptoms first."""
    rows = [
        Row("Symptoms", _symptoms()),
        Row("Trends", _trends()),
        Row("Flow and errors", _causes()),
        Row("Past hours and days", _past(), collapsed=True),
    ]
    about = "Whether the pipeline works: what came, what failed, how long it took, what waits."
    return board(UID, "Voice pipeline: overview", about, rows, [ORG_VARIABLE])
