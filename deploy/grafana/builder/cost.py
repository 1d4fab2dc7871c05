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
    BUDGETS,
    FILL,
    FLOW,
    IN_RANGE,
    LABELS,
    MINUTE,
    MINUTES,
    MINUTES_OF,
    NAME,
    NAMED,
    ORG,
    PERIODS,
    SCOPE,
    SINCE,
    TODAY,
    by_stage,
)

UID: Final = "voice-cost"
MODEL: Final = "$__conditionalAll(aiModel IN (${model:singlequote}), $model)"
USD: Final = "currencyUSD"
MOMENT: Final = "time:YYYY-MM-DD HH:mm:ss.SSS"
MODELS_SQL: Final = f"""
SELECT DISTINCT aiModel AS value
FROM minute_costs_live
WHERE scope = 'platform' AND {SINCE} AND aiModel != ''
ORDER BY value
LIMIT 100"""


def _now() -> list[Json]:
    return [
        stat(1, "Cost in the range", "Cost of the events of the range; events are kept for 48 hours.",
             f"SELECT sum(aiCost) AS cost FROM minute_costs_live WHERE {MINUTES} AND {MODEL}", unit=USD, decimals=4,
             size=(6, 4)),
        stat(2, "Cost today", "Cost of the UTC day in which the range ends, up to its end.",
             f"SELECT sum(aiCost) AS cost FROM minute_costs_live WHERE {MINUTES_OF} AND {TODAY} AND {MODEL}", unit=USD,
             decimals=4, size=(6, 4)),
        stat(3, "Cost per received artifact", "Cost of the events of the range by the artifacts received in it.",
             f"""
             SELECT (SELECT sum(aiCost) FROM minute_costs_live WHERE {MINUTES} AND {MODEL})
                 / nullIf((SELECT sum(artifactsReceived) FROM minute_counts_live WHERE {MINUTES}), 0) AS cost
             """, unit=USD, decimals=4, size=(6, 4), no_value="nothing received"),
        stat(4, "Budget events", "Budgets nearly or wholly used up, and rate limits that were hit, in the range.",
             f"""
             SELECT uniqExact(eventId) AS budget_events
             FROM event_copies_live
             WHERE {IN_RANGE} AND {BUDGETS} AND {ORG}
             """, size=(6, 4), thresholds=steps((1, "yellow"))),
        series(10, "Cost by stage", "Cost of the events, by the time of the event.",
               f"""
               SELECT {MINUTE},
                   {by_stage("sumIf(aiCost, {})")},
                   sumIf(aiCost, stage NOT IN ({", ".join(repr(stage) for stage in FLOW)})) AS "Other"
               FROM minute_costs_live
               WHERE {MINUTES} AND {MODEL}
               GROUP BY time
               {FILL}
               """, unit=USD, bars=True, overrides=colors(STAGE_COLORS, *(LABELS[stage] for stage in FLOW))),
        bar_gauge(11, "Cost by model", "The models that cost most in the range.",
                  f"""
                  SELECT if(aiModel = '', 'unknown', aiModel) AS "Model", sum(aiCost) AS "Cost"
                  FROM minute_costs_live
                  WHERE {MINUTES} AND {MODEL}
                  GROUP BY "Model"
                  ORDER BY "Cost" DESC, "Model"
                  LIMIT 20
                  """, unit=USD, each_row=True),
        table(12, "Dearest artifacts", "The 50 artifacts created in the range that have cost most up to now, whatever "
              "the model.",
              f"""
              SELECT artifactId AS "Artifact", {NAME} AS "Organisation", createdTime AS "Created", aiCost AS "Cost"
              FROM artifacts_live
              {NAMED}
              WHERE aiCost > 0 AND $__timeFilter_ms(createdTime) AND {ORG} AND artifactId IN (
                  SELECT artifactId
                  FROM artifact_costs_live
                  WHERE $__timeFilter_ms(createdTime) AND {ORG}
                  ORDER BY aiCost DESC
                  LIMIT 200
              )
              ORDER BY aiCost DESC, artifactId
              LIMIT 50
              """, size=(12, 8), overrides=[
                  override("Cost", unit=USD, decimals=4), override("Created", unit=MOMENT, custom__width=200),
                  override("Artifact", links=[link("Its events", "voice-artifacts", "artifact=${__value.raw}")])]),
        table(13, "Budgets and limits", "Budgets nearly or wholly used up, and rate limits that were hit.",
              f"""
              SELECT ts AS "Time", eventType AS "Event", {NAME} AS "Organisation", errorMessage AS "Message"
              FROM event_copies_live
              {NAMED}
              WHERE {IN_RANGE} AND {BUDGETS} AND {ORG}
              ORDER BY ts DESC, eventId, log_order DESC
              LIMIT 1 BY eventId
              LIMIT 100
              """, size=(12, 8), overrides=[override("Time", unit=MOMENT, custom__width=200)]),
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
