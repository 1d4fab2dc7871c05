"""What one `publish` costs its caller: python -m tests.bench.bench_publish [BOOTSTRAP [PREFIX]].

Without a bootstrap address nobody listens, which is the case that must not hurt. Prints JSON, one line a scenario, and
exits 1 if a mean is not below 100 microseconds.
"""

import json
import statistics
import sys
import time

from app.publisher import Publisher

LIMIT_US = 100
EVENT = {
    "eventType": "claims_extracted",
    "organizationId": "org_abc123",
    "coachUserId": "user_9",
    "pipelineStage": "claims_extraction",
    "stageStartedAt": 1771165801000,
    "stageCompletedAt": 1771165805000,
    "metadata": {"claimCount": 4, "confidenceScore": 0.87, "aiModel": "gpt-4o", "aiCost": 0.0042},
}


def measure(publisher: Publisher, events: int, rate: int | None) -> list[float]:
    """Microseconds of each call, at a rate a second or without a pause."""
    costs = []
    began = time.perf_counter()
    for number in range(events):
        if rate is not None:
            time.sleep(max(0.0, began + number / rate - time.perf_counter()))
        before = time.perf_counter_ns()
        publisher.publish({**EVENT, "artifactId": f"art_{number % 500}"})
        costs.append((time.perf_counter_ns() - before) / 1000)
    return costs


def run(scenario: str, bootstrap: str, prefix: str, events: int, rate: int | None) -> float:
    """Print a scenario's numbers; returns the mean in microseconds."""
    publisher = Publisher(bootstrap, prefix)
    costs = measure(publisher, events, rate)
    report = publisher.close(0 if scenario.startswith(("broker down", "buffer full")) else 30)
    result = {
        "scenario": scenario,
        "events": events,
        "rate": rate,
        "mean_us": round(statistics.fmean(costs), 1),
        "median_us": round(statistics.median(costs), 1),
        "p99_us": round(statistics.quantiles(costs, n=100)[98], 1),
        "max_us": round(max(costs), 1),
        "delivered": report.stats.delivered,
        "dropped": report.stats.dropped,
    }
    sys.stdout.write(json.dumps(result) + "\n")
    return statistics.fmean(costs)


def main() -> int:
    bootstrap = sys.argv[1] if len(sys.argv) > 1 else ""
    prefix = sys.argv[2] if len(sys.argv) > 2 else ""
    state = "broker up" if bootstrap else "broker down"
    # Nobody listens on port 1.
    address = bootstrap or "127.0.0.1:1"
    means = [
        run(f"{state}, 1,000 a second", address, prefix, 5_000, 1_000),
        run(f"{state}, as fast as possible", address, prefix, 50_000, None),
    ]
    if not bootstrap:
        means.append(run("buffer full, as fast as possible", address, "", 300_000, None))
    return 0 if max(means) < LIMIT_US else 1


if __name__ == "__main__":
    sys.exit(main())
