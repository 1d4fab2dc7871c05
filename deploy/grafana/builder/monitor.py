"""The board Monitor itself: are the figures of the other boards complete and current."""

from typing import Final

from deploy.grafana.builder import limits
from deploy.grafana.builder.board import Row, board
from deploy.grafana.builder.panels import RED, YELLOW, Json, override, series, stat, steps, table
from deploy.grafana.builder.sql import BUCKET, FILL, IN_RANGE, LATELY

UID: Final = "voice-monitor"
# Minutes by which the next hour's snapshot is overdue: an hour is due when it has ended.
OVERDUE_SQL: Final = """
SELECT greatest(0, dateDiff('second', greatest(closedUntil, toStartOfHour(installedTime)), $__toTime) / 60 - 60)
    AS overdue_minutes
FROM monitor_live
""".strip()
MOMENT: Final = "time:YYYY-MM-DD HH:mm:ss.SSS"
COLORED: Final = {"mode": "basic", "type": "color-background"}


def _now() -> list[Json]:
    return [
        stat(1, "Snapshots overdue", "Minutes since the next hour should have been stored in full. An alert "
             f"fires above {limits.OVERDUE_MINUTES}.", OVERDUE_SQL, unit="m", decimals=0,
             thresholds=steps((limits.OVERDUE_MINUTES, RED))),
        stat(2, "Last stored", "Time from the latest stored row to the end of the range.",
             """
             SELECT greatest(0, dateDiff('second', storedTime, $__toTime_ms)) AS seconds
             FROM monitor_live
             WHERE storedTime >= installedTime
             """, unit="s", no_value="nothing stored"),
        stat(3, "Latest event", "Time from the latest event to the end of the range; 6 hours stand for 6 or more.",
             f"""
             SELECT dateDiff('second', greatest(max(ts), {LATELY}), $__toTime_ms) AS seconds
             FROM event_copies_live
             WHERE ts >= {LATELY} AND ts <= $__toTime_ms
             """, unit="s"),
        stat(4, "Events in the range", "Stored events whose time lies in the range, each once.",
             f"SELECT count() AS events FROM events_live WHERE {IN_RANGE}"),
        stat(5, "Id conflicts", "Events of the range that share their id with another one: a publisher uses ids twice.",
             f"SELECT count() - uniqExact(cityHash64(eventId)) AS conflicts FROM events_live WHERE {IN_RANGE}",
             thresholds=steps((1, YELLOW))),
        stat(6, "Schema", "Number of the newest migration of the database.",
             "SELECT schemaVersion AS schema_version FROM monitor_live", unit="none"),
    ]  # fmt: skip


def _flow() -> list[Json]:
    return [
        series(10, "Events", "Stored events a second, by the time of the event.",
               f"""
               SELECT {BUCKET}, count() / $__interval_s AS "Events"
               FROM events_live
               WHERE {IN_RANGE}
               GROUP BY time
               {FILL}
               """, unit="cps"),
        series(11, "From Kafka to ClickHouse", "Time from an event's append to the log until it was stored, by the "
               "time of the event. A row that was stored again counts with its later time.",
               f"""
               SELECT {BUCKET},
                   quantileExact(0.5)(toUnixTimestamp64Milli(stored_at) - append_time_ms) AS "p50",
                   quantileExact(0.95)(toUnixTimestamp64Milli(stored_at) - append_time_ms) AS "p95"
               FROM events_live
               WHERE {IN_RANGE}
               GROUP BY time
               ORDER BY time
               """, unit="ms", log=True),
        series(12, "From the event to Kafka", "Age of the events when they were appended to the log: how late "
               "publishers deliver.",
               f"""
               SELECT {BUCKET}, quantileExact(0.5)(append_time_ms - timestamp) AS "p50",
                   quantileExact(0.95)(append_time_ms - timestamp) AS "p95", max(append_time_ms - timestamp) AS "Latest"
               FROM events_live
               WHERE {IN_RANGE}
               GROUP BY time
               ORDER BY time
               """, unit="ms", log=True),
        table(13, "Partitions", "What is stored of each partition of voice-events: a partition that stands still "
              "has an old last event.",
              f"""
              SELECT source_partition AS "Partition", count() AS "Events", max(source_offset) AS "Highest offset",
                  max(ts) AS "Last event", max(stored_at) AS "Last stored"
              FROM events_live
              WHERE {IN_RANGE}
              GROUP BY source_partition
              ORDER BY source_partition
              LIMIT 1000
              """, size=(12, 8), overrides=[
                  *(override(name, unit=MOMENT, custom__width=200) for name in ("Last event", "Last stored")),
                  *(override(name, unit="none") for name in ("Partition", "Highest offset")),
                  override("Events", unit="short")]),
    ]  # fmt: skip


def _store() -> list[Json]:
    return [
        table(20, "Snapshots", "Hours of the range, the newest first. A row is complete if every record from before "
              "the end of the hour was stored when the roll-up looked last.",
              """
              SELECT periodStart AS "Hour", complete AS "Complete", createdAt AS "Computed",
                  dateDiff('second', periodEnd, createdAt) AS "After its end"
              FROM snapshots_hourly_live
              WHERE scope = 'platform' AND periodStart >= toStartOfHour($__fromTime, 'UTC') AND periodStart <= $__toTime
              ORDER BY periodStart DESC
              LIMIT 200
              """, size=(12, 9), overrides=[
                  override("Hour", unit="time:YYYY-MM-DD HH:mm", custom__width=160),
                  override("Computed", unit=MOMENT, custom__width=200), override("After its end", unit="s")]),
        table(21, "Tables", "What the tables take on this ClickHouse server, and how long rows lie there beyond "
              "their time to live.",
              """
              SELECT table AS "Table", storedRows AS "Rows", storedBytes AS "Bytes", parts AS "Parts",
                  overdueSeconds AS "Overdue"
              FROM tables_live
              ORDER BY storedBytes DESC, table
              LIMIT 100
              """, size=(12, 9), overrides=[
                  override("Bytes", unit="bytes"), override("Overdue", unit="s", thresholds=steps((86_400, YELLOW)),
                                                            custom__cellOptions=COLORED),
                  *(override(name, unit="short") for name in ("Rows", "Parts"))]),
    ]  # fmt: skip


def monitor() -> Json:
    """The board, of the whole platform."""
    rows = [Row("Now", _now()), Row("Way of the events", _flow()), Row("Store", _store())]
    about = (
        "Whether the monitor works: what it stored, how late, and what it takes. Workers' own metrics are Prometheus'."
    )
    return board(UID, "Voice pipeline: monitor itself", about, rows, [])
