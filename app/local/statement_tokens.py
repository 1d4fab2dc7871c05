"""What a statement's text says beside its tree, from the engine's own tokens."""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson

_NAMES = ("BareWord", "QuotedIdentifier")
_SILENT = ("Whitespace", "Comment")


@dataclass(frozen=True, slots=True)
class Token:
    """One token without space and comments."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """Clauses that some trees leave out, and every name before a bracket."""

    names_a_file: bool
    settings_clauses: int
    calls: frozenset[str]


def token_facts(statement: str, tokens_json: str) -> TokenFacts:
    """The facts of a statement; `tokens_json` is the engine's `tokenizeQuery` as JSON, offsets in bytes."""
    tokens = list(_tokens(statement.encode(), orjson.loads(tokens_json)))
    names_a_file = False
    settings_clauses = 0
    calls = set()
    end = Token("", "")
    for token, following, after in zip(tokens, [*tokens[1:], end], [*tokens[2:], end, end], strict=False):
        word = token.text.upper() if token.kind == "BareWord" else ""
        names_a_file |= word in ("OUTFILE", "INFILE")
        if word == "SETTINGS":
            settings_clauses += after.kind == "Equals" or following.kind == "OpeningRoundBracket"
        if token.kind in _NAMES and following.kind == "OpeningRoundBracket":
            calls.add(token.text)
    return TokenFacts(names_a_file, settings_clauses, frozenset(calls))


def _tokens(statement: bytes, parsed: list[dict[str, int | str]]) -> Iterator[Token]:
    for item in parsed:
        begin, end, kind = item.values()
        if kind not in _SILENT:
            yield Token(str(kind), statement[int(begin) : int(end)].decode("utf-8", "replace"))
