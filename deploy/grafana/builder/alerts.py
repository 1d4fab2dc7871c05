"""Alert rules. Nothing of the browser runs for them: no variables, no conditionalAll.

Each query gives one number, and a threshold stands straight on it; no row is no data, which is fine but for silence.
"""

from dataclasses import dataclass
from typing import Any, Final

from deploy.grafana.builder import artifacts, limits, monitor, overview, stages
from deploy.grafana.builder.panels import TABLE, Json, tidy
from deploy.grafana.builder.provisioning import DATASOURCE_UID, FOLDER
from deploy.grafana.builder.sql import BREAKER, FINISHED, stuck
from sinks.clickhouse.formulas import BREAKER_STATE

EXPRESSION: Final = "__expr__"
HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert that fires above a limit, over the last `seconds`, once it lasts for `pending`."""

    title: str
    severity: str
    summary: str
    sql: str
    limit: float
    board_uid: str
    panel_id: int
    seconds: int = HOUR
    pending: str = "5m"
    no_data: str = "OK"

    @property
    def uid(self) -> str:
        """The title in small letters with hyphens."""
        return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in self.title).strip("-")


def _failure_rate(title: str, severity: str, limit: float) -> Rule:
    sql = f"""
    SELECT countIf(eventType = 'artifact_failed') / count() AS failure_rate
    FROM events_live
    WHERE $__timeFilter_ms(ts) AND {FINISHED}
    HAVING count() >= {limits.FEWEST_FINISHED}
    """
    summary = f"More than {100 * limit:g} % of the artifacts that finished in the last 60 minutes failed."
    return Rule(title, severity, summary, sql, limit, overview.UID, 3)


RULES: Final = [
    _failure_rate("PipelineFailureRateCritical", "critical", limits.FAILURE_RATE_CRITICAL),
    _failure_rate("PipelineFailureRate", "high", limits.FAILURE_RATE),
    Rule(
        "PipelineLatency", "medium",
        f"Artifacts take more than {limits.LATENCY_RATIO:g} times as long as in the 7 days before.",
        stages.RATIO_SQL, limits.LATENCY_RATIO, stages.UID, 4, seconds=8 * 24 * HOUR,
    ),
    Rule(
        "PipelineQueueDepth", "medium", f"More than {limits.QUEUE_DEPTH} artifacts are under way.",
        "SELECT sum(active) AS active FROM artifact_totals_live", limits.QUEUE_DEPTH, overview.UID, 5,
    ),
    Rule(
        "PipelineDisambiguationBacklog", "low",
        f"More than {limits.OPEN_DISAMBIGUATIONS} names wait for a person.",
        "SELECT sum(open) AS open FROM artifact_totals_live",
        limits.OPEN_DISAMBIGUATIONS, overview.UID, 8,
    ),
    Rule(
        "PipelineCircuitBreakerOpen", "critical", "Calls to the AI service are blocked: the circuit breaker is not "
        "closed.",
        f"""
        SELECT argMax({BREAKER_STATE} != 'closed', (timestamp, toString(eventId))) AS not_closed
        FROM event_copies_live
        WHERE $__timeFilter_ms(ts) AND {BREAKER}
        """,
        limits.BREAKER_CLOSED, overview.UID, 7, seconds=48 * HOUR, pending="0s",
    ),
    Rule(
        "PipelineInactivity", "low", f"No artifact has been received for more than {limits.SILENT_MINUTES} minutes.",
        """
        SELECT dateDiff('second', greatest(
            (SELECT max(ts) FROM event_copies_live WHERE $__timeFilter_ms(ts) AND eventType = 'artifact_received'),
            (SELECT installedTime FROM monitor_live), $__fromTime_ms), $__toTime_ms) / 60 AS silent_minutes
        """,
        limits.SILENT_MINUTES, overview.UID, 10, seconds=6 * HOUR, no_data="Alerting",
    ),
    Rule(
        "PipelineStuckArtifacts", "medium",
        f"Artifacts have waited for their next step for more than {limits.STUCK_MINUTES} minutes.",
        f"SELECT uniqExact(artifactId) AS stuck FROM {stuck()}",
        limits.STUCK_ARTIFACTS, artifacts.UID, 2,
    ),
    Rule(
        "MonitorLag", "high",
        f"The snapshot of an hour is overdue by more than {limits.OVERDUE_MINUTES} minutes: figures are old.",
        monitor.OVERDUE_SQL, limits.OVERDUE_MINUTES, monitor.UID, 1, no_data="Alerting",
    ),
]  # fmt: skip


def _rule(rule: Rule) -> Json:
    query: dict[str, Any] = {
        "refId": "A",
        "datasourceUid": DATASOURCE_UID,
        "relativeTimeRange": {"from": rule.seconds, "to": 0},
        "model": {
            "editorType": "sql",
            "format": TABLE,
            "intervalMs": 60_000,
            "maxDataPoints": 500,
            "queryType": "table",
            "rawSql": tidy(rule.sql),
            "refId": "A",
        },
    }
    threshold = {
        "refId": "C",
        "datasourceUid": EXPRESSION,
        "relativeTimeRange": {"from": 0, "to": 0},
        "model": {
            "conditions": [{"evaluator": {"params": [rule.limit], "type": "gt"}, "type": "query"}],
            "datasource": {"type": EXPRESSION, "uid": EXPRESSION},
            "expression": "A",
            "refId": "C",
            "type": "threshold",
        },
    }
    return {
        "uid": rule.uid,
        "title": rule.title,
        "condition": "C",
        "data": [query, threshold],
        "for": rule.pending,
        "keepFiringFor": "10m",
        "noDataState": rule.no_data,
        "execErrState": "Error",
        "isPaused": False,
        "dashboardUid": rule.board_uid,
        "panelId": rule.panel_id,
        "labels": {"severity": rule.severity, "service": "voice-pipeline"},
        "annotations": {"summary": rule.summary, "runbook": f"deploy/runbooks.md#{rule.title.lower()}"},
    }


def alert_rules() -> Json:
    """The file of the alert rules; one bad rule makes Grafana refuse all of it at its start."""
    group = {
        "orgId": 1,
        "name": "voice-pipeline",
        "folder": FOLDER,
        "interval": "1m",
        "rules": [_rule(rule) for rule in RULES],
    }
    return {"apiVersion": 1, "groups": [group]}
