"""What may be shown of a refused value: its shape, numbers and names of the domain, and no text of anybody."""

import uuid
from typing import Any, Final

import msgspec

from app.domain.event_model import Metadata, PipelineEvent
from app.domain.event_types import ARTIFACT_STATUSES, EVENT_TYPES, STAGES

_ENUMS: Final = frozenset(EVENT_TYPES) | frozenset(STAGES) | frozenset(ARTIFACT_STATUSES)
_KEYS: Final = frozenset(PipelineEvent.__struct_encode_fields__) | frozenset(Metadata.__struct_encode_fields__)
_ENUM_KEYS: Final = frozenset({"eventType", "pipelineStage", "previousStatus", "newStatus"})
MOST_KEYS: Final = 20
LONGEST: Final = 400


def masked(value: bytes | None) -> str:
    """One line that tells what kind of value it is.

    Every text is shown by its length, but for ids of events and names that the domain knows; numbers are shown where
    the domain has a number; names of unknown keys are hidden.
    """
    if value is None:
        return "no value"
    try:
        found = msgspec.json.decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return f"{len(value)} bytes, no JSON"
    text = _shown("", found)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _shown(key: str, value: Any) -> str:
    if isinstance(value, dict):
        return _members(value)
    if isinstance(value, list):
        return f"[{len(value)} items]"
    if value is None or isinstance(value, bool):
        return str(value).lower() if value is not None else "null"
    if isinstance(value, str):
        return f'"{value}"' if _is_harmless(key, value) else f"text({len(value)})"
    return str(value) if key in _KEYS else "number"


def _members(value: dict[str, Any]) -> str:
    known = [
        f"{key}: {_shown(key, inner)}" for key, inner in list(value.items())[:MOST_KEYS] if key in _KEYS | {"metadata"}
    ]
    others = len(value) - len(known)
    return "{" + ", ".join(known + ([f"{others} other keys"] if others else [])) + "}"


def _is_harmless(key: str, value: str) -> bool:
    if key == "eventId":
        try:
            return str(uuid.UUID(value)) == value.lower()
        except ValueError:
            return False
    return key in _ENUM_KEYS and value in _ENUMS
