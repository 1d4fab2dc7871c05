"""`python -m tests.chaos --kills 30 --seed 1`: the long form; exits with 1 if the audit finds a difference."""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import Chaos, Outcome
from tests.chaos.schedule import Plan


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Kill everything, then audit.")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=300.0, help="records a second")
    parser.add_argument("--keep", type=Path, default=None, help="folder for data and logs that is kept")
    chosen = parser.parse_args()
    plan = Plan(chosen.kills, chosen.seed, rate=chosen.rate)
    if chosen.keep is not None:
        chosen.keep.mkdir(parents=True, exist_ok=True)
        return report(run(plan, chosen.keep))
    with tempfile.TemporaryDirectory(prefix="voicemon-chaos-") as folder:
        return report(run(plan, Path(folder)))


def run(plan: Plan, folder: Path) -> Outcome:
    return asyncio.run(Chaos(plan, folder, say).run())


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def report(outcome: Outcome) -> int:
    assert outcome.under_load is not None
    assert outcome.at_rest is not None
    is_clean = outcome.under_load.is_clean and outcome.at_rest.is_clean
    found = {
        "kills": outcome.kills,
        "actions": dict(outcome.actions),
        "records": sum(at.records for at in outcome.at_rest.partitions),
        "workersThatEnded": outcome.ends,
        "slowStops": outcome.slow_stops,
        "clean": is_clean,
        "underLoad": outcome.under_load.as_json()["differences"],
        "atRest": outcome.at_rest.as_json(),
        "seconds": round(outcome.seconds, 1),
    }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
