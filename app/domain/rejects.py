"""Why a record is refused."""

from enum import StrEnum
from typing import Final

MAX_DETAIL_CHARS: Final = 200


class RejectReason(StrEnum):
    """The reasons in the order of the checks; the first check that fails gives the one reason."""

    EMPTY_VALUE = "empty_value"
    INVALID_UTF8 = "invalid_utf8"
    BAD_JSON = "bad_json"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_EVENT_ID = "missing_event_id"
    INVALID_EVENT_ID = "invalid_event_id"
    MISSING_EVENT_TYPE = "missing_event_type"
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    MISSING_TIMESTAMP = "missing_timestamp"
    INVALID_TIMESTAMP = "invalid_timestamp"
    UNKNOWN_STAGE = "unknown_stage"
    TIMESTAMP_TOO_OLD = "timestamp_too_old"
    TIMESTAMP_TOO_NEW = "timestamp_too_new"
    REFUSED_BY_STORE = "refused_by_store"


class RejectedEvent(Exception):
    """A record that is no valid event; it belongs in the dead-letter topic.

    `detail` is one short sentence for people. It never holds the payload's texts, which may be secret.
    """

    def __init__(self, reason: RejectReason, detail: str) -> None:
        self.reason = reason
        self.detail = detail if len(detail) <= MAX_DETAIL_CHARS else detail[: MAX_DETAIL_CHARS - 1] + "…"
        super().__init__(f"{reason}: {self.detail}")
