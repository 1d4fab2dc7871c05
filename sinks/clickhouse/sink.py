"""Writes batches of events into ClickHouse's table `events` over HTTP."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter

import lz4.frame  # type: ignore[import-untyped]
import zstandard
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from app.runtime.errors import RowRefused, SinkUnavailable, VoicemonError
from app.runtime.settings import ClickHouseSettings
from sinks.base import Batch, RefusedRow, Row, WriteResult
from sinks.clickhouse.client import DURABLE_INSERT, connect, insert_codec
from sinks.clickhouse.errors import TooManyPartitions, classify, outage, unreachable
from sinks.clickhouse.explain import AUTHENTICATION_FAILED
from sinks.clickhouse.rows import event_time_ms

Rows = Sequence[Row]

HOUR_MS = 3_600_000
TIMEOUT = "timeout"
THREADS = 4
REFUSALS_IN_A_ROW = 100
"""So many refusals with nothing stored between them mean a wrong schema, not wrong rows."""
FEWEST_ROWS = 100
"""However slow the server is, an insert is not made smaller than this."""
PROBES = 16
"""Refusals within one write before such a suspicion ends it: enough to find good rows behind bad ones."""

INSERT_SETTINGS = DURABLE_INSERT | {
    # A key that the table lacks means an old schema: refuse it rather than drop its value silently.
    "input_format_skip_unknown_fields": "0",
    # Copies within one insert are collapsed by merges and readers, as those of different inserts are. Looking for them
    # here takes a quarter of an insert's processor time, most of it for the maps of artifact_state.
    "optimize_on_insert": "0",
}
MATCH_CASE = {
    # Otherwise a key in another case fills a column too. Servers before 26.4 know no other way, nor this setting.
    "input_format_column_name_matching_mode": "match_case",
}
CLUSTER_SETTINGS = {
    # Otherwise rows are acknowledged while they wait on one server's disk for the shard that they belong to.
    "distributed_foreground_insert": "1",
}


@dataclass(slots=True)
class _Outcome:
    stored: int = 0
    refusals: int = 0
    refused: list[RefusedRow] = field(default_factory=list)

    def result(self) -> WriteResult:
        return WriteResult(self.stored, sorted(self.refused, key=lambda row: row.offset))


class ClickHouseSink:
    """Stores rows at least once; what repeats is collapsed by the table's engine."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self._settings = settings
        self._table = f"{settings.database}.events"
        self._codec = insert_codec(settings)
        self._insert_settings = INSERT_SETTINGS | (CLUSTER_SETTINGS if settings.cluster else {})
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="clickhouse-sink")
        self._local = threading.local()
        self._clients: list[Client] = []
        self._refusals_in_a_row = 0
        self._most_rows = settings.batch_rows

    async def write(self, batch: Batch) -> WriteResult:
        """Every row durable in ClickHouse, or refused with ClickHouse's words.

        An insert that misses its deadline would miss it again: those that follow are of half as many rows, and of
        twice as many again after one that took less than a quarter of its time. Raises SinkUnavailable on every error
        that does not blame a row, and when refusals follow each other without a stored row between them.
        """
        outcome = _Outcome()
        starts = range(0, len(batch.rows), self._most_rows)
        parts: list[Rows] = [batch.rows[at : at + self._most_rows] for at in reversed(starts)]
        while parts:
            part, started = parts.pop(), asyncio.get_running_loop().time()
            try:
                await self._in_thread(partial(self._insert, part))
            except RowRefused as refusal:
                parts.extend(self._isolate(part, refusal, outcome))
                self._stop_at_a_wrong_schema(outcome, is_last=not parts)
            except TooManyPartitions as error:
                parts.extend(_by_hours(part, error))
            except SinkUnavailable as error:
                if error.code == TIMEOUT:
                    self._most_rows = max(len(part) // 2, FEWEST_ROWS)
                raise
            else:
                outcome.stored += len(part)
                self._enlarge(len(part), asyncio.get_running_loop().time() - started)
                self._refusals_in_a_row = 0
        return outcome.result()

    async def check(self) -> None:
        """Nothing, if ClickHouse answers a question about the table; raises SinkUnavailable otherwise."""
        await self._in_thread(self._ask)

    async def close(self) -> None:
        """All connections closed; an insert in flight may still be stored."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for client in self._clients:
            client.close()

    def _isolate(self, part: Rows, refusal: RowRefused, outcome: _Outcome) -> list[Rows]:
        """The pieces of a refused part to try next, last one first; a single row is refused for good."""
        self._refusals_in_a_row += 1
        outcome.refusals += 1
        if len(part) == 1:
            outcome.refused.append(RefusedRow(part[0].offset, part[0].line, str(refusal)))
            return []
        return _pieces(part, refusal.index)

    def _enlarge(self, rows: int, seconds: float) -> None:
        """Let inserts be larger, if the largest allowed one was fast."""
        if rows >= self._most_rows and seconds < self._settings.request_timeout_seconds / 4:
            self._most_rows = min(2 * self._most_rows, self._settings.batch_rows)

    def _stop_at_a_wrong_schema(self, outcome: _Outcome, *, is_last: bool) -> None:
        is_suspicious = outcome.stored == 0 and self._refusals_in_a_row > REFUSALS_IN_A_ROW
        if is_suspicious and (is_last or outcome.refusals >= PROBES):
            raise SinkUnavailable(
                f"ClickHouse refused more than {REFUSALS_IN_A_ROW} inserts in a row because of their rows, so its "
                "tables do not fit this version: run `voicemon migrate`, and read the reasons in the dead letters",
                code="refusals",
                needs_operator=True,
            )

    async def _in_thread(self, work: Callable[[], None]) -> None:
        """`work` done in a thread that has a client of its own.

        The client's timeout is for each read, this deadline for the whole request. A thread that misses it ends
        with its read timeout; should its rows be stored after all, those of the retry are copies.
        """
        deadline = self._settings.request_timeout_seconds
        try:
            await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(self._pool, work), deadline)
        except TimeoutError:
            raise SinkUnavailable(f"ClickHouse did not answer within {deadline:g} s", code=TIMEOUT) from None
        except Error as error:
            if error.code in AUTHENTICATION_FAILED:
                # A password file may hold another password by now: the next attempts connect anew.
                self._local = threading.local()
            raise classify(error) from error
        except OSError as error:
            raise unreachable(error) from error

    def _insert(self, part: Rows) -> None:
        body = b"\n".join(map(itemgetter(1), part))
        client = self._client()
        matching = MATCH_CASE if MATCH_CASE.keys() <= client.server_settings.keys() else {}
        client.raw_insert(
            self._table,
            insert_block=_compressed(body, self._codec),
            compression=self._codec,
            settings=self._insert_settings | matching,
            fmt="JSONEachRow",
        )

    def _ask(self) -> None:
        self._client().raw_query(f"SELECT 1 FROM {self._table} LIMIT 0")  # noqa: S608 - the setting allows names only

    def _client(self) -> Client:
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._connect()
            self._clients.append(client)
        return client

    def _connect(self) -> Client:
        try:
            return connect(self._settings)
        except VoicemonError as error:
            if isinstance(error, SinkUnavailable) and error.needs_operator:
                raise
            if isinstance(error.__cause__, Error):
                # The number behind the sentence tells an outage from a case for an operator.
                raise outage(error.__cause__) from error
            raise SinkUnavailable(str(error), code="settings", needs_operator=True) from error


def _compressed(body: bytes, codec: str | None) -> bytes:
    if codec == "zstd":
        return zstandard.compress(body, 1)
    return bytes(lz4.frame.compress(body)) if codec == "lz4" else body


def _pieces(part: Rows, index: int | None) -> list[Rows]:
    """`part` in smaller pieces, to be taken from the end of the list.

    The blamed row comes last, so that rows behind it are stored first and show that the schema fits. `index` is
    only a hint: a wrong one costs requests, never a good row, because a row is refused only when it is sent alone.
    """
    if index is None or not 0 <= index < len(part):
        middle = len(part) // 2
        return [part[middle:], part[:middle]]
    return [piece for piece in (part[index : index + 1], part[index + 1 :], part[:index]) if piece]


def _by_hours(part: Rows, error: TooManyPartitions) -> list[Rows]:
    """`part` in two pieces with half of its UTC hours each; raises SinkUnavailable if it is of one hour."""

    def hour(row: Row) -> int:
        return event_time_ms(row.line) // HOUR_MS

    hours = sorted(set(map(hour, part)))
    if len(hours) == 1:
        raise SinkUnavailable(
            "ClickHouse refuses even one hour of events as too many partitions: raise max_partitions_per_insert_block",
            code="252",
            needs_operator=True,
        ) from error
    middle = hours[len(hours) // 2]
    return [[row for row in part if hour(row) >= middle], [row for row in part if hour(row) < middle]]
