"""What an error of ClickHouse means for the rows of an insert: a row's fault, too wide a block, or an outage.

The code numbers are ClickHouse's own (`system.errors`). Everything that is not known to blame a row is an outage:
waiting too long is repairable, dropping a row is not.
"""

import re

from clickhouse_connect.driver.exceptions import Error, ProgrammingError

from app.runtime.errors import RowRefused, SinkUnavailable
from sinks.clickhouse.explain import AUTHENTICATION_FAILED

ROW_CODES = frozenset(
    {6, 25, 26, 27, 32, 33, 38, 41, 53, 69, 70, 72, 117, 130, 131, 190, 349, 376, 407, 467, 469, 675, 676, 691}
)
"""Parse errors (numbers, dates, UUIDs, quotes, ends of data), type mismatches, values out of bounds, violated
constraints."""

TOO_MANY_PARTS = 252

_LOGIN = "the user or its password is wrong: correct VOICEMON_CLICKHOUSE_USER and VOICEMON_CLICKHOUSE_PASSWORD"

OPERATOR_CODES = {
    60: "the table is missing: run `voicemon migrate`",
    81: "the database is missing: run `voicemon migrate`",
    497: "the user may not insert: grant INSERT on the database's tables to it",
    **dict.fromkeys(AUTHENTICATION_FAILED, _LOGIN),
}

OUTAGE_CODES = {
    159: "the insert took longer than ClickHouse allows",
    164: "ClickHouse is read-only",
    202: "ClickHouse handles too many queries at once",
    209: "ClickHouse timed out on its own network",
    210: "ClickHouse lost a connection of its own",
    241: "ClickHouse is out of memory",
    242: "the table is read-only because its replica lost Keeper",
    243: "ClickHouse's disk is full",
    TOO_MANY_PARTS: "the table has too many parts until merges catch up",
    999: "ClickHouse cannot reach Keeper",
}

_ROW_NUMBER = re.compile(r"\(at row (\d+)\)")
_TOO_MANY_PARTITIONS = re.compile(r"too many partitions for (?:a )?single insert block", re.IGNORECASE)
_WRAPPING = re.compile(r"\A.*?server response: (?:Code: \d+\. DB::Exception: )*|\s*\(for url [^()]*\)\Z", re.DOTALL)
"""What the client and the server put around the server's words."""
_ERROR_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)")


class TooManyPartitions(Exception):
    """One block would touch more partitions than the server allows: split it by hours."""


def classify(error: Error) -> RowRefused | TooManyPartitions | SinkUnavailable:
    """What an insert raises in place of an error of the client."""
    words = str(error)
    if error.code in ROW_CODES:
        return RowRefused(_WRAPPING.sub("", words), _row_index(words))
    if error.code == TOO_MANY_PARTS and _TOO_MANY_PARTITIONS.search(words):
        return TooManyPartitions(words)
    return outage(error)


def outage(error: Error) -> SinkUnavailable:
    """What anything else raises, connecting included: nothing there is a row's fault."""
    if error.code is not None:
        return _outage_by_code(error.code, str(error))
    if isinstance(error, ProgrammingError):
        return SinkUnavailable(
            f"ClickHouse cannot be used as it is configured ({error}): correct its settings or use a newer server",
            code="client",
            needs_operator=True,
        )
    return unreachable(error)


def unreachable(error: Exception) -> SinkUnavailable:
    """What a failure of the network raises; the client wraps it twice, so its innermost reason is named."""
    reason: BaseException = error
    while (inner := reason.__cause__ or reason.__context__) is not None:
        reason = inner
    return SinkUnavailable(
        f"ClickHouse does not answer ({type(reason).__name__}: {reason}): start it with `voicemon stack up` or set "
        "VOICEMON_CLICKHOUSE_URL",
        code="network",
    )


def _row_index(words: str) -> int | None:
    found = _ROW_NUMBER.search(words)
    return int(found.group(1)) - 1 if found else None


def _outage_by_code(code: int, words: str) -> SinkUnavailable:
    if code in OPERATOR_CODES:
        return SinkUnavailable(
            f"ClickHouse refuses inserts (code {code}): {OPERATOR_CODES[code]}", code=str(code), needs_operator=True
        )
    names = _ERROR_NAME.findall(words)
    meaning = OUTAGE_CODES.get(code) or (names[-1] if names else "an error without a name")
    return SinkUnavailable(f"ClickHouse takes no rows now (code {code}): {meaning}", code=str(code))
