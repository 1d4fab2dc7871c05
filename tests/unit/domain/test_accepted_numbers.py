"""Which numbers of accepted events are usable, by both ways of decoding."""

import json
import math
from typing import Any

import pytest

from app.domain.events import Anomalies, Metadata, encode_event
from app.domain.windows import HOUR_MS
from tests.factories import bare_bytes
from tests.unit.domain.ways_of_decoding import Accept


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        ("0", 0),
        ("-0", 0),
        ("-0.0", 0),
        ("4.0", 4),
        ("2e3", 2000),
        ("2147483647", 2**31 - 1),
        ("2147483648", None),
        ("-1", None),
        ("1.5", None),
        ("1e400", None),
        ("9" * 400, None),
        ("9" * 5000, None),
        ('"4"', None),
        ("true", None),
        ("[]", None),
        ('""', None),
    ],
)
@pytest.mark.parametrize(
    "name",
    ["transcriptWordCount", "claimCount", "entityCount", "draftCount", "autoResolvedCount", "disambiguationCount"],
)
def test_counts_are_whole_numbers_from_0_to_2147483647(
    accept: Accept, name: str, text: str, usable: int | None
) -> None:
    event, found = accept(bare_bytes(f'"metadata":{{"{name}":{text}}}'))
    shown = json.loads(encode_event(event))["metadata"]
    assert shown == ({} if usable is None else {name: usable})
    assert found.unusable_values == (usable is None)


@pytest.mark.parametrize(("text", "usable"), [("1", 1), ("0", None), ("-0", None), ("2147483648", None), ("1.0", 1)])
def test_attempts_are_counted_from_1(accept: Accept, text: str, usable: int | None) -> None:
    event, found = accept(bare_bytes(f'"metadata":{{"retryAttempt":{text}}}'))
    assert event.metadata == Metadata(retry_attempt=usable)
    assert found.unusable_values == (usable is None)


NUMBERS = [
    ("0", 0.0),
    ("-0", 0.0),
    ("-0.0", 0.0),
    ("-1e-400", 0.0),
    ("1", 1.0),
    ("1.0", 1.0),
    ("0.5", 0.5),
    ("5e-324", 5e-324),
    ("-5e-324", None),
    ("-1", None),
    ("1e400", None),
    ("9" * 400, None),
    ("true", None),
    ("false", None),
    ('"0.5"', None),
    ("[0.5]", None),
]


@pytest.mark.parametrize(
    ("text", "usable"), [*NUMBERS, ("1.0000000000000002", None), ("2", None), ("1e308", None), ("9" * 25, None)]
)
def test_confidence_is_a_number_from_0_to_1(accept: Accept, text: str, usable: float | None) -> None:
    event, found = accept(bare_bytes(f'"metadata":{{"confidenceScore":{text}}}'))
    assert event.metadata == Metadata(confidence_score=usable)
    assert found.unusable_values == (usable is None)


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        *NUMBERS,
        ("1e308", 1e308),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("9" * 25, 1e25),
        ("9007199254740993", 9007199254740992.0),
        ("41.5", 41.5),
    ],
)
@pytest.mark.parametrize("name", ["aiCost", "transcriptDuration"])
def test_amounts_are_finite_and_not_negative(accept: Accept, name: str, text: str, usable: float | None) -> None:
    event, found = accept(bare_bytes(f'"metadata":{{"{name}":{text}}}'))
    shown = json.loads(encode_event(event))["metadata"].get(name)
    assert shown == usable
    assert shown is None or math.copysign(1, shown) == 1
    assert found.unusable_values == (usable is None)


@pytest.mark.parametrize(
    ("text", "usable"),
    [("0", 0), ("-0", 0), ("9007199254740991", 2**53 - 1), ("9007199254740992", None), ("-1", None), ("1e3", 1000)],
)
@pytest.mark.parametrize("name", ["stageStartedAt", "stageCompletedAt"])
def test_stage_times_are_whole_numbers_from_0_to_2_to_the_53(
    accept: Accept, name: str, text: str, usable: int | None
) -> None:
    event, found = accept(bare_bytes(f'"{name}":{text}'))
    assert json.loads(encode_event(event)).get(name) == usable
    assert found.unusable_values == (usable is None)


DURATIONS: list[tuple[dict[str, Any], int | None, Anomalies]] = [
    ({"durationMs": 5}, 5, Anomalies()),
    ({"durationMs": 0}, 0, Anomalies()),
    ({"durationMs": 5.0}, 5, Anomalies()),
    ({"durationMs": 48 * HOUR_MS}, 48 * HOUR_MS, Anomalies()),
    ({"durationMs": 48 * HOUR_MS + 1}, 48 * HOUR_MS + 1, Anomalies(bad_durations=1, any_found=True)),
    ({"durationMs": -1}, -1, Anomalies(bad_durations=1, any_found=True)),
    ({"durationMs": 1e300}, 2**53 - 1, Anomalies(bad_durations=1, any_found=True)),
    ({"durationMs": 10**300}, 2**53 - 1, Anomalies(bad_durations=1, any_found=True)),
    ({"durationMs": -(10**300)}, 1 - 2**53, Anomalies(bad_durations=1, any_found=True)),
    ({"durationMs": 10**400}, None, Anomalies(unusable_values=1, any_found=True)),
    ({"durationMs": 5.5}, None, Anomalies(unusable_values=1, any_found=True)),
    ({"durationMs": "5"}, None, Anomalies(unusable_values=1, any_found=True)),
    ({"durationMs": True}, None, Anomalies(unusable_values=1, any_found=True)),
    ({"stageStartedAt": 10, "stageCompletedAt": 17, "durationMs": 5}, 7, Anomalies()),
    ({"stageStartedAt": 10, "stageCompletedAt": 17, "durationMs": -5}, 7, Anomalies()),
    ({"stageStartedAt": 10, "stageCompletedAt": 10}, 0, Anomalies()),
    ({"stageStartedAt": 17, "stageCompletedAt": 10}, None, Anomalies(bad_durations=1, any_found=True)),
    ({"stageStartedAt": 17, "stageCompletedAt": 10, "durationMs": 5}, None, Anomalies(bad_durations=1, any_found=True)),
    (
        {"stageStartedAt": 0, "stageCompletedAt": 48 * HOUR_MS + 1},
        None,
        Anomalies(bad_durations=1, any_found=True),
    ),
    (
        {"stageStartedAt": 17, "stageCompletedAt": 10, "durationMs": -5},
        None,
        Anomalies(bad_durations=1, any_found=True),
    ),
    ({"stageStartedAt": 10}, None, Anomalies()),
    ({"stageCompletedAt": 10, "durationMs": 5}, 5, Anomalies()),
    (
        {"stageStartedAt": "x", "stageCompletedAt": 10, "durationMs": 5},
        5,
        Anomalies(unusable_values=1, any_found=True),
    ),
]


@pytest.mark.parametrize(("members", "duration_ms", "anomalies"), DURATIONS)
def test_the_duration_comes_from_both_stage_times_else_from_the_supplied_one(
    accept: Accept, members: dict[str, Any], duration_ms: int | None, anomalies: Anomalies
) -> None:
    event, found = accept(bare_bytes(json.dumps(members)[1:-1]))
    assert event.duration_ms == duration_ms
    assert found == anomalies
