"""Whatever the record, fast decoding decides as the rule book does, and never fails in another way."""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.event_types import EVENT_TYPES, STAGES
from app.domain.events import AgeLimits, Anomalies, PipelineEvent, decode_event, decode_leniently, encode_event
from app.domain.rejects import RejectedEvent, RejectReason
from tests.factories import APPEND_TIME_MS, EVENT_ID, TIMESTAMP, event_bytes, event_fields

Outcome = tuple[PipelineEvent, bytes, Anomalies] | RejectReason

NAMES = [
    *("eventId", "eventType", "timestamp", "artifactId", "voiceNoteId", "organizationId", "coachUserId"),
    *("pipelineStage", "stageStartedAt", "stageCompletedAt", "durationMs", "previousStatus", "newStatus"),
    *("errorMessage", "errorCode", "metadata"),
]
METADATA_NAMES = [
    *("sourceChannel", "transcriptDuration", "transcriptWordCount", "confidenceScore", "claimCount", "entityCount"),
    *("draftCount", "autoResolvedCount", "disambiguationCount", "aiModel", "aiCost", "retryAttempt"),
]
BOUNDS = [0, 1, 2**31 - 1, 2**31, 2**53 - 1, 2**53, 2**63, 2**64, TIMESTAMP, 172_800_000, 10**308, 10**309]

numbers = st.one_of(
    st.sampled_from(BOUNDS).flatmap(lambda bound: st.sampled_from([bound - 1, bound, bound + 1, -bound])),
    st.integers(),
    st.floats(),
    st.floats(0, 1),
    st.integers(0, 100).map(float),
)
texts = st.text(st.characters(exclude_categories=()), max_size=12)
ids = st.one_of(st.uuids().map(str), st.uuids().map(lambda id_: str(id_).upper()), st.uuids().map(lambda id_: id_.hex))
leaves = st.one_of(st.none(), st.booleans(), numbers, texts, st.just(""), ids, st.sampled_from([*EVENT_TYPES, *STAGES]))
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
metadata_members = st.dictionaries(st.sampled_from(METADATA_NAMES) | texts, documents, max_size=5)
members = st.lists(st.tuples(st.sampled_from(NAMES) | texts, documents | metadata_members), max_size=4)
timestamps = st.integers(TIMESTAMP - 172_800_000 - 5, TIMESTAMP + 400_000)


def _written(pairs: list[tuple[str, Any]], *, ascii_only: bool) -> bytes:
    """A JSON object that may repeat keys."""
    inside = ",".join(
        f"{json.dumps(name, ensure_ascii=ascii_only)}:{json.dumps(item, ensure_ascii=ascii_only)}"
        for name, item in pairs
    )
    return ("{" + inside + "}").encode("utf-8", "surrogatepass")


def _outcome(decode: Any, value: bytes | None) -> Outcome:
    found = Anomalies()
    try:
        event = decode(value, APPEND_TIME_MS, AgeLimits(), found)
    except RejectedEvent as rejected:
        assert found == Anomalies()
        return rejected.reason
    return event, encode_event(event), found


def _check(value: bytes | None) -> None:
    fast = _outcome(decode_event, value)
    assert fast == _outcome(decode_leniently, value)
    if not isinstance(fast, RejectReason):
        event, canonical, found = fast
        assert found.any_found == (found != Anomalies(any_found=found.any_found))
        assert _outcome(decode_event, canonical)[0] == event
        assert b"null" not in canonical or b"null" in value  # type: ignore[operator]


@settings(max_examples=100, deadline=None)
@given(members, timestamps, st.sampled_from(EVENT_TYPES), st.booleans(), st.randoms(use_true_random=False))
def test_events_with_replaced_and_added_members(
    extra: list[tuple[str, Any]], timestamp: int, event_type: str, ascii_only: bool, order: Any
) -> None:
    pairs = [*event_fields(timestamp=timestamp, eventType=event_type).items(), *extra]
    order.shuffle(pairs)
    _check(_written(pairs, ascii_only=ascii_only))


@settings(max_examples=100, deadline=None)
@given(metadata_members, st.booleans())
def test_events_with_any_metadata(metadata: dict[str, Any], ascii_only: bool) -> None:
    _check(_written(list(event_fields(metadata=metadata).items()), ascii_only=ascii_only))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_events_with_changed_bytes(data: st.DataObject) -> None:
    value = bytearray(event_bytes(errorMessage="a\\u00e9😀", unknown=[1, {"x": "y"}]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(value) - 1))
        piece = data.draw(st.binary(max_size=2) | st.sampled_from([b'"', b"\\", b"\\u", b"{", b"}", b"0", b"-", b","]))
        value[at : at + data.draw(st.integers(0, 2))] = piece
    _check(bytes(value))


NUMBER_TEXTS = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][-+]?[0-9]{1,3})?", fullmatch=True)
PLACES = [
    '"timestamp":%s',
    '"stageStartedAt":%s',
    '"durationMs":%s',
    '"metadata":{"aiCost":%s}',
    '"metadata":{"confidenceScore":%s}',
    '"metadata":{"claimCount":%s}',
    '"metadata":{"retryAttempt":%s}',
    '"unknown":%s',
]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PLACES), NUMBER_TEXTS)
@example('"metadata":{"aiCost":%s}', "2.2250738585072011e-308")
@example('"metadata":{"aiCost":%s}', "9007199254740993")
@example('"metadata":{"aiCost":%s}', "0." + "0" * 400 + "1")
@example('"metadata":{"aiCost":%s}', "179769313486231580793e289")
def test_numbers_written_in_any_way(place: str, number: str) -> None:
    _check(event_bytes()[:-1] + b"," + (place % number).encode() + b"}")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40) | st.none() | documents.map(lambda document: json.dumps(document).encode()))
def test_any_bytes(value: bytes | None) -> None:
    _check(value)


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("0123456789abcdefABCDEFgx-_ \u0661\n"), max_size=40) | ids, st.integers(0, 35))
def test_any_event_id(text: str, at: int) -> None:
    _check(event_bytes(eventId=text))
    _check(event_bytes(eventId=EVENT_ID[:at] + text[:1] + EVENT_ID[at + 1 :]))


ESCAPES = st.lists(
    st.sampled_from(["\\ud83d", "\\ude00", "\\u0000", "\\n", '\\"', "\\\\", "x", "\\uDBFF", "\\uDFFF", "é", "😀"]),
    min_size=1,
    max_size=6,
).map("".join)


@settings(max_examples=100, deadline=None)
@given(ESCAPES, st.sampled_from(["errorMessage", "artifactId", "unknown", "eventType"]))
def test_texts_with_any_escapes(text: str, name: str) -> None:
    value = event_bytes()[:-1] + f',"{name}":"{text}"}}'.encode()
    _check(value)
    outcome = _outcome(decode_event, value)
    if name == "errorMessage" and not isinstance(outcome, RejectReason):
        units = json.loads(f'"{text}"').encode("utf-16-le", "surrogatepass")
        assert outcome[0].error_message == units.decode("utf-16-le", "replace")
