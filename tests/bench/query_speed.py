"""How long each question takes on a store with a long history, asked as the API asks it.

    python -m tests.bench.query_speed --folder /tmp/history --events 10000000 --rounds 20

The first run fills the folder (tables and views as a worker's, see `stored_history.py`); later ones ask the same store.
The time of the questions is that of the end of the filling. `--only NAME` asks one question, `--api` asks over HTTP a
server without a worker. Milliseconds are of the clock, processor milliseconds those of this process and of ClickHouse.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote, urlencode

from clickhouse_connect.driver.client import Client

from app.domain.windows import DAY_MS, HOUR_MS
from app.queries.catalogue import CATALOGUE
from app.queries.parameters import parse_values
from app.runtime.settings import Settings
from sinks.clickhouse.client import connect_for_questions
from tests.bench.processor import peak_started_bytes, processor_seconds
from tests.bench.stored_history import opened
from tests.web_monitor import MadeUpWorker, served

LARGEST, MEDIUM = "org_000", "org_050"


class Counted:
    """A client that adds up what its queries read."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.queries = self.rows = self.bytes = 0

    def query(self, *arguments: Any, **options: Any) -> Any:
        result = self._client.query(*arguments, **options)
        self.queries += 1
        self.rows += int(result.summary.get("read_rows", 0))
        self.bytes += int(result.summary.get("read_bytes", 0))
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def questions(client: Client, now_ms: int) -> dict[str, tuple[str, dict[str, list[str]]]]:
    """What is asked: the question's name in the catalogue and its parameters."""
    [(known,)] = client.query("SELECT count() FROM artifact_rows").result_rows
    newest = "SELECT artifactId, organizationId FROM artifact_rows ORDER BY createdAt DESC LIMIT 1 OFFSET {at:UInt64}"
    [(artifact, own)] = client.query(newest, parameters={"at": min(5000, known // 2)}).result_rows
    week, two_days = str(now_ms - 168 * HOUR_MS), str(now_ms - 2 * DAY_MS)
    found: dict[str, tuple[str, dict[str, list[str]]]] = {
        "history 168 h": ("history", {"startTime": [week]}),
        "history 168 h, org": ("history", {"startTime": [week], "organizationId": [MEDIUM]}),
        "stages 168 h": ("stages", {"startTime": [week]}),
        "organizations": ("organizations", {}),
        "organizations 168 h": ("organizations", {"startTime": [week]}),
        "overview": ("overview", {}),
        "minutes": ("minutes", {}),
        "minutes 6 h": ("minutes", {"startTime": [str(now_ms - 6 * HOUR_MS)]}),
        "minutes 48 h": ("minutes", {"startTime": [two_days]}),
        "funnel": ("funnel", {}),
        "confidence": ("confidence", {}),
        "channels": ("channels", {}),
        "stage-errors": ("stage-errors", {"stage": ["transcription"]}),
        "events": ("events", {}),
        "events, rare": ("events", {"eventType": ["circuit_breaker_opened"]}),
        "events, org, type": ("events", {"organizationId": [MEDIUM], "eventType": ["retry_initiated"]}),
        "events, artifact": ("events", {"artifactId": [artifact]}),
        "events, errors": ("events", {"errorsOnly": ["true"]}),
        "errors": ("errors", {}),
        "timeline": ("timeline", {"artifactId": [artifact]}),
        "timeline, own org": ("timeline", {"artifactId": [artifact], "organizationId": [own]}),
        "retries": ("retries", {"artifactId": [artifact]}),
        "artifact": ("artifact", {"artifactId": [artifact]}),
        "artifacts": ("artifacts", {}),
        "artifacts, search": ("artifacts", {"search": [artifact[5:12]]}),
        "artifacts, channel": ("artifacts", {"sourceChannel": ["voicemail"], "status": ["completed"]}),
        "active": ("active", {}),
        "failed": ("failed", {}),
        "stuck": ("stuck", {}),
    }
    for name in ("overview", "minutes", "funnel", "confidence", "channels", "events", "errors", "artifacts", "active"):
        found[f"{name}, largest org"] = (name, {"organizationId": [LARGEST]})
    found["overview, org"] = ("overview", {"organizationId": [MEDIUM]})
    return found


def timed(name: str, rounds: int, ask: Callable[[], object]) -> str:
    """Times of some runs in milliseconds, after one that does not count."""
    ask()
    times, began = [], processor_seconds()
    for _ in range(rounds):
        before = time.perf_counter()
        ask()
        times.append((time.perf_counter() - before) * 1000)
    processor = (processor_seconds() - began) * 1000 / rounds
    times.sort()
    p95 = times[min(rounds - 1, int(rounds * 0.95))]
    return f"{name:24} {times[0]:8.1f} {median(times):8.1f} {p95:8.1f} {processor:10.1f}"


def ask_functions(client: Client, now_ms: int, options: argparse.Namespace) -> None:
    catalogue = {query.name: query for query in CATALOGUE}
    titles = f"{'milliseconds':24} {'least':>8} {'median':>8} {'p95':>8} {'processor':>10}"
    show(f"{titles} {'queries':>8} {'rows':>12} {'MB':>8}")
    for name, (query_name, raw) in questions(client, now_ms).items():
        if options.only and not name.startswith(options.only):
            continue
        query, counted = catalogue[query_name], Counted(client)
        parameters = parse_values(query.parameters, raw)
        query.run(counted, parameters, now_ms)  # type: ignore[arg-type]
        line = timed(name, options.rounds, partial(query.run, client, parameters, now_ms))
        show(f"{line} {counted.queries:8} {counted.rows:12,} {counted.bytes / 1e6:8.1f}")


async def ask_api(client: Client, settings: Settings, now_ms: int, options: argparse.Namespace) -> None:
    paths = {query.name: query.path for query in CATALOGUE}
    show(f"{'milliseconds over HTTP':24} {'least':>8} {'median':>8} {'p95':>8}")
    worker = MadeUpWorker(at_ms=now_ms)
    async with served(worker, connect_for_questions, clickhouse=settings.clickhouse) as site:
        for name, (query_name, raw) in questions(client, now_ms).items():
            if options.only and not name.startswith(options.only):
                continue
            places = {key: quote(texts[0], safe="") for key, texts in raw.items() if f"{{{key}}}" in paths[query_name]}
            rest = urlencode({key: texts for key, texts in raw.items() if key not in places}, doseq=True)
            times = []
            for _ in range(options.rounds + 1):
                before = time.perf_counter()
                status, answer, _ = await site.ask(f"{paths[query_name].format(**places)}?{rest}")
                times.append((time.perf_counter() - before) * 1000)
                assert status == 200, answer
            times = sorted(times[1:])
            show(f"{name:24} {times[0]:8.1f} {median(times):8.1f} {times[int(len(times) * 0.95)]:8.1f}")


def show(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="keeps the filled store between runs")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--organizations", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default="", help="only questions whose name begins so")
    parser.add_argument("--api", action="store_true", help="ask over HTTP, too")
    parser.add_argument("--hold", type=float, default=0, help="seconds to keep the store open after the questions")
    options = parser.parse_args()
    with opened(options.folder, options.events, options.organizations, show) as (settings, now_ms):
        client = connect_for_questions(settings.clickhouse)
        ask_functions(client, now_ms, options)
        if options.api:
            asyncio.run(ask_api(client, settings, now_ms, options))
        show(f"ClickHouse has taken {peak_started_bytes() / 1e6:,.0f} MB at most since it was started")
        show(f"ClickHouse listens on {settings.clickhouse.url}")
        time.sleep(options.hold)
        client.close()


if __name__ == "__main__":
    main()
