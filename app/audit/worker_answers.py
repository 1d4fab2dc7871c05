"""Workers' counters, each answer compared with the recount at the offsets that it carries."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.audit.partition_recount import Counters, PartitionRecount, name_of
from app.audit.report import Differences, WorkerFigures
from app.domain.counters import COUNTER_TYPES
from app.runtime.errors import VoicemonError
from app.runtime.worker_client import WorkerClient, WorkerUnavailable

WAIT_SECONDS = 20.0
PAUSE_SECONDS = 0.5
# An answer of many organisations by partition is large.
ANSWER_SECONDS = 30.0
ALL_ENTRIES = {"detail": "partitions", "format": "json", "limit": "1000000"}


@dataclass(slots=True)
class Answer:
    """One worker's counters of one partition: every record up to `offset`, in windows from `kept_from_ms` on."""

    figures: WorkerFigures
    offset: int
    kept_from_ms: int
    counters: Counters = field(default_factory=dict)


def ask_workers(urls: Sequence[str], token: str = "") -> tuple[list[WorkerFigures], dict[int, list[Answer]]]:
    """The answers of all workers by partition, the lowest offset first.

    A worker that is recovering is asked again for a while. Raises WorkerUnavailable if one does not answer,
    VoicemonError if it is none.
    """
    workers = [WorkerFigures(url) for url in dict.fromkeys(urls)]
    answers: dict[int, list[Answer]] = {}
    for worker in workers:
        for partition, answer in _ask(worker, token).items():
            worker.offsets[partition] = answer.offset
            answers.setdefault(partition, []).append(answer)
    for found in answers.values():
        found.sort(key=lambda answer: answer.offset)
    return workers, answers


def _ask(worker: WorkerFigures, token: str) -> dict[int, Answer]:
    client = WorkerClient(worker.url, ANSWER_SECONDS, option="--worker", token=token)
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            body = client.json("/tables/counters/", ALL_ENTRIES)
            break
        except WorkerUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)
    if "nextOffset" in body:
        raise VoicemonError(f"{worker.url} has {body['total']:,} counters, too many for one answer: leave --worker out")
    answers = {at["partition"]: Answer(worker, at["offset"], at["keptFrom"]) for at in body["partitions"]}
    for entry in body["entries"]:
        at = (entry.get("organizationId"), entry["windowStart"], COUNTER_TYPES.index(entry["counterType"]))
        answers[entry["partition"]].counters[at] = entry["currentValue"]
    return answers


def compare(answer: Answer, recount: PartitionRecount, differences: Differences) -> None:
    """Note every counter that is not what the recount, which stands at the answer's offset, says.

    A window is compared if all of its events are in the recount and neither side has dropped it.
    """
    from_ms = max(answer.kept_from_ms, recount.cutoff_ms, recount.complete_from_ms)
    ours = {at for at in recount.counters if at[1] >= from_ms}
    theirs = {at for at in answer.counters if at[1] >= from_ms}
    worker, partition = answer.figures, recount.figures.partition
    for at in sorted(ours | theirs, key=lambda at: (at[1], at[0] or "", at[2])):
        worker.counters += 1
        expected, found = recount.counters.get(at, 0), answer.counters.get(at, 0)
        if expected != found:
            worker.differing += 1
            text = f"{worker.url} says {found}, the log {expected}: {name_of(at)}, at offset {answer.offset}"
            differences.add("counters", partition, text)


def compare_at_the_end(answer: Answer, recount: PartitionRecount, differences: Differences) -> None:
    """Note an answer that speaks of records or windows which the log does not explain."""
    partition, url = recount.figures.partition, answer.figures.url
    if answer.kept_from_ms > recount.cutoff_ms:
        text = (
            f"{url} has dropped windows before {answer.kept_from_ms}, by the log only those before {recount.cutoff_ms}"
        )
        differences.add("counters", partition, text)
    if recount.cutoff_ms and any(at[1] < answer.kept_from_ms for at in answer.counters):
        differences.add("counters", partition, f"{url} shows windows that it has dropped")
