"""Walks a parsed statement and refuses every name that is not on a list of the allowed."""

import re
from collections.abc import Callable
from typing import Any

from app.local.clickhouse_errors import ACCESS_DENIED, QUERY_NOT_ALLOWED, QueryRefused
from app.local.gate_catalog import (
    ALTER_COMMANDS,
    CLAUSES,
    DATABASE_ENGINES,
    DICTIONARY_LAYOUTS,
    DICTIONARY_SOURCE_KEYS,
    EXPLAIN_SETTINGS,
    FORMATS_REFUSED,
    READ_KINDS,
    SYSTEM_COMMANDS,
    TABLE_ENGINES,
    WRITE_KINDS,
    Catalog,
)

Node = dict[str, Any]
# A table name with one of these is a path, an address or a pattern of paths to the engine.
_PATH_SIGNS = re.compile(r"[/\\\x00*?\[\]{}]|\.\.")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.$ -]+")
_FREE_TEXT = frozenset({"alias", "like", "comment", "separator", "field_type", "param_type", "pattern"})
KNOWN_KINDS = CLAUSES | READ_KINDS | WRITE_KINDS
_TABLE_FUNCTION_KEYS = frozenset({"table_function", "as_table_function"})
_HARMLESS_KINDS = frozenset({"CODEC", "STATISTICS"})
_PARAM_TYPES_AS_NAMES = frozenset({"Identifier"})


def is_plain_name(text: str) -> bool:
    """Whether a text can only be the name of a table, column or database, never a path or address."""
    return bool(_PLAIN_NAME.fullmatch(text)) and not _PATH_SIGNS.search(text)


def _refuse(text: str, code: int = ACCESS_DENIED) -> QueryRefused:
    return QueryRefused(code, f"{text} not allowed on this endpoint.")


class TreeJudge:
    """One statement's walk; its findings are read afterwards."""

    def __init__(self, catalog: Catalog, is_view: Callable[[str], bool], judge_nested: Callable[[str], Any]) -> None:
        self._catalog = catalog
        self._is_view = is_view
        self._judge_nested = judge_nested
        self.output_format = ""
        self.set_settings: list[tuple[str, str]] = []
        self.changed_settings: list[tuple[str, str]] = []
        self.used_database = ""
        self.identifier_params: set[str] = set()
        self.called_views = False
        self.writes = False
        self.settings_seen = 0

    def judge(self, root: Node) -> None:
        """Raises QueryRefused at the first name that is not allowed."""
        self._node(root, "")

    def _node(self, node: Node, role: str) -> None:
        kind = str(node.get("type", "")).replace(" ", "_")
        if kind and kind not in KNOWN_KINDS:
            raise _refuse(f"{kind[:80]} is")
        check = getattr(self, f"_check_{kind.lower()}", None)
        if check:
            check(node, role)
        if kind == "Literal":
            return
        for key, value in node.items():
            self._value(key, value)

    def _value(self, key: str, value: object) -> None:
        if isinstance(value, dict):
            self._node(value, key)
        elif isinstance(value, list):
            for item in value:
                self._value(key, item)
        elif isinstance(value, str):
            self._text(key, value)

    def _text(self, key: str, value: str) -> None:
        if key in ("out_file", "infile", "attach_from_path"):
            raise _refuse("Reading or writing files is")
        if key not in _FREE_TEXT and _PATH_SIGNS.search(value):
            raise _refuse(f"The name {value[:80]!r} is")
        if key == "format" and value.lower() in FORMATS_REFUSED:
            raise _refuse(f"The format {value[:80]} is")

    # functions, table functions, engines ------------------------------------------------------------------------

    def _check_function(self, node: Node, role: str) -> None:
        name, kind = node.get("name", ""), node.get("kind", "")
        if kind in _HARMLESS_KINDS or role == "index_type":
            node["arguments"] = {}
        elif kind == "TABLE_ENGINE":
            self._engine(name, node)
        elif kind == "DATABASE_ENGINE":
            if name not in DATABASE_ENGINES:
                raise _refuse(f"The database engine {name[:80]} is")
        elif kind and kind not in ("WINDOW_FUNCTION", "LAMBDA_FUNCTION", "ORDINARY_FUNCTION"):
            raise _refuse(f"{kind} {name[:80]} is")
        elif role in _TABLE_FUNCTION_KEYS:
            self._table_function(name)
        elif not self._catalog.allows_function(name):
            raise _refuse(f"The function {name[:80]} is")

    def _engine(self, name: str, node: Node) -> None:
        if name not in TABLE_ENGINES:
            raise _refuse(f"The table engine {name[:80]} is")

    def _table_function(self, name: str) -> None:
        if self._catalog.allows_table_function(name):
            return
        if name.lower() not in self._catalog.known_table_functions and self._is_view(name):
            self.called_views = True
            return
        raise _refuse(f"The table function {name[:80]} is")

    def _check_columnsapplytransformer(self, node: Node, role: str) -> None:
        name = node.get("func_name", "")
        if name and not self._catalog.allows_function(name):
            raise _refuse(f"The function {name[:80]} is")

    def _check_queryparameter(self, node: Node, role: str) -> None:
        if node.get("param_type") in _PARAM_TYPES_AS_NAMES:
            self.identifier_params.add(node["name"])

    def _check_enumdatatype(self, node: Node, role: str) -> None:
        node.pop("values", None)

    # settings ---------------------------------------------------------------------------------------------------

    def _check_setquery(self, node: Node, role: str) -> None:
        self.settings_seen += 1
        for change in node.pop("changes", []):
            self._setting(change["name"])
            value = change.get("value", {})
            if value.get("field_type") in ("CustomType", "Object"):
                raise _refuse(f"This value of the setting {change['name'][:80]} is")
            changed = (change["name"], str(value.get("value", "")))
            self.changed_settings.append(changed)
            if node.get("is_standalone"):
                self.set_settings.append(changed)
        for name in node.get("default_settings", []):
            self._setting(name)
            self.changed_settings.append((name, ""))
        if node.get("query_parameters"):
            raise _refuse("SET param_… is", QUERY_NOT_ALLOWED)

    def _check_dictionarysettings(self, node: Node, role: str) -> None:
        self.settings_seen += 1
        for change in node.pop("changes", []):
            self._setting(change["name"])

    def _setting(self, name: str) -> None:
        if name not in self._catalog.settings:
            raise _refuse(f"The setting {name[:80]} is")

    # statements -------------------------------------------------------------------------------------------------

    def _check_selectwithunionquery(self, node: Node, role: str) -> None:
        if "out_file" in node:
            raise _refuse("INTO OUTFILE is")
        format_ast = node.get("format_ast")
        if format_ast:
            name = format_ast.get("name", "")
            if name.lower() in FORMATS_REFUSED:
                raise _refuse(f"The format {name[:80]} is")
            if not role:
                self.output_format = name

    def _check_showtablesquery(self, node: Node, role: str) -> None:
        self._check_selectwithunionquery(node, role)
        self.settings_seen += bool(node.get("settings") or node.get("m_settings"))

    _check_showcolumnsquery = _check_selectwithunionquery
    _check_showindexesquery = _check_selectwithunionquery
    _check_checktablequery = _check_selectwithunionquery

    def _check_explainquery(self, node: Node, role: str) -> None:
        self._check_selectwithunionquery(node, role)
        if "table_function" in node or "table_override" in node:
            raise _refuse("EXPLAIN TABLE OVERRIDE is")
        own = node.get("settings", {}).get("changes", [])
        if all(change["name"] in EXPLAIN_SETTINGS for change in own):
            node.pop("settings", None)

    def _check_usequery(self, node: Node, role: str) -> None:
        self.used_database = node.get("database", {}).get("name", "")

    def _check_insertquery(self, node: Node, role: str) -> None:
        self.writes = True
        if "infile" in node:
            raise _refuse("INSERT … FROM INFILE is")
        if "table_function" in node:
            raise _refuse("INSERT INTO FUNCTION is")

    def _check_createquery(self, node: Node, role: str) -> None:
        if node.get("attach") and (node.get("has_attach_from_path") or "columns_list" in node or "storage" in node):
            raise _refuse("ATTACH with a path or a definition is")
        if node.get("is_temporary"):
            text = "A temporary table would end with its request, so CREATE TEMPORARY TABLE is"
            raise _refuse(text, QUERY_NOT_ALLOWED)

    def _check_altercommand(self, node: Node, role: str) -> None:
        name = node.get("command_type", "")
        if name not in ALTER_COMMANDS:
            raise _refuse(f"ALTER … {name[:80].replace('_', ' ')} is")
        if node.get("move_destination_type", "TABLE") != "TABLE":
            raise _refuse("MOVE PARTITION to a disk or volume is")

    def _check_ttlelement(self, node: Node, role: str) -> None:
        if node.get("mode") == "MOVE":
            raise _refuse("TTL to a disk or volume is")

    def _check_systemquery(self, node: Node, role: str) -> None:
        if node.get("query_type") not in SYSTEM_COMMANDS:
            raise _refuse(f"SYSTEM {str(node.get('query_type'))[:80].replace('_', ' ')} is")

    # dictionaries -----------------------------------------------------------------------------------------------

    def _check_dictionarylayout(self, node: Node, role: str) -> None:
        if node.get("layout_type", "").lower() not in DICTIONARY_LAYOUTS:
            raise _refuse(f"The dictionary layout {node.get('layout_type', '')[:80]} is")

    def _check_functionwithkeyvaluearguments(self, node: Node, role: str) -> None:
        name = node.get("name", "").lower()
        if role != "source" or name not in ("clickhouse", "null"):
            raise _refuse(f"The dictionary source {name[:80]} is")
        for pair in node.get("elements", {}).get("children", []):
            self._source_pair(pair)

    def _source_pair(self, pair: Node) -> None:
        key, second = str(pair.get("first", "")).lower(), pair.get("second", {})
        if key not in DICTIONARY_SOURCE_KEYS or second.get("type") not in ("Literal", "Identifier"):
            raise _refuse(f"{key[:80]!r} of a dictionary source is")
        text = str(second.get("value", {}).get("value", "")) if second["type"] == "Literal" else second["name"]
        if key == "query":
            self._judge_nested(text)
        elif key in ("table", "db") and not is_plain_name(text):
            raise _refuse(f"The name {text[:80]!r} is")
