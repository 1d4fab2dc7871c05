"""The overview that `voicemon top` shows: what it asks a worker for."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from app.domain.counters import COUNTER_TYPES, RESULT_FIELDS
from app.runtime.errors import VoicemonError
from app.runtime.worker_client import WorkerClient, WorkerUnavailable

ERRORS = 8
STUCK = 8
RATE_MINUTES = 5


class CounterRow(msgspec.Struct, rename="camel"):
    """One counter: current UTC hour, last 60 minutes, the last whole minute, mean of the last five whole ones."""

    name: str
    current_hour: int
    last60_minutes: int = msgspec.field(name="last60Minutes")
    last_minute: int
    per_minute: float
    minutes: list[int]


class Overview(msgspec.Struct, rename="camel"):
    """What a worker says at one moment; a part that it does not tell is None, and `missing` says why."""

    url: str
    organization_id: str | None
    is_ready: bool
    reasons: list[str]
    window_start: int | None
    as_of: int | None
    stale: bool | None
    counters: list[CounterRow]
    lag_records: int | None
    unseen_partitions: int | None
    errors: list[dict[str, Any]] | None
    stuck: list[dict[str, Any]] | None
    missing: dict[str, str]


def ask_overview(client: WorkerClient, organization_id: str | None) -> Overview:
    """The overview. Raises VoicemonError if no worker answers or none that knows the token."""
    scope = {} if organization_id is None else {"organizationId": organization_id}
    missing: dict[str, str] = {}

    reasons = _reasons(client)
    who = client.json("/api/v1/session")

    def part(name: str, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        return _part(missing, name, lambda: client.json(path, parameters))

    live = part("counters", "/api/v1/metrics/realtime", scope)
    table = part("rates", "/tables/counters/", {**scope, "limit": "1", "format": "json"}) if live else {}
    lags = _lags(part("lag", "/tables/", {"format": "json"}))
    errors = part("errors", "/api/v1/events", {**scope, "errorsOnly": "true", "limit": str(ERRORS)})
    stuck = part("stuck", "/api/v1/artifacts/stuck", {**scope, "limit": str(STUCK)})
    return Overview(
        url=client.url,
        organization_id=who.get("organizationId", organization_id),
        is_ready=not reasons,
        reasons=reasons,
        window_start=live.get("windowStart"),
        as_of=live.get("asOf"),
        stale=live.get("stale"),
        counters=_counters(live, table) if live else [],
        lag_records=sum(lag for lag in lags if lag is not None) if lags else None,
        unseen_partitions=lags.count(None) if lags else None,
        errors=errors.get("page"),
        stuck=stuck.get("page"),
        missing=missing,
    )


def _reasons(client: WorkerClient) -> list[str]:
    try:
        client.json("/health/ready")
    except WorkerUnavailable as error:
        if not error.reason:
            raise
        return error.reason.split("; ")
    return []


def _part(missing: dict[str, str], name: str, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return ask()
    except VoicemonError as error:
        missing[name] = getattr(error, "reason", "") or str(error)
        return {}


def _lags(tables: dict[str, Any]) -> list[int | None]:
    """Lag of each source partition, None where another worker counts it."""
    for table in tables.get("tables", ()):
        if table["name"] == "counters":
            return [at["lag"] for at in table["owners"]]
    return []


def _counters(live: dict[str, Any], table: dict[str, Any]) -> list[CounterRow]:
    series = table.get("minutes", {}).get("counters", {})
    rows = []
    for field, kind in zip(RESULT_FIELDS, COUNTER_TYPES, strict=True):
        minutes = series.get(kind, [])
        whole = minutes[-1 - RATE_MINUTES : -1]
        rows.append(
            CounterRow(
                name=field.removesuffix("1h"),
                current_hour=live[field],
                last60_minutes=live["last60Minutes"][field],
                last_minute=whole[-1] if whole else 0,
                per_minute=sum(whole) / RATE_MINUTES,
                minutes=minutes,
            )
        )
    return rows
