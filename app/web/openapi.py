"""`/openapi.json`: the API as an OpenAPI 3.1 document, made from the same types that parse and answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from app.queries.query import Query
from app.web.shapes import Error

JSON: Final = "application/json"
REFERENCE: Final = "#/components/schemas/{name}"
FAILURES: Final = {
    "400": "A parameter does not fit.",
    "401": "A token is needed, or not known.",
    "403": "The token may not see this.",
    "404": "There is no such thing.",
    "421": "The worker is not known under this host name.",
    "503": "Figures are not complete yet, or ClickHouse does not answer: ask again soon.",
    "504": "The answer takes too long: ask again soon, or for less.",
}
ALWAYS: Final = ("400", "401", "403", "421")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One GET route, as it is described."""

    name: str
    path: str
    summary: str
    description: str
    parameters: type[msgspec.Struct] | None = None
    answer: type[msgspec.Struct] | None = None
    media: str = JSON
    failures: Sequence[str] = ("503",)
    unready: type[msgspec.Struct] | None = None
    """Shape of a 503 that is no error but the answer."""


def operation_of(query: Query) -> Operation:
    """The description of a question's route."""
    failures = ("404", "503", "504") if "{" in query.path else ("503", "504")
    return Operation(
        name=query.name,
        path=query.path,
        summary=query.summary,
        description=query.description,
        parameters=query.parameters,
        answer=query.answer,
        failures=failures,
    )


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The whole description."""
    types = {type_ for one in operations for type_ in (one.answer, one.unready) if type_ is not None}
    ordered = [Error, *sorted(types, key=lambda type_: type_.__name__)]
    schemas, components = msgspec.json.schema_components(ordered, ref_template=REFERENCE)
    reference = dict(zip(ordered, schemas, strict=True))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Voice pipeline monitor",
            "version": version,
            "description": "Figures of the pipeline. Times are epoch milliseconds, durations milliseconds, rates "
            "fractions from 0 to 1, costs US dollars; absent values are left out. Lists have a limit, and a cursor "
            "for what follows.",
        },
        "security": [{"token": []}, {}],
        "paths": {one.path: {"get": _operation(one, reference)} for one in operations},
        "components": {
            "schemas": components,
            "responses": {code: _failure(text, reference[Error]) for code, text in FAILURES.items()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "Needed where the worker has tokens."}
            },
        },
    }


def _operation(operation: Operation, reference: dict[Any, Any]) -> dict[str, Any]:
    schema = {"type": "string"} if operation.answer is None else reference[operation.answer]
    described: dict[str, Any] = {"description": "The answer.", "content": {operation.media: {"schema": schema}}}
    if operation.parameters is not None and "format" in operation.parameters.__struct_fields__:
        described["content"]["text/html"] = {"schema": {"type": "string"}}
    answers: dict[str, Any] = {"200": described}
    for code in sorted({*ALWAYS, *operation.failures}):
        answers[code] = {"$ref": f"#/components/responses/{code}"}
    if operation.unready is not None:
        content = {JSON: {"schema": reference[operation.unready]}}
        answers["503"] = {"description": "Not ready, with the reasons.", "content": content}
    return {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "parameters": list(_parameters(operation)),
        "responses": answers,
    }


def _parameters(operation: Operation) -> Iterable[dict[str, Any]]:
    if operation.parameters is None:
        return
    _, components = msgspec.json.schema_components([operation.parameters], ref_template=REFERENCE)
    described = components[operation.parameters.__name__]
    for name, schema in described["properties"].items():
        is_place = f"{{{name}}}" in operation.path
        plain = _without_null(schema)
        found = {
            "name": name,
            "in": "path" if is_place else "query",
            "required": is_place or name in described.get("required", ()),
            "schema": plain,
        }
        text = plain.pop("description", None)
        if text:
            found["description"] = text
        yield found


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value that is there: an absent parameter is left out, it is never null."""
    kept = {name: value for name, value in schema.items() if not (name == "default" and value in (None, [], ()))}
    choices = [choice for choice in kept.pop("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        kept = {**choices[0], **kept}
    elif choices:
        kept["anyOf"] = choices
    if "enum" in kept:
        kept["enum"] = [value for value in kept["enum"] if value is not None]
    return kept


def _failure(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {JSON: {"schema": schema}}}
