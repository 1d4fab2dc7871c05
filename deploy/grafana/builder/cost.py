"""The board AI cost: what the models cost, of which stage, model and organisation."""

from typing import Final

from deploy.grafana.builder.board import ORG_VARIABLE, Row, board, choice
from deploy.grafana.builder.panels import (
    STAGE_COLORS,
    Json,
    bar_gauge,
    colors,
    link,
    override,
    series,
    stat,
    steps,
    table,
)
from deploy.grafana.builder.sql import (
    BUCKET,
    BUDGETS,
    FILL,
    FLOW,
    IN_RANGE,
    LABELS,
    NAME,
    NAMED,
    ORG,
    PERIODS,
    SCOPE,
    by_stage,
)

UID: Final = "voice-cost"
MODEL: Final = "$__conditionalAll(aiModel IN (${model:singlequote}), $model)"
USD: Final = "currencyUSD"
MODELS_SQL: Final = f"""
SELECT DISTINCT aiModel AS value
FROM costs_live
WHERE {IN_RANGE} AND aiModel != ''
ORDER BY value
LIMIT 100"""


def _now() -> list[Json]:
    today = "ts >= toStartOfDay($__toTime, 'UTC') AND ts <= $__toTime_ms"
    return [
        stat(1, "Cost in the range", "Cost of the events of the range; events are kept for 48 hours.",
             f"SELECT sum(aiCost) AS cost FROM costs_live WHERE {IN_RANGE} AND {MODEL} AND {ORG}", unit=USD, decimals=4,
             size=(6, 4)),
        stat(2, "Cost today", "Cost of the UTC day in which the range ends, up to its end.",
             f"SELECT sum(aiCost) AS cost FROM costs_live WHERE {today} AND {MODEL} AND {ORG}", unit=USD, decimals=4,
             size=(6, 4)),
        stat(3, "Cost per artifact", "Cost of the events of the range by the artifacts that they belong to.",
             f"""
             SELECT sum(aiCost) / nullIf(uniqExact(artifactId), 0) AS cost
             FROM costs_live
             WHERE {IN_RANGE} AND artifactId != '' AND {MODEL} AND {ORG}
             """, unit=USD, decimals=4, size=(6, 4), no_value="no cost"),
        stat(4, "Budget events", "Budgets nearly or wholly used up, and rate limits that were hit, in the range.",
             f"""
             SELECT count() AS budget_events
             FROM events_live
             WHERE {IN_RANGE} AND {BUDGETS} AND {ORG}
             """, size=(6, 4), thresholds=steps((1, "yellow"))),
        series(10, "Cost by stage", "Cost of the events, by the time of the event.",
               f"""
               SELECT {BUCKET},
                   {by_stage("sumIf(aiCost, {})", column="pipelineStage")},
                   sumIf(aiCost, pipelineStage NOT IN ({", ".join(repr(stage) for stage in FLOW)})) AS "Other"
               FROM costs_live
               WHERE {IN_RANGE} AND {MODEL} AND {ORG}
               GROUP BY time
               {FILL}
               """, unit=USD, bars=True, overrides=colors(STAGE_COLORS, *(LABELS[stage] for stage in FLOW))),
        bar_gauge(11, "Cost by model", "The models that cost most in the range.",
                  f"""
                  SELECT if(aiModel = '', 'unknown', aiModel) AS "Model", sum(aiCost) AS "Cost"
                  FROM costs_live
                  WHERE {IN_RANGE} AND {MODEL} AND {ORG}
                  GROUP BY "Model"
                  ORDER BY "Cost" DESC, "Model"
                  LIMIT 20
                  """, unit=USD, each_row=True),
        table(12, "Dearest artifacts", "The 50 artifacts whose events of the range cost most.",
              f"""
              SELECT artifactId AS "Artifact", {NAME} AS "Organisation", cost AS "Cost", calls AS "Events"
              FROM (
                  SELECT artifactId, organizationId, sum(aiCost) AS cost, count() AS calls
                  FROM costs_live
                  WHERE {IN_RANGE} AND artifactId != '' AND {MODEL} AND {ORG}
                  GROUP BY artifactId, organizationId
              ) AS dearest
              {NAMED}
              ORDER BY cost DESC, artifactId
              LIMIT 50
              """, size=(12, 8), overrides=[
                  override("Cost", unit=USD, decimals=4), override("Events", unit="short"),
                  override("Artifact", links=[link("Its events", "voice-artifacts", "artifact=${__value.raw}")])]),
        table(13, "Budgets and limits", "Budgets nearly or wholly used up, and rate limits that were hit.",
              f"""
              SELECT ts AS "Time", eventType AS "Event", {NAME} AS "Organisation", errorMessage AS "Message"
              FROM events_live
              {NAMED}
              WHERE {IN_RANGE} AND {BUDGETS} AND {ORG}
              ORDER BY ts DESC, eventId
              LIMIT 100
              """, size=(12, 8), overrides=[override("Time", unit="time:YYYY-MM-DD HH:mm:ss.SSS", custom__width=200)]),
    ]  # fmt: skip


def _past() -> list[Json]:
    return [
        series(20, "Cost, closed periods", "Snapshots of UTC hours, for ranges over 7 days of UTC days; all models.",
               f"""
               SELECT periodStart AS time, sum(totalAICost) AS "Cost"
               FROM snapshots_live
               WHERE {PERIODS} AND {SCOPE}
               GROUP BY time
               ORDER BY time
               """, unit=USD, bars=True),
        series(21, "Cost per received artifact, closed periods", "Cost of the period by the artifacts received in it.",
               f"""
               SELECT periodStart AS time, sum(totalAICost) / nullIf(sum(artifactsReceived), 0) AS "Per artifact"
               FROM snapshots_live
               WHERE {PERIODS} AND {SCOPE}
               GROUP BY time
               ORDER BY time
               """, unit=USD),
        table(22, "Cost by organisation, closed periods", "From the snapshots that begin in the range.",
              f"""
              SELECT {NAME} AS "Organisation", cost AS "Cost", received AS "Received",
                  cost / nullIf(received, 0) AS "Per artifact"
              FROM (
                  SELECT organizationId, sum(totalAICost) AS cost, sum(artifactsReceived) AS received
                  FROM snapshots_live
                  WHERE {PERIODS} AND scope = 'org' AND {ORG}
                  GROUP BY organizationId
              ) AS figures
              {NAMED}
              ORDER BY cost DESC, organizationId
              LIMIT 1000
              """, overrides=[override("Cost", unit=USD, decimals=4), override("Per artifact", unit=USD, decimals=4),
                              override("Received", unit="short")]),
    ]  # fmt: skip


def cost() -> Json:
    """The board: now, then closed periods."""
    rows = [Row("Now", _now()), Row("Past hours and days", _past())]
    variables = [ORG_VARIABLE, choice("model", "Model", MODELS_SQL)]
    about = "What the AI models cost: by stage, model, artifact and organisation, in US dollars."
    return board(UID, "Voice pipeline: AI cost", about, rows, variables, since="now-24h")
