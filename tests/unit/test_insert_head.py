"""Where the rows of an INSERT begin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.local.insert_head import find_insert_head


@pytest.mark.parametrize(
    ("statement", "head", "name", "rows"),
    [
        (b"INSERT INTO t FORMAT JSONEachRow\n{}", "INSERT INTO t", "JSONEachRow", b"{}"),
        (b"insert into t (a, b) format Native\n\x00\xff", "insert into t (a, b)", "Native", b"\x00\xff"),
        (b"INSERT INTO t FORMAT CSV 1,2", "INSERT INTO t", "CSV", b"1,2"),
        (b"INSERT INTO t VALUES (1), (2)", "INSERT INTO t", "Values", b" (1), (2)"),
        (b"INSERT INTO `values` (`format`) VALUES (1)", "INSERT INTO `values` (`format`)", "Values", b" (1)"),
        (
            b"/* FORMAT x */ INSERT INTO t -- VALUES\nFORMAT TSV\n1",
            "/* FORMAT x */ INSERT INTO t -- VALUES",
            "TSV",
            b"1",
        ),
        (
            b"INSERT INTO t SETTINGS a = 'FORMAT' FORMAT TSV\r\n1",
            "INSERT INTO t SETTINGS a = 'FORMAT'",
            "TSV",
            b"1",
        ),
        (b"INSERT INTO t (* EXCEPT(format)) FORMAT TSV", "INSERT INTO t (* EXCEPT(format))", "TSV", b""),
        (b"INSERT INTO t FORMAT TSV;\n1", "INSERT INTO t", "TSV", b"1"),
    ],
)
def test_the_head_ends_where_the_rows_begin(statement: bytes, head: str, name: str, rows: bytes) -> None:
    found = find_insert_head(statement)
    assert found is not None
    assert (found.text, found.format, statement[found.rows_at :]) == (head, name, rows)


@pytest.mark.parametrize(
    "statement",
    [
        b"",
        b"SELECT 1 FORMAT TSV",
        b"SELECT 'INSERT INTO t FORMAT TSV'",
        b"INSERT INTO t SELECT 1 FORMAT Null",
        b"INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x",
        b"INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        b"INSERT INTO t",
        b"EXPLAIN INSERT INTO t FORMAT TSV",
    ],
)
def test_a_statement_without_rows_has_no_head(statement: bytes) -> None:
    assert find_insert_head(statement) is None


@given(st.binary(max_size=200))
def test_rows_of_any_bytes_stay_as_they_are(rows: bytes) -> None:
    statement = b"INSERT INTO t (a) FORMAT RowBinary\n" + rows
    found = find_insert_head(statement)
    assert found is not None
    assert statement[found.rows_at :] == rows


@given(st.binary(max_size=200))
def test_no_bytes_break_the_search(statement: bytes) -> None:
    find_insert_head(statement)
    find_insert_head(b"INSERT INTO " + statement)
