"""The pipeline as circles and arrows."""

from itertools import pairwise
from typing import Final

from deploy.grafana.builder.panels import Json, node_graph
from deploy.grafana.builder.sql import FLOW, LABELS, MINUTES

STAGES_OF_FLOW: Final = ("ingestion", *FLOW)
CIRCLES: Final = ", ".join(f"('{stage}', '{LABELS[stage]}')" for stage in STAGES_OF_FLOW)
ARROWS: Final = ", ".join(f"('{source}', '{target}')" for source, target in pairwise(STAGES_OF_FLOW))
# A stage without any end is there, too: an arrow to a circle that is missing would be an error.
NODES_SQL: Final = f"""
SELECT id, title, mainstat, secondarystat,
    if(mainstat + bad = 0, 1, mainstat / (mainstat + bad)) AS arc__success, 1 - arc__success AS arc__errors
FROM (
    SELECT tupleElement(pair, 1) AS id, tupleElement(pair, 2) AS title
    FROM (SELECT arrayJoin([{CIRCLES}]) AS pair)
) AS stages
LEFT JOIN (
    SELECT stage AS found, sum(good) AS mainstat, sum(s.bad) AS bad,
        avgArrayIfOrNull(times, notEmpty(times)) AS secondarystat
    FROM minute_stages_live AS s
    WHERE {MINUTES}
    GROUP BY found
    UNION ALL
    SELECT 'ingestion', sum(artifactsReceived), 0, NULL
    FROM minute_counts_live
    WHERE {MINUTES}
) AS ends ON found = id
ORDER BY indexOf([{", ".join(repr(stage) for stage in STAGES_OF_FLOW)}], id)
LIMIT 10
"""
EDGES_SQL: Final = f"""
SELECT concat(source, ' ', target) AS id, source, target
FROM (
    SELECT tupleElement(pair, 1) AS source, tupleElement(pair, 2) AS target
    FROM (SELECT arrayJoin([{ARROWS}]) AS pair)
)
LIMIT 10
"""


def flow(number: int, size: tuple[int, int]) -> Json:
    """Stages with their good ends, mean duration and share of failures."""
    about = (
        "Good ends of each stage in the range (of ingestion: receipts), the mean of their durations, and in red the "
        "share of failures."
    )
    return node_graph(number, "Flow", about, NODES_SQL, EDGES_SQL, units=("short", "ms"), size=size)
