"""Kills ClickHouse in the middle of inserts, sends them again and counts what is missing.

    python -m tests.chaos.insert_kills --rounds 60 --token

With a deduplication token some retries are dropped although their rows are gone; without one none is.
"""

import argparse
import json
import random
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.endpoint_process import EndpointProcess, Reply

HOURS = 20
"""Partitions of an insert: each becomes a part of its own."""

TABLE = """CREATE TABLE kills.t (hour UInt32, id UInt64) ENGINE = ReplacingMergeTree PARTITION BY hour ORDER BY id
SETTINGS non_replicated_deduplication_window = 10000"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--token", action="store_true", help="send a deduplication token, the same with the retry")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        endpoint = EndpointProcess(Path(folder), "--port", "0")
        assert endpoint.ask("CREATE DATABASE kills").status == endpoint.ask(TABLE).status == 200
        short = 0
        for number in range(options.rounds):
            settings = {"insert_deduplication_token": f"{number}"} if options.token else {"insert_deduplicate": "0"}
            endpoint = one_round(endpoint, number, rng.uniform(0.002, 0.022), Path(folder), settings)
            found = int(endpoint.ask(f"SELECT count() FROM kills.t FINAL WHERE intDiv(id, 1000) = {number}").text)
            if found != HOURS:
                short += 1
                print(f"round {number}: {found} of {HOURS} rows", flush=True)  # noqa: T201
        endpoint.kill()
    print(f"{short} of {options.rounds} acknowledged inserts lack rows")  # noqa: T201


def one_round(
    endpoint: EndpointProcess, number: int, after: float, folder: Path, settings: dict[str, str]
) -> EndpointProcess:
    """An insert that is killed, and its retry on the endpoint that takes the dead one's place."""
    rows = "\n".join(json.dumps({"hour": hour, "id": number * 1000 + hour}) for hour in range(HOURS))
    statement = "INSERT INTO kills.t FORMAT JSONEachRow\n" + rows

    query: dict[str, Any] = dict(settings)

    def insert() -> Reply | None:
        try:
            return endpoint.ask(statement, async_insert="0", **query)
        except OSError:
            return None

    sender = threading.Thread(target=insert)
    sender.start()
    time.sleep(after)
    endpoint.kill()
    sender.join()
    endpoint = EndpointProcess(folder, "--port", "0")
    reply = insert()
    assert reply is not None and reply.status == 200, reply
    return endpoint


if __name__ == "__main__":
    main()
