"""The reasons that `/health/ready` can give, as the code words them."""

import ast
import re
from collections.abc import Iterator

from tests.deploy.places import ROOT

OWN = {
    "app/live.py": {"__init__", "incomplete", "not_ready", "_why_stale"},
    "app/worker.py": {"_work_on"},
    "app/domain/reject_limit.py": {"note"},
}
"""Functions whose sentences are reasons."""

SERVERS = [
    "app/runtime/errors.py",
    "app/runtime/broker.py",
    "app/runtime/kafka_errors.py",
    "sinks/clickhouse/sink.py",
    "sinks/clickhouse/errors.py",
    "sinks/clickhouse/explain.py",
]
"""Modules that word why a server cannot be used; what they say becomes a reason while a worker waits for it."""


def ready_reasons() -> set[str]:
    """Every reason without its advice; what differs from case to case is an ellipsis."""
    found = {sentence for path, functions in OWN.items() for sentence in _sentences(path, functions)}
    found |= {
        sentence
        for path in SERVERS
        for sentence in _sentences(path, None)
        if sentence.startswith(("Kafka ", "ClickHouse "))
    }
    return {_without_advice(sentence) for sentence in found}


def _sentences(path: str, functions: set[str] | None) -> Iterator[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if functions is None or function.name in functions:
            for statement in function.body:
                yield from _texts(statement)


def _texts(node: ast.AST) -> Iterator[str]:
    """Sentences of a statement, but not those of docstrings, logs and joined parts."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("log.", "_log.")):
        return
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
        yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


def _without_advice(sentence: str) -> str:
    return re.sub(r" \([^)]*\)", "", sentence).split(": ")[0].split(", as brokers do")[0]
