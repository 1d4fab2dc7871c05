"""The board Stages and latency: which stage is slow, failing or full."""

from typing import Final

from deploy.grafana.builder import limits
from deploy.grafana.builder.board import ORG_VARIABLE, Row, board
from deploy.grafana.builder.overview import FAILURE_STEPS
from deploy.grafana.builder.panels import (
    RED,
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
    FILL,
    FLOW,
    LABELS,
    MINUTE,
    MINUTES,
    ORG,
    PERIODS,
    SCOPE,
    SNAPSHOT_NAMES,
    WAYS,
    by_stage,
)

UID: Final = "voice-stages"
STAGE_SERIES: Final = [LABELS[stage] for stage in FLOW]
STAGE_OVERRIDES: Final = colors(STAGE_COLORS, *STAGE_SERIES)
QUEUES: Final = ("ingestion", *FLOW)
# Mean of the latest closed hour with samples, and of the 168 hours before it, by their samples.
RATIO_SQL: Final = """
WITH hours AS (
    SELECT periodStart, avgEndToEndLatency AS mean, endToEndSamples AS samples, max(periodStart) OVER () AS latest
    FROM snapshots_hourly_live
    WHERE scope = 'platform' AND endToEndSamples > 0
      AND periodStart >= $__toTime - INTERVAL 169 HOUR AND periodStart <= $__toTime
)
SELECT sumIf(mean, periodStart = latest)
    / (sumIf(mean * samples, periodStart < latest) / sumIf(samples, periodStart < latest)) AS latency_ratio
FROM hours
HAVING countIf(periodStart < latest) >= {fewest}
""".replace("{fewest}", str(limits.FEWEST_HOURS)).strip()


def _latency(quantile: float) -> str:
    return f"""
    SELECT {MINUTE},
        {by_stage(f"quantileExactArrayIfOrNull({quantile})(times, {{}})")}
    FROM minute_stages_live
    WHERE {MINUTES} AND notEmpty(times)
    GROUP BY time
    ORDER BY time
    """


def _latencies() -> list[Json]:
    return [
        series(1, "Stage duration, p95", "95th percentile of the durations of the stages that ended well.",
               _latency(0.95), unit="ms", log=True, overrides=STAGE_OVERRIDES),
        series(2, "Stage duration, median", "Half of the stages that ended well took no longer.",
               _latency(0.5), unit="ms", log=True, overrides=STAGE_OVERRIDES),
        series(3, "End to end", "From an artifact's earliest receipt to its earliest completion, by the time of the "
               "completion.",
               WAYS, unit="ms", log=True, size=(16, 8)),
        stat(4, "Latency against 7 days", "Mean end-to-end time of the latest closed hour with completions, by that "
             f"of the 168 hours before, for the whole platform. An alert fires above {limits.LATENCY_RATIO:g}; fewer "
             f"than {limits.FEWEST_HOURS} earlier hours with completions give no value.",
             RATIO_SQL, unit="none", decimals=2, thresholds=steps((limits.LATENCY_RATIO, RED)), size=(8, 8),
             no_value="too few hours"),
    ]  # fmt: skip


def _outcomes() -> list[Json]:
    return [
        table(10, "Stages in the range", "Ends of each stage in the range: mean and percentiles in milliseconds of "
              "those with a duration, failures by all ends. Names that a person settled later end no stage.",
              f"""
              SELECT stage AS "Stage", sum(good) AS "Good ends", sum(bad) AS "Failures",
                  sum(bad) / sum(good + bad) AS "Failure rate", avgArrayIfOrNull(times, notEmpty(times)) AS "Mean",
                  quantileExactArrayIfOrNull(0.5)(times, notEmpty(times)) AS "p50",
                  quantileExactArrayIfOrNull(0.95)(times, notEmpty(times)) AS "p95"
              FROM minute_stages_live
              WHERE {MINUTES} AND good + bad > 0
              GROUP BY stage
              ORDER BY indexOf([{", ".join(repr(stage) for stage in FLOW)}], stage)
              LIMIT 10
              """, size=(16, 7), overrides=[
                  override("Failure rate", unit="percentunit", decimals=1, thresholds=FAILURE_STEPS,
                           custom__cellOptions={"mode": "basic", "type": "color-background"}),
                  *(override(name, unit="ms") for name in ("Mean", "p50", "p95")),
                  *(override(name, unit="short") for name in ("Good ends", "Failures")),
                  override("Stage", links=[link("Errors of this stage", "voice-artifacts", "stage=${__value.raw}")]),
              ]),
        bar_gauge(11, "Under way now, by stage", "Artifacts that are neither completed nor failed, by the stage "
                  f"they are in. An alert fires above {limits.QUEUE_DEPTH} in all.",
                  f"""
                  SELECT {by_stage("sumIf(active, {})", QUEUES)}
                  FROM artifact_totals_live
                  WHERE {ORG}
                  """, size=(8, 7), thresholds=steps((limits.QUEUE_DEPTH, RED))),
        series(12, "Good ends by stage", "Stages that ended well, by minute or more.",
               f"""
               SELECT {MINUTE}, {by_stage("sumIf(good, {})")}
               FROM minute_stages_live
               WHERE {MINUTES}
               GROUP BY time
               {FILL}
               """, bars=True, overrides=STAGE_OVERRIDES),
        series(13, "Failure rate by stage", "Failures by all ends of the stage.",
               f"""
               SELECT {MINUTE}, {by_stage("sumIf(bad, {}) / nullIf(sumIf(good + bad, {}), 0)")}
               FROM minute_stages_live
               WHERE {MINUTES} AND good + bad > 0
               GROUP BY time
               ORDER BY time
               """, unit="percentunit", limit=FAILURE_STEPS, overrides=STAGE_OVERRIDES, interval="5m"),
    ]  # fmt: skip


def _mean(stage: str, name: str) -> str:
    title = name[0].upper() + name[1:]
    samples = f"{name}LatencySamples"
    return f'sum(avg{title}Latency * {samples}) / nullIf(sum({samples}), 0) AS "{LABELS[stage]}"'


def _past() -> list[Json]:
    means = ",\n    ".join(_mean(stage, name) for stage, name in SNAPSHOT_NAMES.items())
    return [
        series(20, "Mean duration by stage, closed periods", "Snapshots of UTC hours, for ranges over 7 days of UTC "
               "days.",
               f"""
               SELECT periodStart AS time,
                   {means}
               FROM snapshots_live
               WHERE {PERIODS} AND {SCOPE}
               GROUP BY time
               ORDER BY time
               """, unit="ms", overrides=STAGE_OVERRIDES),
        series(21, "Names resolved without a person", "Entity resolutions without an open name, by all that ended "
               "well.",
               f"""
               SELECT periodStart AS time,
                   sum(entityResolutionSuccesses - entityResolutionsAmbiguous)
                       / nullIf(sum(entityResolutionSuccesses), 0) AS "Without a person"
               FROM snapshots_live
               WHERE {PERIODS} AND {SCOPE}
               GROUP BY time
               ORDER BY time
               """, unit="percentunit"),
        series(22, "Confidence", "Mean confidence of transcripts and claims that carry one.",
               f"""
               SELECT periodStart AS time,
                   sum(avgTranscriptConfidence * transcriptConfidenceSamples)
                       / nullIf(sum(transcriptConfidenceSamples), 0) AS "Transcripts",
                   sum(avgClaimConfidence * claimConfidenceSamples)
                       / nullIf(sum(claimConfidenceSamples), 0) AS "Claims"
               FROM snapshots_live
               WHERE {PERIODS} AND {SCOPE}
               GROUP BY time
               ORDER BY time
               """, unit="percentunit"),
        series(23, "Drafts confirmed", "Confirmed drafts by confirmed and rejected ones.",
               f"""
               SELECT periodStart AS time,
                   sum(draftsConfirmed) / nullIf(sum(draftsConfirmed + draftsRejected), 0) AS "Confirmed"
               FROM snapshots_live
               WHERE {PERIODS} AND {SCOPE}
               GROUP BY time
               ORDER BY time
               """, unit="percentunit"),
    ]  # fmt: skip


def stages() -> Json:
    """The board: durations, then outcomes and queues, then what is past."""
    rows = [
        Row("How long", _latencies()),
        Row("How well, and what waits", _outcomes()),
        Row("Past hours and days", _past(), collapsed=True),
    ]
    about = "Which stage is slow, fails or fills up."
    return board(UID, "Voice pipeline: stages and latency", about, rows, [ORG_VARIABLE])
