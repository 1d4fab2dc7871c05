"""Which statements may run: chdb has no users and reads any file, so nothing passes that is not known to be harmless.

The engine parses; this module compares every name in the tree with the lists in `gate_catalog`.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Lock

import orjson

from app.local.clickhouse_errors import (
    ACCESS_DENIED,
    QUERY_NOT_ALLOWED,
    SYNTAX_ERROR,
    UNKNOWN_FORMAT,
    UNKNOWN_SETTING,
    QueryRefused,
)
from app.local.gate_catalog import FORMATS_REFUSED, READ_KINDS, WRITE_KINDS, Catalog, read_catalog
from app.local.gate_tree import Node, TreeJudge
from app.local.statement_tokens import TokenFacts, token_facts

CACHED_VERDICTS = 2048
CACHED_BYTES = 16 * 1024
VALUES_BYTES = 128 * 1024
_PLAIN = r"(?:[A-Za-z_][A-Za-z0-9_]*|`[A-Za-z0-9_. -]+`)"
_TABLE = rf"{_PLAIN}(?:\.{_PLAIN})?"
# The engine cannot turn these into a tree; their canonical text is short enough to be judged whole.
_SHOWN = re.compile(
    rf"(?:SHOW CREATE|EXISTS) (?:TEMPORARY )?(?:TABLE|VIEW|DICTIONARY|DATABASE) {_TABLE}(?P<format> FORMAT \w+)?"
    r"|SHOW (?:FUNCTIONS|PROCESSLIST)(?: FORMAT \w+)?"
)
_DESCRIBE = re.compile(r"DESCRIBE TABLE (?P<table>.+)", re.DOTALL)
_AS_SELECT = "SELECT * FROM "
_NOT_A_TREE = "does not support JSON serialization"
_ECHO = re.compile(r": In scope SELECT arrayJoin.*", re.DOTALL)
# The tree; whether it says everything that the text says (it forgets brackets that change nothing); the tokens.
_PARSE = """SELECT arrayJoin([
    parseQueryToJSON({q:String}) AS tree,
    toString(
        replaceRegexpAll(formatQuerySingleLine({q:String}), '[() ]', '')
        = replaceRegexpAll(formatQuerySingleLine(formatQueryFromJSON(tree)), '[() ]', '')
    ),
    toJSONString(tokenizeQuery({q:String}))
])"""

Ask = Callable[[str, Mapping[str, str]], list[str]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A statement that may run: its kind, what it changes, its format, and parameters that are names."""

    text: str
    kind: str
    is_read: bool
    output_format: str
    settings: tuple[tuple[str, str], ...] = ()
    changed_settings: tuple[tuple[str, str], ...] = ()
    database: str = ""
    identifier_params: frozenset[str] = frozenset()


class _NoTree(Exception):
    """The engine has no tree for this kind of statement."""


def _parse_failure(error: QueryRefused) -> Exception:
    text = _ECHO.sub("", str(error))
    if _NOT_A_TREE in text:
        return _NoTree()
    if error.code == SYNTAX_ERROR:
        return QueryRefused.of_engine(text)
    return QueryRefused(
        QUERY_NOT_ALLOWED, f"This statement cannot be judged, so it is not run on this endpoint: {text}"
    )


class StatementGate:
    """Judges statements; thread-safe, remembers verdicts by text."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.catalog: Catalog = read_catalog(lambda query: ask(query, {}))
        self._verdicts: OrderedDict[str, Verdict] = OrderedDict()
        self._lock = Lock()

    def judge(self, statement: str) -> Verdict:
        """The verdict on a statement that may run.

        Raises QueryRefused: 62 if it does not parse, 497 if it names something that is not allowed, 446 if the gate
        cannot judge it.
        """
        with self._lock:
            found = self._verdicts.get(statement)
            if found:
                self._verdicts.move_to_end(statement)
                return found
        verdict, is_stable = self._judge(statement)
        if is_stable and len(statement) <= CACHED_BYTES:
            with self._lock:
                self._verdicts[statement] = verdict
                if len(self._verdicts) > CACHED_VERDICTS:
                    self._verdicts.popitem(last=False)
        return verdict

    def check_setting(self, name: str) -> None:
        """Raises QueryRefused if a request may not give this setting, or if there is none of this name."""
        if name not in self.catalog.known_settings:
            raise QueryRefused(UNKNOWN_SETTING, f"Setting {name[:80]} is neither a builtin setting nor allowed here.")
        if name not in self.catalog.settings:
            raise QueryRefused(ACCESS_DENIED, f"The setting {name} is not allowed on this endpoint.")

    def check_format(self, name: str) -> None:
        """Raises QueryRefused for formats that read schema files, and for names that the engine does not know.

        The library would take some names of its own and answer with Python objects.
        """
        if name.lower() in FORMATS_REFUSED:
            raise QueryRefused(ACCESS_DENIED, f"The format {name[:80]} is not allowed on this endpoint.")
        if name and name.lower() not in self.catalog.formats:
            raise QueryRefused(UNKNOWN_FORMAT, f"Unknown format {name[:80]}.")

    def judge_values(self, rows: bytes) -> bool:
        """Whether VALUES may hold expressions: True if the engine may evaluate them, False if it must not.

        A cell of VALUES can be any expression, `file(…)` too, so short data is judged as a SELECT of its tuples.
        Raises QueryRefused if an expression is not allowed.
        """
        if len(rows) > VALUES_BYTES:
            return False
        try:
            self._tree_of(f"SELECT {rows.decode().strip().rstrip(';')}")
        except UnicodeDecodeError:
            return False
        except QueryRefused as error:
            # Rows without commas between them are no SELECT; they are read without evaluating anything.
            if error.code == SYNTAX_ERROR and "Multi-statements" not in str(error):
                return False
            raise
        return True

    def _judge(self, statement: str) -> tuple[Verdict, bool]:
        try:
            root, judge = self._tree_of(statement)
        except _NoTree:
            return self._judge_text(statement), False
        kind = root["type"]
        if kind not in READ_KINDS | WRITE_KINDS:
            raise QueryRefused(ACCESS_DENIED, f"Statements of the kind {kind} are not allowed on this endpoint.")
        if kind not in READ_KINDS and judge.identifier_params:
            raise QueryRefused(ACCESS_DENIED, "Parameters as names are not allowed in this kind of statement.")
        verdict = Verdict(
            text=statement,
            kind=kind,
            is_read=kind in READ_KINDS and not judge.writes,
            output_format=judge.output_format,
            settings=tuple(judge.set_settings) if kind == "SetQuery" else (),
            changed_settings=tuple(judge.changed_settings),
            database=judge.used_database,
            identifier_params=frozenset(judge.identifier_params),
        )
        return verdict, not judge.called_views

    def _tree_of(self, statement: str) -> tuple[Node, TreeJudge]:
        """The judged tree of one statement, parsed by the engine."""
        try:
            tree, is_faithful, tokens = self._ask(_PARSE, {"q": statement})
        except QueryRefused as error:
            raise _parse_failure(error) from error
        if is_faithful != "1":
            raise QueryRefused(QUERY_NOT_ALLOWED, "This statement cannot be judged, so it is not run on this endpoint.")
        root: Node = orjson.loads(tree)
        judge = TreeJudge(self.catalog, self._is_view, self.judge)
        judge.judge(root)
        self._check_tokens(token_facts(statement, tokens), judge)
        return root, judge

    def _check_tokens(self, facts: TokenFacts, judge: TreeJudge) -> None:
        """Compare the tree with the text, because some statements' trees leave clauses out."""
        if facts.names_a_file:
            raise QueryRefused(ACCESS_DENIED, "INTO OUTFILE and FROM INFILE are not allowed on this endpoint.")
        if facts.settings_clauses > judge.settings_seen:
            raise QueryRefused(QUERY_NOT_ALLOWED, "SETTINGS are not allowed in this kind of statement.")
        for name in facts.calls:
            if self.catalog.is_dangerous_call(name):
                raise QueryRefused(ACCESS_DENIED, f"The table function {name[:80]} is not allowed on this endpoint.")

    def _judge_text(self, statement: str) -> Verdict:
        [canonical] = self._ask("SELECT formatQuerySingleLine({q:String})", {"q": statement})
        shown = _SHOWN.fullmatch(canonical)
        described = _DESCRIBE.fullmatch(canonical)
        if described:
            inner = self.judge(f"{_AS_SELECT}{described['table']}")
            return replace(inner, text=canonical, kind="DescribeQuery", settings=(), database="")
        if not shown:
            words = " ".join(canonical.split()[:2])
            raise QueryRefused(ACCESS_DENIED, f"{words} statements are not allowed on this endpoint.")
        output_format = canonical.rpartition(" FORMAT ")[2] if " FORMAT " in canonical else ""
        self.check_format(output_format)
        return Verdict(canonical, "ShowQuery", True, output_format)

    def _is_view(self, name: str) -> bool:
        query = "SELECT name FROM system.tables WHERE engine = 'View' AND name = {name:String} LIMIT 1"
        return bool(self._ask(query, {"name": name.rpartition(".")[2]}))
