"""The board Organisations: who is hit; a row leads to the boards of that organisation alone."""

from typing import Final

from deploy.grafana.builder import limits
from deploy.grafana.builder.board import ORG_VARIABLE, Row, board
from deploy.grafana.builder.overview import FAILURE_STEPS
from deploy.grafana.builder.panels import Json, link, override, series, stat, steps, table
from deploy.grafana.builder.sql import MINUTE, MINUTES_OF_ORGS, NAME, NAMED, ORG, PERIODS, SINCE, stuck

UID: Final = "voice-organisations"
COLORED: Final = {"mode": "basic", "type": "color-background"}
LINKS: Final = [
    link("Overview of this organisation", "voice-overview", "org=${__data.fields.Id}"),
    link("Its artifacts and errors", "voice-artifacts", "org=${__data.fields.Id}"),
    link("Its AI cost", "voice-cost", "org=${__data.fields.Id}"),
]
# The ten that received most in the range: more lines cannot be told apart.
TOP: Final = f"""organizationId IN (
    SELECT organizationId FROM snapshots_live
    WHERE {PERIODS} AND scope = 'org' AND {ORG}
    GROUP BY organizationId ORDER BY sum(artifactsReceived) DESC, organizationId LIMIT 10
)"""


def _tables() -> list[Json]:
    return [
        table(1, "Organisations in closed periods", "From the snapshots of UTC hours (of UTC days, for ranges over "
              "7 days) that begin in the range. The failure rate is failed by received artifacts, the latency the "
              "mean from receipt to completion. Click on a name for its boards.",
              f"""
              SELECT {NAME} AS "Organisation", organizationId AS "Id", received AS "Received",
                  completed AS "Completed", failed AS "Failed", failed / nullIf(received, 0) AS "Failure rate",
                  latency AS "Latency", cost AS "AI cost"
              FROM (
                  SELECT organizationId, sum(artifactsReceived) AS received, sum(artifactsCompleted) AS completed,
                      sum(artifactsFailed) AS failed, sum(totalAICost) AS cost,
                      sum(avgEndToEndLatency * endToEndSamples) / nullIf(sum(endToEndSamples), 0) AS latency
                  FROM snapshots_live
                  WHERE {PERIODS} AND scope = 'org' AND {ORG}
                  GROUP BY organizationId
              ) AS figures
              {NAMED}
              ORDER BY received DESC, organizationId
              LIMIT 1000
              """, size=(24, 12), overrides=[
                  override("Organisation", links=LINKS),
                  override("Failure rate", unit="percentunit", decimals=1, thresholds=FAILURE_STEPS,
                           custom__cellOptions=COLORED),
                  override("Latency", unit="ms"),
                  override("AI cost", unit="currencyUSD", decimals=4),
                  *(override(name, unit="short") for name in ("Received", "Completed", "Failed")),
              ]),
        table(2, "Organisations now", "Artifacts under way, those whose next step is due for more than "
              f"{limits.STUCK_MINUTES} minutes at the end of the range, and names that wait for a person; by the "
              "latest organisation of the artifact.",
              f"""
              SELECT {NAME} AS "Organisation", organizationId AS "Id", active AS "Under way", stuck AS "Stuck",
                  open AS "Open disambiguations"
              FROM (
                  SELECT organizationId, sum(each.active) AS active, sum(each.stuck) AS stuck, sum(each.open) AS open
                  FROM (
                      SELECT organizationId, active, toUInt64(0) AS stuck, open
                      FROM artifact_totals_live
                      WHERE {ORG}
                      UNION ALL
                      SELECT organizationId, 0, uniqExact(artifactId), 0
                      FROM {stuck(ORG)}
                      GROUP BY organizationId
                  ) AS each
                  WHERE organizationId != ''
                  GROUP BY organizationId
                  HAVING active + stuck + open > 0
              ) AS figures
              {NAMED}
              ORDER BY stuck DESC, active DESC, organizationId
              LIMIT 1000
              """, size=(24, 8), overrides=[
                  override("Organisation", links=LINKS),
                  override("Stuck", unit="short", thresholds=steps((1, "red")), custom__cellOptions=COLORED),
                  *(override(name, unit="short") for name in ("Under way", "Open disambiguations")),
              ]),
    ]  # fmt: skip


def _series() -> list[Json]:
    return [
        series(10, "Received, top ten", "The ten organisations that received most in closed periods of the range.",
               f"""
               SELECT periodStart AS time, {NAME} AS organisation, sum(artifactsReceived) AS "Value"
               FROM snapshots_live
               {NAMED}
               WHERE {PERIODS} AND scope = 'org' AND {TOP}
               GROUP BY time, organisation
               ORDER BY time, organisation
               """),
        series(11, "Failed, top ten", "Failed artifacts of the ten organisations that received most.",
               f"""
               SELECT periodStart AS time, {NAME} AS organisation, sum(artifactsFailed) AS "Value"
               FROM snapshots_live
               {NAMED}
               WHERE {PERIODS} AND scope = 'org' AND {TOP}
               GROUP BY time, organisation
               ORDER BY time, organisation
               """),
    ]  # fmt: skip


def _now() -> list[Json]:
    return [
        stat(20, "Active organisations", "Organisations with a completed or failed artifact in the range.",
             f"SELECT uniqExact(organizationId) AS organisations FROM minute_counts_live WHERE {MINUTES_OF_ORGS} "
             f"AND {SINCE} AND artifactsCompleted + artifactsFailed > 0", size=(6, 8)),
        series(21, "Organisations at work", "Distinct organisations that received artifacts, by minute or more.",
               f"""
               SELECT {MINUTE}, uniqExact(organizationId) AS "Organisations"
               FROM minute_counts_live
               WHERE {MINUTES_OF_ORGS} AND {SINCE} AND artifactsReceived > 0
               GROUP BY time
               ORDER BY time
               """, size=(18, 8), interval="5m"),
    ]  # fmt: skip


def organizations() -> Json:
    """The board: tables first, lines of the largest below."""
    rows = [Row("Who is hit", _tables()), Row("Over time", _series()), Row("Activity", _now())]
    about = "Figures of each organisation; a click on a name opens the other boards for it alone."
    return board(UID, "Voice pipeline: organisations", about, rows, [ORG_VARIABLE], since="now-24h")
