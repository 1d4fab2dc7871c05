"""The embedded engine: one open path, one fresh handle per request."""

import importlib
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType
from typing import Any

import orjson

from app.local.clickhouse_errors import BAD_ARGUMENTS, QueryRefused
from app.local.insert_head import InsertHead
from app.runtime.errors import VoicemonError

# The engine has no types.
Connect = Callable[[str], Any]
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONFIG = """<clickhouse>
<max_server_memory_usage>{memory_bytes}</max_server_memory_usage>
<query_log>
  <database>system</database><table>query_log</table>
  <flush_interval_milliseconds>7500</flush_interval_milliseconds>
  <ttl>event_date + INTERVAL 3 DAY DELETE</ttl>
</query_log>
<merge_tree>
  <fsync_after_insert>1</fsync_after_insert>
  <old_parts_lifetime>60</old_parts_lifetime>
  <merge_with_ttl_timeout>600</merge_with_ttl_timeout>
</merge_tree>
</clickhouse>
"""


@dataclass(frozen=True, slots=True)
class Context:
    """What surrounds one statement: database, settings, parameters, and whether it may change anything."""

    database: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    is_readonly: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Result bytes in the asked format, and the figures of X-ClickHouse-Summary."""

    body: bytes
    summary: dict[str, str]

    def column(self) -> list[str]:
        """The only column of a JSONCompactColumns result, as texts."""
        columns: list[list[str]] = orjson.loads(self.body)
        return [str(value) for value in columns[0]] if columns else []


def quoted(text: str) -> str:
    """A string literal of ClickHouse's dialect."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def parameter(text: str) -> str:
    """A query parameter's value as the engine reads it: escaped like a field of TabSeparated."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\0", "\\0")


class Engine:
    """Runs judged statements; every method may be called from any thread."""

    def __init__(self, path: Path, *, memory_bytes: int, timezone: str) -> None:
        path.mkdir(parents=True, exist_ok=True)
        # The engine takes its time zone from the process when it is loaded; its own setting is ignored when embedded.
        os.putenv("TZ", timezone)
        self._connect: Connect = importlib.import_module("chdb").connect
        # A bare name can be a file of the working directory to the engine, so that is a folder without any.
        empty = path / "empty"
        empty.mkdir(exist_ok=True)
        os.chdir(empty)
        config = path / "endpoint.xml"
        config.write_text(_CONFIG.format(memory_bytes=memory_bytes))
        self._path = str(path)
        try:
            self._keep = self._connect(f"{path}?config-file={config}")
        except RuntimeError as error:
            raise VoicemonError(f"ClickHouse cannot open {path}: {error}") from error
        self._uploads = path / "uploads"
        shutil.rmtree(self._uploads, ignore_errors=True)  # of a process that was killed; this one has the path now
        self._uploads.mkdir()
        self.version, self.timezone = (
            self._keep.query("SELECT version(), timezone()", "TSVRaw").bytes().decode().split()
        )

    def _open(self) -> Any:
        return self._connect(self._path)

    def close(self) -> None:
        """Give the path up; running statements must have ended."""
        self._keep.close()

    def query(self, statement: str, output_format: str, context: Context) -> Answer:
        """Result of one statement.

        Raises QueryRefused with the engine's code and message.
        """
        with _Handle(self._open, context) as handle:
            result = handle.query(statement, output_format, params=dict(context.params))
            summary = {
                "read_rows": str(result.rows_read()),
                "read_bytes": str(result.bytes_read()),
                "elapsed_ns": str(int(result.elapsed() * 1e9)),
            }
            return Answer(result.bytes() or b"", summary)

    def stream(self, statement: str, output_format: str, context: Context) -> "ResultStream":
        """The result of one SELECT in pieces, for formats whose pieces can be joined; the caller closes it.

        Raises QueryRefused with the engine's code and message.
        """
        return ResultStream(_Handle(self._open, context), statement, output_format, context)

    def kill(self, comment: str) -> None:
        """Cancel the running statements with this log comment; all of them if it is empty."""
        condition = f"Settings['log_comment'] = {quoted(comment)}" if comment else "1"
        with _Handle(self._open, Context()) as handle:
            handle.query(f"KILL QUERY WHERE {condition} ASYNC FORMAT Null")

    def insert(self, head: InsertHead, rows: bytes, context: Context) -> Answer:
        """Counts after the rows were stored.

        The rows go through a file: the engine's own streaming insert reports no error that comes after parsing, such
        as too many partitions or a disk that is full. Raises QueryRefused with the engine's code and message; blocks
        before the bad one may have been stored.
        """
        with NamedTemporaryFile(dir=self._uploads) as file, _Handle(self._open, context) as handle:
            file.write(rows)
            file.flush()
            result = handle.query(head.reading(quoted(file.name)), head.format, params=dict(context.params))
            return Answer(
                b"",
                {
                    "written_rows": str(result.rows_read()),
                    "written_bytes": str(result.bytes_read()),
                    "elapsed_ns": str(int(result.elapsed() * 1e9)),
                },
            )


class ResultStream:
    """An open SELECT; its methods may be called from different threads, one at a time."""

    def __init__(self, opener: "_Handle", statement: str, output_format: str, context: Context) -> None:
        self._opener = opener
        handle = opener.__enter__()
        self._rows = self._bytes = 0
        try:
            self._result = handle.send_query(statement, output_format, params=dict(context.params))
        except RuntimeError as error:
            self._opener.close()
            raise QueryRefused.of_engine(str(error)) from error

    def next_piece(self) -> bytes:
        """The next bytes of the result; empty at its end.

        Raises QueryRefused if the engine fails on the way.
        """
        try:
            piece = self._result.fetch()
        except RuntimeError as error:
            raise QueryRefused.of_engine(str(error)) from error
        if piece is None:
            return b""
        self._rows += piece.rows_read()
        body: bytes = piece.bytes() or b""
        self._bytes += len(body)
        return body

    def summary(self) -> dict[str, str]:
        """Figures of what was fetched so far."""
        return {"read_rows": str(self._rows), "read_bytes": str(self._bytes), "result_rows": str(self._rows)}

    def close(self) -> None:
        """End the statement, finished or not."""
        self._result.close()
        self._opener.close()


class _Handle:
    """A fresh handle in the request's context; settings end with it."""

    def __init__(self, open_handle: Callable[[], Any], context: Context) -> None:
        self._open_handle = open_handle
        self._context = context

    def __enter__(self) -> Any:
        self._handle = self._open_handle()
        try:
            self._prepare()
        except RuntimeError as error:
            self._handle.close()
            raise QueryRefused.of_engine(str(error)) from error
        return self._handle

    def _prepare(self) -> None:
        if self._context.database:
            name = self._context.database.replace("\\", "\\\\").replace("`", "\\`")
            self._handle.query(f"USE `{name}`")
        pairs = [f"{_checked(name)} = {quoted(value)}" for name, value in self._context.settings.items()]
        if self._context.is_readonly:
            # last, because settings can only be given before; 2 still lets the statement itself carry settings
            pairs.append("readonly = 2")
        if pairs:
            self._handle.query("SET " + ", ".join(pairs))

    def close(self) -> None:
        """Give the handle up."""
        self._handle.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.close()
        if isinstance(error, RuntimeError):
            raise QueryRefused.of_engine(str(error)) from error


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise QueryRefused(BAD_ARGUMENTS, f"{name[:80]!r} is not the name of a setting or parameter.")
    return name
