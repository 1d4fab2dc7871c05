"""What is in the pipeline now: active artifacts by stage, and names that wait for a person."""

from collections.abc import Mapping
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from app.queries.statements import statement


@dataclass(frozen=True, slots=True)
class PipelineState:
    """Active artifacts by their stage ('' where no event tells it), and the sum of open disambiguations."""

    active: Mapping[str, int]
    open_disambiguations: int


def pipeline_state(client: Client, organization_id: str | None) -> PipelineState:
    """The state of all artifacts, however old they are; an artifact's organisation is the latest that it carried."""
    rows = client.query(statement("artifacts_now"), parameters={"organization_id": organization_id or ""}).result_rows
    return PipelineState({stage: active for stage, active, _ in rows}, sum(waiting for _, _, waiting in rows))
