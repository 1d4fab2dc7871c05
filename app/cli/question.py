"""A command for a question of the catalogue: options from its parameters, output from its answer."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
import typer
from msgspec import inspect as structs

from app.cli.answer_output import print_csv, print_rows
from app.queries.parameters import fields_of, parse_values, plain_type
from app.queries.query import Query
from app.runtime.clock import SystemClock
from app.runtime.errors import VoicemonError
from app.runtime.settings import Settings
from sinks.clickhouse.client import clear_errors, connect

ALSO = {"organizationId": "--organization", "startTime": "--from", "endTime": "--to", "periodType": "--period"}
"""Short names of options, beside the one that is made from the JSON name."""
MOST_SHOWN_CHOICES = 5

AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as one JSON object.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print the rows as CSV, times in epoch milliseconds.")]


def check_form(*, as_json: bool, as_csv: bool) -> None:
    """Raises typer.BadParameter for two forms at once."""
    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")


def command_of(query: Query) -> Callable[..., None]:
    """A function that asks the store the question and prints the answer, with the signature that typer reads.

    It raises InvalidParameter for wrong parameters and NotFound where the question does.
    """
    fields = {field.name: field for field in fields_of(query.parameters).values()}
    places = re.findall(r"{(\w+)}", query.path)

    def command(*, as_json: bool, as_csv: bool, **given: Any) -> None:
        check_form(as_json=as_json, as_csv=as_csv)
        raw = {fields[name].encode_name: texts for name, value in given.items() if (texts := _texts(value))}
        _print(query, _asked(query, raw), as_json=as_json, as_csv=as_csv)

    parameters = [_parameter(field, places) for field in fields.values()]
    parameters.sort(key=lambda one: one.default is not inspect.Parameter.empty)
    parameters += [_keyword("as_json", AsJson, False), _keyword("as_csv", AsCsv, False)]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


def _asked(query: Query, raw: Mapping[str, Sequence[str]]) -> msgspec.Struct:
    parameters = parse_values(query.parameters, raw)
    settings = Settings.from_environment()
    client = connect(settings.clickhouse)
    try:
        with clear_errors(settings.clickhouse):
            return query.run(client, parameters, SystemClock().now_ms())
    finally:
        client.close()


def _print(query: Query, answer: msgspec.Struct, *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(answer).decode())
        return
    found = msgspec.to_builtins(answer)
    rows = found[query.rows] if query.rows else [found]
    if as_csv:
        print_csv(_names(_row_type(query)), rows)
    else:
        print_rows(query.columns, rows)
    if cursor := found.get("continueCursor"):
        typer.echo(f"There is more: the same command with --cursor {cursor}", err=True)


def _row_type(query: Query) -> type[msgspec.Struct]:
    if not query.rows:
        return query.answer
    rows = fields_of(query.answer)[query.rows]
    kind, _ = plain_type(getattr(rows.type, "item_type", rows.type))
    if not isinstance(kind, structs.StructType):
        raise VoicemonError(f"the rows of {query.name} are no objects")
    return kind.cls


def _names(row: type[msgspec.Struct], prefix: str = "") -> Iterator[str]:
    """JSON names of a row's values; those of an inner object stand behind its own and a dot."""
    for name, field in fields_of(row).items():
        inner, _ = plain_type(field.type)
        if isinstance(inner, structs.StructType):
            yield from _names(inner.cls, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _parameter(field: structs.Field, places: Sequence[str]) -> inspect.Parameter:
    kind, _ = plain_type(field.type)
    if field.encode_name in places:
        argument = typer.Argument(help=_description(field.type), metavar=field.name.upper())
        return _keyword(field.name, Annotated[str, argument], inspect.Parameter.empty)
    names = [f"--{field.name.replace('_', '-')}"]
    if field.encode_name in ALSO:
        names.append(ALSO[field.encode_name])
    if isinstance(kind, structs.BoolType):
        return _keyword(field.name, Annotated[bool, typer.Option(*names, help=_description(field.type))], False)
    is_repeatable = isinstance(kind, structs.VarTupleType)
    option = typer.Option(*names, help=_help(field), metavar=_metavar(kind), show_default=False)
    return _keyword(field.name, Annotated[list[str] | None if is_repeatable else str | None, option], None)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _help(field: structs.Field) -> str:
    has_default = field.default is not msgspec.NODEFAULT and field.default not in {None, ()}
    return _description(field.type) + (f" Default: {field.default}." if has_default else "")


def _metavar(kind: structs.Type) -> str:
    if isinstance(kind, structs.LiteralType) and len(kind.values) <= MOST_SHOWN_CHOICES:
        return "|".join(map(str, kind.values))
    return "INTEGER" if isinstance(kind, structs.IntType) and kind.le is not None and kind.le < 10**9 else "TEXT"


def _texts(value: str | bool | list[str] | None) -> list[str]:
    """What was given, as it would stand in a query string; empty for nothing."""
    if isinstance(value, bool):
        return ["true"] if value else []
    return [value] if isinstance(value, str) else list(value or ())


def _description(kind: structs.Type) -> str:
    """What the type's description says, looked for from the outside in."""
    while True:
        if isinstance(kind, structs.Metadata):
            found = (kind.extra_json_schema or {}).get("description")
            if found:
                return str(found)
            kind = kind.type
        elif isinstance(kind, structs.UnionType):
            kind = next(one for one in kind.types if not isinstance(one, structs.NoneType))
        elif isinstance(kind, structs.VarTupleType):
            kind = kind.item_type
        else:
            return ""
