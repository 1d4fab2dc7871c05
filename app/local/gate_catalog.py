"""What the statement gate knows by name: lists of the allowed, cut down from what the engine itself says it has."""

import re
from collections.abc import Callable
from dataclasses import dataclass

Read = Callable[[str], list[str]]

TABLE_FUNCTIONS = frozenset(
    {"numbers", "numbers_mt", "zeros", "zeros_mt", "values", "VALUES", "view", "generateSeries", "generate_series"}
    | {"generateRandom", "input", "null", "dictionary", "viewExplain", "primes"}
)
TABLE_ENGINES = frozenset(
    {"Memory", "Null", "Log", "TinyLog", "StripeLog", "Set", "Join", "View", "MaterializedView", "Dictionary"}
    | {
        f"{replicated}{kind}MergeTree"
        for replicated in ("", "Replicated")
        for kind in ("", "Replacing", "Aggregating", "Summing", "Collapsing", "VersionedCollapsing", "Coalescing")
    }
)
DATABASE_ENGINES = frozenset({"Atomic", "Memory"})
DICTIONARY_LAYOUTS = frozenset(
    {"flat", "hashed", "sparse_hashed", "hashed_array", "cache", "direct", "range_hashed", "ip_trie", "regexp_tree"}
    | {f"complex_key_{name}" for name in ("hashed", "sparse_hashed", "hashed_array", "cache", "direct", "range_hashed")}
)
# host, port, secure and name (a named collection) are missing: the source is this engine and nothing else
DICTIONARY_SOURCE_KEYS = frozenset({"table", "db", "query", "user", "password", "update_field", "update_lag"})
SYSTEM_COMMANDS = frozenset(
    {"RELOAD_DICTIONARY", "RELOAD_DICTIONARIES", "FLUSH_LOGS", "FLUSH_ASYNC_INSERT_QUEUE"}
    | {f"{verb}_{what}" for verb in ("START", "STOP") for what in ("MERGES", "TTL_MERGES", "VIEW", "VIEWS", "MOVES")}
    | {"REFRESH_VIEW", "WAIT_VIEW", "CANCEL_VIEW", "CLEAR_MARK_CACHE", "CLEAR_UNCOMPRESSED_CACHE"}
    | {"CLEAR_QUERY_CACHE", "CLEAR_QUERY_CONDITION_CACHE", "SYNC_MUTATIONS"}
)
ALTER_COMMANDS = frozenset(
    {f"{verb}_COLUMN" for verb in ("ADD", "DROP", "MODIFY", "COMMENT", "RENAME", "MATERIALIZE")}
    | {
        f"{verb}_{what}"
        for verb in ("ADD", "DROP", "MATERIALIZE")
        for what in ("INDEX", "PROJECTION", "CONSTRAINT", "STATISTICS")
    }
    | {"MODIFY_TTL", "REMOVE_TTL", "MATERIALIZE_TTL", "MODIFY_SETTING", "RESET_SETTING", "MODIFY_ORDER_BY"}
    | {"MODIFY_SAMPLE_BY", "REMOVE_SAMPLE_BY", "MODIFY_QUERY", "MODIFY_REFRESH", "MODIFY_COMMENT", "DELETE", "UPDATE"}
    | {"DROP_PARTITION", "ATTACH_PARTITION", "REPLACE_PARTITION", "MOVE_PARTITION", "APPLY_DELETED_MASK"}
)
READ_KINDS = frozenset(
    {"SelectWithUnionQuery", "SelectIntersectExceptQuery", "SelectQuery", "ExplainQuery", "ShowTablesQuery"}
    | {"ShowColumnsQuery", "ShowIndexesQuery", "UseQuery", "SetQuery", "ShowSettingQuery", "ShowEngineQuery"}
)
WRITE_KINDS = frozenset(
    {"CreateQuery", "DropQuery", "AlterQuery", "RenameQuery", "OptimizeQuery", "InsertQuery", "SystemQuery"}
    | {"DeleteQuery", "UpdateQuery", "CheckTableQuery", "CreateIndexQuery", "DropIndexQuery", "KillQueryQuery"}
)
# Every other kind of clause is refused, because nobody has looked at what it can do.
CLAUSES = frozenset(
    {"AlterCommand", "ArrayJoin", "Assignment", "Asterisk", "ColumnDeclaration", "Columns_definition"}
    | {"ColumnsApplyTransformer", "ColumnsExceptTransformer", "ColumnsListMatcher", "ColumnsRegexpMatcher"}
    | {"ColumnsReplaceTransformer", "ColumnsReplaceTransformerReplacement", "ColumnsTransformerList"}
    | {"ConstraintDeclaration", "DataType", "Dictionary", "DictionaryAttributeDeclaration"}
    | {"DictionaryLayout", "DictionaryLifetime", "DictionaryRange", "DictionarySettings", "EnumDataType"}
    | {"ExpressionList", "Function", "FunctionWithKeyValueArguments", "Identifier", "IndexDeclaration"}
    | {"InterpolateElement", "Literal", "NameTypePair", "OrderByElement", "Pair", "Partition"}
    | {"ProjectionDeclaration", "ProjectionSelectQuery", "QualifiedAsterisk", "QualifiedColumnsListMatcher"}
    | {"QualifiedColumnsRegexpMatcher", "QueryParameter", "RefreshStrategy", "SQLSecurity", "SampleRatio"}
    | {"SelectIntersectExceptQuery", "SelectQuery", "SelectWithUnionQuery", "StatisticsDeclaration"}
    | {"Storage", "StorageOrderByElement", "Subquery", "TTLElement", "TableExpression", "TableIdentifier"}
    | {"TableJoin", "TablesInSelectQuery", "TablesInSelectQueryElement", "TimeInterval", "TupleDataType"}
    | {"UserNameWithHost", "ViewTargets", "WindowDefinition", "WindowListElement", "WithElement"}
)
FORMATS_REFUSED = frozenset(
    {"template", "templateignorespaces", "capnproto", "protobuf", "protobufsingle", "protobuflist", "protobufconfluent"}
    | {"avroconfluent", "mysqlwire", "postgresqlwire", "odbcdriver2", "hivetext"}
)
_TEXT_SETTINGS = frozenset(
    {"insert_deduplication_token", "log_comment", "query_cache_tag", "workload", "count_distinct_implementation"}
    | {"network_compression_method", "bool_true_representation", "bool_false_representation"}
    | {"format_csv_null_representation", "format_tsv_null_representation", "output_format_pretty_grid_charset"}
    | {"ignore_data_skipping_indices", "force_data_skipping_indices", "force_optimize_projection_name"}
    | {"preferred_optimize_projection_name", "column_names_for_schema_inference", "schema_inference_hints"}
    | {"output_format_sql_insert_table_name", "exclude_materialize_skip_indexes_on_insert"}
    | {"default_compression_codec", "marks_compression_codec", "primary_key_compression_codec"}
    | {"auto_statistics_types", "columns_to_prewarm_mark_cache", "exclude_materialize_skip_indexes_on_merge"}
)
_SETTINGS_REFUSED = frozenset(
    # the first three change how a text is parsed, so that another statement would run than the one judged
    {"dialect", "implicit_select", "allow_settings_after_format_in_insert", "readonly", "allow_ddl", "table_disk"}
    # only the endpoint decides whether VALUES may hold expressions
    | {
        "input_format_values_interpret_expressions",
        "allow_introspection_functions",
        "enable_json_ast_dialect",
        "search_orphaned_parts_disks",
    }
)
EXPLAIN_SETTINGS = frozenset(
    {"indexes", "actions", "header", "description", "json", "projections", "sorting", "distributed", "graph", "compact"}
    | {"optimize", "oneline", "run_passes", "run_query_tree_passes", "dump_ast", "dump_passes", "dump_tree", "passes"}
    | {"query_tree_passes", "keep_logical_steps", "pretty", "single_line", "column_structure", "input_headers"}
)
_SETTING_TYPES_REFUSED = frozenset({"String", "Map", "URI", "Dialect"})
# Reading files, reaching other machines, running programs, showing what is not the user's, or stopping a thread.
_FUNCTIONS_REFUSED = re.compile(
    r"file|catboostEvaluate|evalMLMethod|naiveBayes.*|ai[A-Z].*|AI[A-Z].*|hasColumnInTable|joinGet.*|getServerSetting"
    r"|getMacro|getClientHTTPHeader|currentRequestURL|showCertificate|generateSerialID|zookeeper.*|iceberg.*"
    r"|addressTo.*|demangle|logTrace|sleep|sleepEachRow|region[A-Z].*|formatQueryFromJSON|fuzz.*|structureTo.*"
    r"|transaction.*|lemmatize|synonyms|stem|getServerPort|tcpPort|filesystem.*|serverUUID"
    r"|buildId|getOSKernelVersion|globalVariable|__.*",
    re.IGNORECASE,
)
# The parser's own words for syntax, and what the engine does not list.
_SYNTAX = frozenset({"lambda", "untuple", "exists", "columns", "grouping", "cast", "CAST", "row", "ROW"})
_WINDOW = frozenset(
    {"rank", "dense_rank", "percent_rank", "row_number", "ntile", "cume_dist", "lead", "lag", "leadInFrame"}
    | {"lagInFrame", "nth_value", "first_value", "last_value", "nonNegativeDerivative", "dense_rank", "denseRank"}
)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The engine's names after the cut."""

    functions: frozenset[str]
    functions_any_case: frozenset[str]
    aggregates: frozenset[str]
    combinators: tuple[str, ...]
    known_table_functions: frozenset[str]
    settings: frozenset[str]
    known_settings: frozenset[str]
    formats: frozenset[str]

    def allows_function(self, name: str) -> bool:
        """Whether a scalar, aggregate or window function may be called."""
        if name in self.functions or name.lower() in self.functions_any_case:
            return True
        return self._is_combined(name)

    def _is_combined(self, name: str) -> bool:
        for suffix in self.combinators:
            if name.endswith(suffix) and len(name) > len(suffix):
                base = name[: -len(suffix)]
                if base in self.aggregates or base.lower() in self.aggregates or self._is_combined(base):
                    return True
        return False

    def is_dangerous_call(self, name: str) -> bool:
        """Whether a word before a bracket names a table function of the engine that is not allowed."""
        plain = name.strip('`"')
        is_known = plain.lower() in self.known_table_functions or _FUNCTIONS_REFUSED.fullmatch(plain)
        return bool(is_known) and plain not in TABLE_FUNCTIONS and not self.allows_function(plain)

    def allows_table_function(self, name: str) -> bool:
        """Whether a table function of the engine may be called."""
        return name in TABLE_FUNCTIONS


def read_catalog(read: Read) -> Catalog:
    """The catalog of an engine; `read` runs a query and returns its single column."""
    functions = [name for name in read("SELECT name FROM system.functions") if not _FUNCTIONS_REFUSED.fullmatch(name)]
    any_case = read("SELECT lower(name) FROM system.functions WHERE case_insensitive")
    refused_types = ", ".join(f"'{name}'" for name in sorted(_SETTING_TYPES_REFUSED))
    sources = "(SELECT name, type FROM system.settings UNION ALL SELECT name, type FROM system.merge_tree_settings)"
    settings = set(read(f"SELECT name FROM {sources} WHERE type NOT IN ({refused_types})")) - _SETTINGS_REFUSED  # noqa: S608
    known = read(f"SELECT DISTINCT name FROM {sources}")  # noqa: S608
    return Catalog(
        functions=frozenset(functions) | _SYNTAX | _WINDOW,
        functions_any_case=frozenset(name for name in any_case if not _FUNCTIONS_REFUSED.fullmatch(name)),
        aggregates=frozenset(read("SELECT name FROM system.functions WHERE is_aggregate")),
        combinators=tuple(read("SELECT name FROM system.aggregate_function_combinators")),
        known_table_functions=frozenset(name.lower() for name in read("SELECT name FROM system.table_functions")),
        settings=frozenset(settings) | (_TEXT_SETTINGS & frozenset(known)),
        known_settings=frozenset(known),
        formats=frozenset(name.lower() for name in read("SELECT name FROM system.formats")),
    )
