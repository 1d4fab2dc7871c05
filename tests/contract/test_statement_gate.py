"""Nothing but known harmless statements gets past the endpoint, for any user."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.gate_statements import ALLOWED, NO_STATEMENTS, REFUSED
from tests.endpoint_process import FULL, READONLY, EndpointProcess

pytestmark = pytest.mark.clickhouse

SECRET = "CANARY7f3a"
REFUSALS = {497, 446}


class Target:
    """An endpoint with a file beside it that must stay unread, and a folder that must stay empty."""

    def __init__(self, folder: Path) -> None:
        self.canary = folder / "canary.csv"
        self.canary.write_text(f"{SECRET}\n")
        self.out = folder / "out"
        self.out.mkdir()
        self.process = EndpointProcess(folder / "data")
        self.process.ask("CREATE DATABASE gate")
        self.process.ask("CREATE TABLE gate.t (a String, n UInt64) ENGINE = MergeTree ORDER BY n")
        self.process.ask("CREATE TABLE gate.t2 (a String) ENGINE = MergeTree ORDER BY a")

    def filled(self, statement: str) -> str:
        return statement.replace("@CANARY@", str(self.canary)).replace("@OUT@", str(self.out))

    def leak(self) -> str:
        """Everything that a successful attack would have left."""
        rows = self.process.ask("SELECT * FROM gate.t2 UNION ALL SELECT a FROM gate.t").text
        names = self.process.ask(
            "SELECT name FROM system.tables WHERE database = 'gate' AND name NOT IN ('t', 't2') UNION ALL "
            "SELECT name FROM system.databases "
            "WHERE lower(name) NOT IN ('gate', 'default', 'system', 'information_schema')"
        ).text
        return rows + names + "".join(str(path) for path in self.out.iterdir())


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    made = Target(tmp_path_factory.mktemp("gate"))
    yield made
    assert made.process.stop() == 0


@pytest.fixture(scope="module")
def untouched(target: Target) -> Iterator[Target]:
    yield target
    assert target.leak() == ""


@pytest.mark.parametrize("statement", REFUSED)
def test_what_is_not_known_to_be_harmless_is_refused(untouched: Target, statement: str) -> None:
    reply = untouched.process.ask(
        untouched.filled(statement), param_t=str(untouched.canary), param_d="default", param_ok="t"
    )
    assert reply.code in REFUSALS, reply.text
    assert (reply.status, SECRET in reply.text) == (403, False)
    assert reply.text.startswith(f"Code: {reply.code}. DB::Exception: ")


@pytest.mark.parametrize("statement", NO_STATEMENTS)
def test_what_is_not_one_statement_is_refused(untouched: Target, statement: str) -> None:
    reply = untouched.process.ask(untouched.filled(statement))
    assert (reply.status, reply.code, SECRET in reply.text) == (400, 62, False)


def test_the_readonly_user_gets_no_further(untouched: Target) -> None:
    for statement in REFUSED:
        reply = untouched.process.ask(
            untouched.filled(statement), user=READONLY, param_t=str(untouched.canary), param_d="default", param_ok="t"
        )
        assert reply.code in REFUSALS | {164}, f"{statement}: {reply.text}"


@pytest.mark.parametrize("name", ["canary.csv", "canary", "*", "..", "endpoint.xml", "data"])
def test_no_name_is_a_file_of_the_working_directory(untouched: Target, name: str) -> None:
    reply = untouched.process.ask(f"SELECT * FROM `{name}`")
    assert reply.code in {60, *REFUSALS}


@pytest.mark.parametrize("value", ["/etc/passwd", "@CANARY@", "a/b", "..", "*", "\\x2fetc", "", "a`b"])
def test_a_parameter_is_no_way_to_name_a_file(untouched: Target, value: str) -> None:
    for question in ("SELECT * FROM {t:Identifier}", "DESCRIBE TABLE {t:Identifier}", "SELECT 1 IN {t:Identifier}"):
        assert untouched.process.ask(question, param_t=untouched.filled(value)).code in REFUSALS


def test_a_parameter_may_name_a_table(untouched: Target) -> None:
    assert untouched.process.ask("SELECT count() FROM gate.{t:Identifier}", param_t="t").text == "0\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format_schema", "/x:y"),
        ("input_format_record_errors_file_path", "@OUT@/errors"),
        ("errors_output_format", "CSV"),
        ("format_template_row", "@CANARY@"),
        ("format_avro_schema_registry_url", "http://127.0.0.1:1"),
        ("additional_table_filters", "{'gate.t': 'file(a)'}"),
        ("additional_result_filter", "file('x') = ''"),
        ("input_format_values_interpret_expressions", "1"),
        ("dialect", "prql"),
        ("readonly", "0"),
        ("allow_introspection_functions", "1"),
        ("cluster_for_parallel_replicas", "x"),
        ("storage_policy", "x"),
    ],
)
def test_a_setting_in_the_url_is_judged_too(untouched: Target, name: str, value: str) -> None:
    for user in (FULL, READONLY):
        assert untouched.process.ask("SELECT 1", user=user, **{name: untouched.filled(value)}).code == 497


@pytest.mark.parametrize("name", ["Template", "CapnProto", "Protobuf", "AvroConfluent"])
def test_a_format_that_reads_a_schema_file_is_refused(untouched: Target, name: str) -> None:
    assert untouched.process.ask("SELECT 1", default_format=name).code == 497


@pytest.mark.parametrize("name", ["Dataframe", "ArrowTable", "datastore", "debug", "CSV INTO OUTFILE 'x'", "CSV\n"])
def test_a_format_that_only_the_library_knows_is_unknown(untouched: Target, name: str) -> None:
    reply = untouched.process.ask("SELECT 1", default_format=name)
    assert (reply.status, reply.code) == (400, 73)


@pytest.mark.parametrize("rows", ["('a') (file('@CANARY@'))", "('a'), (file('@CANARY@'))" + " " * 200_000])
def test_rows_that_are_not_judged_are_not_evaluated(untouched: Target, rows: str) -> None:
    reply = untouched.process.ask(untouched.filled(f"INSERT INTO gate.t2 VALUES {rows}"))
    assert reply.status >= 400
    assert SECRET not in untouched.process.ask("SELECT * FROM gate.t2").text
    untouched.process.ask("TRUNCATE TABLE gate.t2")


def test_a_table_function_hidden_as_a_view_is_refused_even_if_such_a_view_exists(target: Target) -> None:
    target.process.ask("CREATE VIEW gate.file AS SELECT {path:String} AS a")
    assert target.process.ask(target.filled("SELECT * FROM file('@CANARY@')"), database="gate").code == 497
    target.process.ask("DROP VIEW gate.file")


def test_a_verdict_does_not_outlive_the_view_it_relied_on(target: Target) -> None:
    target.process.ask("CREATE VIEW gate.v AS SELECT {p:String} AS a")
    assert target.process.ask("SELECT * FROM gate.v(p = 'x')").text == "x\n"
    target.process.ask("DROP VIEW gate.v")
    assert target.process.ask("SELECT * FROM gate.v(p = 'x')").code == 497


def test_everything_that_the_product_and_grafana_send_runs(tmp_path: Path) -> None:
    process = EndpointProcess(tmp_path)
    failures = [
        f"{statement}: {reply.text}" for statement in ALLOWED if (reply := process.ask(statement)).status != 200
    ]
    assert process.stop() == 0
    assert failures == []
