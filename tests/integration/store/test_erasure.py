"""Deleting what is stored of an organisation, a coach or an artifact."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import typer
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner, Result

from agents.roll_up import LogOnly, RollUp
from app.artifact_refresh import ArtifactRefresh
from app.cli.commands import register
from app.runtime.clock import SystemClock
from app.runtime.settings import Settings
from sinks.clickhouse.erasure import BY_ARTIFACT, LONGEST_LIST, Erasure, Kind, Subject
from tests.integration.store.rows import event_line, insert

pytestmark = pytest.mark.clickhouse

MIDNIGHT, HOUR = 1771113600000, 3_600_000
GONE, STAYS = "it's 100 % \\ ü %(id)s", "org_stays"
OF_ARTIFACTS = ("events", *BY_ARTIFACT[2:-1])
OF_ORGANISATIONS = (
    "events",
    "snapshots_hourly",
    "snapshots_daily",
    "hourly_figures",
    "minute_figures",
    "artifact_hours",
)


def put(store: Client, *lines: dict[str, Any]) -> None:
    """Events, each at an offset of its own."""
    base = {"eventType": "artifact_received", "timestamp": MIDNIGHT}
    insert(store, [event_line(n, eventId=str(uuid.uuid4()), **(base | line)) for n, line in enumerate(lines)])


def compute(store: Client, settings: Settings) -> None:
    """Artifacts and snapshots, as workers make them."""
    ArtifactRefresh(store, settings.clickhouse).run_once()
    assert not RollUp(store, settings, SystemClock(), LogOnly()).recompute(MIDNIGHT, MIDNIGHT + 24 * HOUR).failed


@pytest.fixture
def filled(store: Client, settings: Settings) -> Client:
    """Two organisations; the first events of a note do not know theirs yet, and one coach works for both."""
    put(
        store,
        {"artifactId": "a1"},
        {"artifactId": "a1", "organizationId": GONE, "coachUserId": "anna", "eventType": "transcription_started"},
        {"artifactId": "a2", "organizationId": GONE, "coachUserId": "ben"},
        {"artifactId": "", "organizationId": GONE, "eventType": "budget_exceeded"},
        {"artifactId": "b1", "organizationId": STAYS, "coachUserId": "anna"},
        {"artifactId": "b2", "organizationId": STAYS, "coachUserId": "cleo"},
        {"artifactId": "c1"},
    )
    names = [[GONE, "Gone", 3, 0], [STAYS, "Stays", 4, 0]]
    store.insert("organization_names", names, column_names=["organizationId", "name", "source_offset", "is_deleted"])
    compute(store, settings)
    store.command("INSERT INTO overgrown_artifacts (artifactId) SELECT artifactId FROM artifact_rows")
    return store


def counts(erasure: Erasure) -> dict[str, int]:
    return {one.table: one.rows for one in erasure.count() if one.rows}


def erase(store: Client, settings: Settings, subject: Subject) -> None:
    erasure = Erasure(store, settings.clickhouse, subject, wait=lambda seconds: None)
    assert counts(erasure)
    assert not any(one.rows for one in erasure.erase())


def ids(store: Client, table: str) -> set[str]:
    return {row[0] for row in store.query(f"SELECT DISTINCT artifactId FROM {table}").result_rows}


def test_every_table_that_knows_a_name_or_an_id_is_looked_into(store: Client, settings: Settings) -> None:
    """A new table has to be erased from, too."""
    question = (
        "SELECT DISTINCT table FROM system.columns WHERE database = {database:String} "
        "AND table IN (SELECT name FROM system.tables WHERE database = {database:String} AND engine LIKE '%MergeTree') "
        "AND multiSearchAny(lower(name), ['organization', 'coach', 'artifactid', 'voicenote'])"
    )
    found = store.query(question, parameters={"database": settings.clickhouse.database}).result_rows
    erasure = Erasure(store, settings.clickhouse, Subject(Kind.ORGANISATION, STAYS))
    put(store, {"organizationId": STAYS})
    assert {row[0] for row in found} == {one.table for one in erasure.count()}


def test_an_organisation_goes_with_artifacts_snapshots_and_name(filled: Client, settings: Settings) -> None:
    subject = Subject(Kind.ORGANISATION, GONE)
    found = counts(Erasure(filled, settings.clickhouse, subject))
    assert (found["events"], found["artifact_rows"], found["organization_names"]) == (4, 2, 1)
    assert found["snapshots_hourly"] and found["snapshots_daily"]
    platform = filled.command("SELECT sum(events) FROM snapshots_hourly FINAL WHERE scope = 'platform'")
    erase(filled, settings, subject)
    assert ids(filled, "events") == {"b1", "b2", "c1"}
    assert {row[0] for table in OF_ORGANISATIONS for row in filled.query(
        f"SELECT DISTINCT organizationId FROM {table}").result_rows} == {"", STAYS}  # fmt: skip
    assert filled.query("SELECT name FROM organization_names FINAL").result_rows == [("Stays",)]
    # Neither what workers compute again brings anything back, nor does a whole platform's past change.
    compute_again = ArtifactRefresh(filled, settings.clickhouse)
    compute_again.run_once()
    for table in OF_ARTIFACTS[1:]:
        assert not ids(filled, table) & {"a1", "a2"}, table
    assert filled.command("SELECT sum(events) FROM snapshots_hourly FINAL WHERE scope = 'platform'") == platform


def test_a_coach_goes_with_their_artifacts_in_every_organisation(filled: Client, settings: Settings) -> None:
    erase(filled, settings, Subject(Kind.COACH, "anna"))
    for table in OF_ARTIFACTS:
        assert ids(filled, table) - {"", "c1"} == {"a2", "b2"}, table
    assert filled.command("SELECT count() FROM events WHERE artifactId = ''") == 1


def test_an_artifact_goes_and_only_that(filled: Client, settings: Settings) -> None:
    erase(filled, settings, Subject(Kind.ARTIFACT, "a1"))
    for table in OF_ARTIFACTS:
        assert ids(filled, table) >= {"a2", "b1", "b2"}, table
        assert "a1" not in ids(filled, table)


def test_more_artifacts_than_fit_into_a_statement(store: Client, settings: Settings) -> None:
    long = "'" * 300
    many = LONGEST_LIST // 300 + 50
    put(store, *({"artifactId": f"{long}{number}", "organizationId": GONE} for number in range(many)))
    ArtifactRefresh(store, settings.clickhouse).run_once()
    found = counts(Erasure(store, settings.clickhouse, Subject(Kind.ORGANISATION, GONE)))
    assert (found["events"], found["artifact_rows"]) == (many, many)
    erase(store, settings, Subject(Kind.ORGANISATION, GONE))


def test_rows_that_a_worker_writes_meanwhile_are_deleted_too(filled: Client, settings: Settings) -> None:
    late = [{"artifactId": "a3", "organizationId": GONE}]

    def writes(seconds: float) -> None:
        if late:
            put(filled, late.pop())
            ArtifactRefresh(filled, settings.clickhouse).run_once()

    erasure = Erasure(filled, settings.clickhouse, Subject(Kind.ORGANISATION, GONE), wait=writes)
    erasure.count()
    assert not any(one.rows for one in erasure.erase())
    assert "a3" not in ids(filled, "artifact_rows")


@pytest.fixture
def voicemon(
    filled: Client, new_client: Callable[[], Client], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Runs a command against the test's database."""
    monkeypatch.setenv("VOICEMON_CLICKHOUSE_DATABASE", settings.clickhouse.database)
    monkeypatch.setattr("app.cli.erase.connect", lambda _: new_client())
    monkeypatch.setattr("sinks.clickhouse.erasure.SETTLE_SECONDS", 0)
    app = typer.Typer()
    register(app)
    return lambda *arguments, **options: CliRunner().invoke(app, ["erase", *arguments], **options)


def test_the_command_counts_asks_and_deletes(
    voicemon: Callable[..., Result], filled: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = [(), ("--coach", ""), ("--coach", "a", "--artifact", "b"), ("--coach", "a"), ("--coach", "a", "--json")]
    assert [voicemon(*arguments).exit_code for arguments in wrong] == [2] * len(wrong)
    planned = voicemon("--coach", "anna", "--dry-run")
    assert planned.exit_code == 0
    assert "Nothing was deleted" in planned.stdout
    assert "Kafka" in planned.stdout
    monkeypatch.setattr("app.cli.erase.is_answered", lambda: True)
    refused = voicemon("--coach", "anna", input="n\n")
    assert refused.exit_code == 1
    assert "Delete" in refused.stdout
    assert "a1" in ids(filled, "artifact_rows")
    done = voicemon("--coach", "anna", "--yes", "--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert (answer["coach"], answer["dryRun"]) == ("anna", False)
    events = next(table for table in answer["tables"] if table["table"] == "events")
    assert (events["before"], events["after"]) == (3, 0)
    assert "a1" not in ids(filled, "artifact_rows")
    assert "Nothing is stored" in voicemon("--coach", "anna", "--yes").stdout


def test_an_organisations_name_is_deleted_where_workers_read_it(
    voicemon: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, str | None]] = []

    async def publish(kafka: object, names: dict[str, str | None]) -> bool:
        told.append(names)
        return True

    monkeypatch.setattr("app.cli.erase.publish_names", publish)
    done = voicemon("--organisation", GONE, "--yes")
    assert done.exit_code == 0, done.output
    assert "none is left" in done.stdout
    assert told == [{GONE: None}]
