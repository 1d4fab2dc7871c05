"""Commands made from the catalogue."""

import csv
import io

import pytest
import typer
from typer.testing import CliRunner

from app.cli.answer_output import print_csv, print_rows
from app.cli.commands import register
from app.cli.output import print_table
from app.cli.question import _names, _row_type
from app.queries.catalogue import CATALOGUE
from app.queries.errors import InvalidParameter
from app.queries.parameters import fields_of


@pytest.fixture(scope="module")
def voicemon() -> typer.Typer:
    app = typer.Typer()
    register(app)
    return app


@pytest.mark.parametrize("query", CATALOGUE, ids=lambda query: query.name)
def test_a_command_has_an_option_or_an_argument_for_each_parameter(voicemon: typer.Typer, query: object) -> None:
    command = typer.main.get_command(voicemon).commands["query"].commands[query.name]  # type: ignore[attr-defined]
    made = {parameter.name: parameter for parameter in command.params}
    for name, field in fields_of(query.parameters).items():
        parameter = made.pop(field.name)
        in_path = f"{{{name}}}" in query.path  # type: ignore[attr-defined]
        assert parameter.param_type_name == ("argument" if in_path else "option")
        assert in_path or f"--{field.name.replace('_', '-')}" in parameter.opts
    assert set(made) - {"help"} == {"as_json", "as_csv"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["events", "--limit", "0"], "parameter 'limit' is 0, but must be 1 to 500"),
        (["history", "--period", "weekly"], "unknown periodType 'weekly'; known: "),
        (["history", "--from", "2026-02-16", "--to", "2026-02-15"], "parameter 'startTime' is later than 'endTime'"),
        (["events", "--event-type", "draft_confirmed", "--event-type", "nonsense"], "unknown eventType 'nonsense'"),
        (["errors", "--organization", ""], "parameter 'organizationId' is empty"),
    ],
)
def test_wrong_parameters_are_wrong_use_in_the_words_of_the_api(
    voicemon: typer.Typer, arguments: list[str], sentence: str
) -> None:
    error = CliRunner().invoke(voicemon, ["query", *arguments]).exception
    assert isinstance(error, InvalidParameter)
    assert str(error).startswith(sentence)
    assert error.exit_code == 2


def test_json_and_csv_exclude_each_other(voicemon: typer.Typer) -> None:
    assert CliRunner().invoke(voicemon, ["query", "errors", "--json", "--csv"]).exit_code == 2


def test_an_argument_that_is_missing_is_wrong_use(voicemon: typer.Typer) -> None:
    assert CliRunner().invoke(voicemon, ["query", "timeline"]).exit_code == 2


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff20"])
def test_a_text_that_reads_as_a_formula_gets_an_apostrophe(start: str) -> None:
    out = io.StringIO()
    print_csv(["text", "number"], [{"text": f"{start}1+1", "number": -3}], out)
    assert list(csv.reader(io.StringIO(out.getvalue(), newline="")))[1] == [f"'{start}1+1", "-3"]


def test_csv_keeps_every_text_and_leaves_absent_values_empty() -> None:
    out = io.StringIO()
    names = ["text", "metadata.aiCost", "done", "absent"]
    print_csv(names, [{"text": 'a "b",\nc;ü', "metadata": {"aiCost": 0.25}, "done": True}, {"text": "x"}], out)
    rows = list(csv.reader(io.StringIO(out.getvalue(), newline="")))
    assert rows == [names, ['a "b",\nc;ü', "0.25", "true", ""], ["x", "", "", ""]]


def test_the_header_of_events_holds_their_figures_too() -> None:
    [events] = [query for query in CATALOGUE if query.name == "events"]
    names = list(_names(_row_type(events)))
    assert names[:3] == ["eventId", "eventType", "timestamp"]
    assert "metadata.aiCost" in names


def test_texts_of_events_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    text = "[/]\x1b[2J\x07\u202egnp.exe\u2066 \N{ZERO WIDTH NO-BREAK SPACE} ü 👩\u200d🚀 " + "x" * 10_000
    print_rows(["errorMessage"], [{"errorMessage": text}])
    print_table(f"[red]{text}", ("Id", "Text"), [("a", text), ("[bold]", "")])
    shown = capsys.readouterr().out
    assert not {char for char in shown if not char.isprintable()} - {"\n", "\u200d"}
    assert shown.count("[/]·[2J") == 3
    assert "[red][/]" in shown
    assert "[bold]" in shown
    assert shown.count("👩\u200d🚀") == 3
    assert shown.count("x") >= 20_000, "whole in both cells"


def test_a_table_shows_times_in_utc_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(["timestamp", "errorMessage", "count"], [{"timestamp": 1771113600000, "errorMessage": "[red]x"}])
    shown = capsys.readouterr().out
    assert "2026-02-15T00:00:00Z" in shown
    assert "[red]x" in shown
    assert "timestamp (UTC)" in shown
