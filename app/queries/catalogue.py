"""Every question to the store; HTTP routes, their description and commands are made from it."""

from typing import Final

from app.queries.artifacts import ACTIVE, ARTIFACT, ARTIFACTS, FAILED, STUCK
from app.queries.breakdowns import HISTORY, ORGANIZATIONS, STAGES
from app.queries.distributions import CHANNELS, CONFIDENCE, FUNNEL
from app.queries.events import ERRORS, EVENTS
from app.queries.minutes import MINUTES
from app.queries.overview import OVERVIEW
from app.queries.query import Query
from app.queries.stage_errors import STAGE_ERRORS
from app.queries.timeline import RETRIES, TIMELINE

CATALOGUE: Final[tuple[Query, ...]] = (
    HISTORY,
    OVERVIEW,
    MINUTES,
    STAGES,
    STAGE_ERRORS,
    FUNNEL,
    CONFIDENCE,
    CHANNELS,
    ORGANIZATIONS,
    EVENTS,
    ERRORS,
    TIMELINE,
    RETRIES,
    ARTIFACTS,
    ACTIVE,
    FAILED,
    STUCK,
    ARTIFACT,
)
