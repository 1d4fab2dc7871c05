"""Where the head of an INSERT statement ends and its rows begin."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    rb"""
      (?P<space>\s+ | --[^\n]* | \#[!\ ][^\n]* | /\*.*?\*/)
    | (?P<quoted>'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`\\]|\\.|``)*`)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_FORMAT_NAME = re.compile(rb"\s*([A-Za-z][A-Za-z0-9]*)[ \t]*;?[ \t]*(?:\r?\n)?")
_NO_ROWS = {b"SELECT", b"WITH", b"INFILE", b"WATCH"}
HEAD_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class InsertHead:
    """An INSERT whose rows travel behind it: statement up to its format, format, offset of the first row."""

    text: str
    format: str
    rows_at: int

    @property
    def judged(self) -> str:
        """The head as a complete statement without rows."""
        return f"{self.text} FORMAT {self.format}"

    def reading(self, file: str) -> str:
        """The statement with the rows taken out of a file of the server; `file` is a quoted literal."""
        head = self.text.encode()
        ends = (word.start() for word in _outer_words(head) if word.group().upper() == b"SETTINGS")
        end = next(ends, len(head))
        return f"{head[:end].decode()} FROM INFILE {file} {head[end:].decode()} FORMAT {self.format}"


def find_insert_head(statement: bytes) -> InsertHead | None:
    """The head of an INSERT with rows; None for every other statement (also INSERT … SELECT).

    A wrong answer cannot let anything through: the head is judged by the engine as a whole statement of its own,
    and what follows it is only ever handed over as rows.
    """
    for index, token in enumerate(_outer_words(statement)):
        word = token.group().upper()
        if (index == 0 and word != b"INSERT") or word in _NO_ROWS:
            return None
        if word == b"VALUES":
            return _head(statement, token.start(), "Values", token.end())
        name = _FORMAT_NAME.match(statement, token.end()) if word == b"FORMAT" else None
        if name:
            return _head(statement, token.start(), name[1].decode(), name.end())
    return None


def _outer_words(statement: bytes) -> Iterator[re.Match[bytes]]:
    """The words outside of brackets, quotes and comments."""
    depth = 0
    for token in _TOKEN.finditer(statement, 0, min(len(statement), HEAD_BYTES)):
        if token.lastgroup == "other":
            depth += {b"(": 1, b")": -1}.get(token.group(), 0)
        elif token.lastgroup == "word" and not depth:
            yield token


def _head(statement: bytes, end: int, format_name: str, rows_at: int) -> InsertHead:
    return InsertHead(statement[:end].decode("utf-8", "replace").strip(), format_name, rows_at)
