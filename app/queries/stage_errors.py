"""What goes wrong in one stage, by message."""

from typing import Final

from clickhouse_connect.driver.client import Client
from msgspec import UNSET, UnsetType

from app.domain.event_types import FAIL, STAGE_OF_TYPE, Stage
from app.queries.fields import Answer, EventLimitField, RangeParameters, StageField
from app.queries.query import Query
from app.queries.spans import KEPT_HOURS, span
from app.queries.statements import statement


class StageErrorsParameters(RangeParameters, frozen=True, kw_only=True):
    """Which stage."""

    stage: StageField
    limit: EventLimitField = 50


class StageError(Answer, frozen=True, kw_only=True):
    """Failures with one message and code, as far as they have them; `last_at` is the latest one's time."""

    error_message: str | UnsetType = UNSET
    error_code: str | UnsetType = UNSET
    count: int
    last_at: int


class StageErrors(Answer, frozen=True, kw_only=True):
    """Failures of a stage, the most frequent first."""

    stage: Stage
    errors: list[StageError]


def stage_errors(client: Client, parameters: StageErrorsParameters, now_ms: int) -> StageErrors:
    """The stage's failures in the range, by default of the last 48 hours."""
    rows = client.query(
        statement("stage_errors"),
        parameters=span(parameters, now_ms, KEPT_HOURS)
        | {"stage": parameters.stage, "types": _types(parameters.stage), "limit": parameters.limit},
    ).result_rows
    errors = [
        StageError(error_message=message or UNSET, error_code=code or UNSET, count=count, last_at=last_at)
        for message, code, count, last_at in rows
    ]
    return StageErrors(stage=parameters.stage, errors=errors)


def _types(stage: Stage) -> list[str]:
    """The stage's own failures; where no type is one, those of artifacts and retries that name the stage.

    Not both: a bad note has a failure of its stage and one of the artifact.
    """
    own = [name for name in FAIL if STAGE_OF_TYPE[name] == stage]
    return own or sorted(name for name in FAIL if STAGE_OF_TYPE[name] is None)


STAGE_ERRORS: Final = Query(
    name="stage-errors",
    path="/api/v1/stages/{stage}/errors",
    summary="Failures of a stage by message",
    description="The stage's failures by message and code, the most frequent first; by default of the last 48 hours.",
    parameters=StageErrorsParameters,
    answer=StageErrors,
    run=stage_errors,
    rows="errors",
    columns=("errorMessage", "errorCode", "count", "lastAt"),
)
