"""A worker whose services do not let it in says so once, and loudly where waiting will not help."""

import asyncio

import pytest
from structlog.testing import capture_logs

from app import worker
from app.runtime.errors import BrokerUnavailable, SinkUnavailable, VoicemonError
from app.runtime.settings import Settings
from sinks.clickhouse.client import StoreError

LOGIN = SinkUnavailable("ClickHouse refuses user 'x': set …", code="516", needs_operator=True)


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (BrokerUnavailable("Kafka does not answer"), "warning"),
        (SinkUnavailable("ClickHouse does not answer", code="network"), "warning"),
        (StoreError("ClickHouse refused a statement", 241), "warning"),
        (StoreError("ClickHouse does not allow a statement", 497), "error"),
        (LOGIN, "error"),
    ],
)
async def test_what_a_worker_waits_for_is_logged_once_and_shown(
    monkeypatch: pytest.MonkeyPatch, error: VoicemonError, level: str
) -> None:
    monkeypatch.setattr(worker, "RETRY_SECONDS", 0.001)
    made = worker.Worker(Settings())
    shown: list[list[str]] = []

    async def attempt() -> str:
        if len(shown) == 3:
            return "it answers"
        shown.append(made.view.not_ready())
        raise error

    with capture_logs() as lines:
        assert await made._until_it_answers("clickhouse", attempt, asyncio.Event()) == "it answers"
    assert [(line["log_level"], line["reason"]) for line in lines] == [(level, str(error))]
    assert all(str(error) in reasons for reasons in shown[1:])
    assert not made.view.lacks("clickhouse")
