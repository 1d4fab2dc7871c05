"""One judged statement of one request: what it runs on the engine and in which form it answers."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace

from aiohttp import web

from app.local.clickhouse_engine import Answer, Context, Engine, ResultStream
from app.local.clickhouse_errors import ACCESS_DENIED, READONLY, QueryRefused
from app.local.clickhouse_request import Statement, User, is_setting
from app.local.clickhouse_sessions import Session
from app.local.gate_tree import is_plain_name
from app.local.insert_head import InsertHead
from app.local.reader_limits import DEFAULTS, check_limits
from app.local.statement_gate import StatementGate, Verdict

# clickhouse-go's first query; its answer is decoded at this fixed protocol revision, whatever the server is.
_GO_HELLO = "SELECT displayName(), version(), revision(), timezone()"
_GO_REVISION = 54454
# Formats without a header, a footer or separators between rows: the pieces of a result can be joined.
_JOINABLE = frozenset(
    {"native", "tabseparated", "tsv", "tabseparatedraw", "tsvraw", "csv", "rowbinary", "lineasstring"}
    | {"jsoneachrow", "jsonlines", "ndjson", "jsoncompacteachrow", "jsonstringseachrow"}
)
# What adds something before, between or behind the rows of such a format.
_NOT_JOINABLE_WORDS = ("json_array_of_rows", "totals", "extremes")


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: a whole answer, or its first bytes and the rest as a stream."""

    answer: Answer
    output_format: str = ""
    rest: ResultStream | None = None


class Call:
    """One statement in one request."""

    def __init__(self, engine: Engine, gate: StatementGate, user: User, query_id: str) -> None:
        self._engine = engine
        self._gate = gate
        self._is_limited = user.is_readonly
        self._is_readonly = user.is_readonly
        self._query_id = query_id
        self._settings: dict[str, str] = {}
        self._params: dict[str, str] = {}
        self.is_read = False

    def read(self, request: web.Request, query: Mapping[str, str], what: Statement) -> None:
        """Take over what the request says; `query` has the parameters of its URL and of its form."""
        self._what = what
        self._is_readonly |= request.method in ("GET", "HEAD")
        self._settings = {name: value for name, value in query.items() if is_setting(name)}
        self._params = {name[6:]: value for name, value in query.items() if name.startswith("param_")}
        self._database = query.get("database") or request.headers.get("X-ClickHouse-Database", "")
        self._format = query.get("default_format") or request.headers.get("X-ClickHouse-Format") or "TabSeparated"
        self._is_buffered = query.get("wait_end_of_query", "0") not in ("", "0")
        self._is_go_hello = what.text == _GO_HELLO and _number(query.get("client_protocol_version", "")) > _GO_REVISION

    def run(self, session: Session) -> Reply:
        """The reply; called in a thread of the pool.

        Raises QueryRefused.
        """
        for name in self._settings:
            self._gate.check_setting(name)
        verdict = self._gate.judge(self._what.text)
        self._check(verdict)
        self.is_read = verdict.is_read
        context = self._context(session)
        if self._is_go_hello:
            return Reply(Answer(_go_hello(self._engine.version, self._engine.timezone), {}), "Native")
        if self._what.head:
            return Reply(self._insert(self._what.head, context))
        reply = self._select(verdict, context)
        session.remember(verdict.database, dict(verdict.settings))
        return reply

    def cancel(self) -> None:
        """Stop a statement that only reads; called from another thread than `run`."""
        if self.is_read and "log_comment" not in self._settings:
            self._engine.kill(self._query_id)

    def _context(self, session: Session) -> Context:
        # The engine gives its own query ids; the comment makes a request findable in system.query_log.
        limits = DEFAULTS if self._is_limited else {}
        settings: Mapping[str, str] = {"log_comment": self._query_id, **limits, **session.settings, **self._settings}
        return Context(self._database or session.database, settings, self._params, self._is_readonly)

    def _check(self, verdict: Verdict) -> None:
        if self._is_limited:
            check_limits((*self._settings.items(), *verdict.changed_settings))
        if self._is_readonly and not verdict.is_read:
            raise QueryRefused(READONLY, "Cannot execute this statement in readonly mode.")
        for name in verdict.identifier_params:
            if not is_plain_name(self._params.get(name, "")):
                raise QueryRefused(ACCESS_DENIED, f"The value of the parameter {name[:80]} is not allowed as a name.")

    def _insert(self, head: InsertHead, context: Context) -> Answer:
        self._gate.check_format(head.format)
        if head.format.lower() == "values":
            is_judged = self._gate.judge_values(self._what.rows)
            settings = {**context.settings, "input_format_values_interpret_expressions": str(int(is_judged))}
            context = replace(context, settings=settings)
        return self._engine.insert(head, self._what.rows, context)

    def _select(self, verdict: Verdict, context: Context) -> Reply:
        output_format = verdict.output_format or self._format
        self._gate.check_format(output_format)
        if not self._is_streamed(verdict, output_format):
            return Reply(self._engine.query(verdict.text, output_format, context), output_format)
        stream = self._engine.stream(verdict.text, output_format, context)
        try:
            first = stream.next_piece()
            second = stream.next_piece() if first else b""
        except QueryRefused:
            stream.close()
            raise
        answer = Answer(first + second, stream.summary())
        if second:
            return Reply(answer, output_format, stream)
        stream.close()
        return Reply(answer, output_format)

    def _is_streamed(self, verdict: Verdict, output_format: str) -> bool:
        if self._is_buffered or verdict.kind != "SelectWithUnionQuery" or output_format.lower() not in _JOINABLE:
            return False
        words = f"{verdict.text} {' '.join(self._settings)}".lower()
        return not any(word in words for word in _NOT_JOINABLE_WORDS)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _go_hello(version: str, timezone: str) -> bytes:
    """The answer to clickhouse-go's first query: revision 0, so that it reads every later block as plain Native.

    At its fixed revision a block starts with BlockInfo (8 bytes) and each column has a serialization byte.
    """

    def text(value: str) -> bytes:
        raw = value.encode()
        return bytes([len(raw)]) + raw

    columns = [
        ("displayName()", "String", text("voicemon")),
        ("version()", "String", text(version)),
        ("revision()", "UInt32", struct.pack("<I", 0)),
        ("timezone()", "String", text(timezone)),
    ]
    block = b"\x01\x00\x02\xff\xff\xff\xff\x00" + bytes([len(columns), 1])
    return block + b"".join(text(name) + text(kind) + b"\x00" + value for name, kind, value in columns)
