"""Publishers while all around them is killed: simulated artifacts, repeats, late ones, copies and bad records."""

import json
import random
import threading
import uuid
from collections.abc import Mapping

from app.publisher import CloseReport, Publisher
from app.runtime.clock import SystemClock
from app.simulator import SimulationOptions, run_simulation

BAD_VALUES = (b"", None, b"{", b"[]", b"\xff\xfe", b'{"eventType":"artifact_received"}', b'"text"')
BAD_SHARE, COPY_SHARE, OLD_SHARE = 0.03, 0.01, 0.01
LATE_A_SECOND = 60.0
"""Late ones do not become more with the rate: more of each second's, and every insert would be of dozens of hours."""
CLOSE_SECONDS = 60.0


class Load:
    """Runs in a thread of its own between `start` and `stop`."""

    def __init__(self, bootstrap: str, prefix: str, rate: float, seed: int, late_rate: float | None = None) -> None:
        self._publisher = Publisher(bootstrap, prefix)
        options = SimulationOptions(
            rate=rate,
            seconds=None,
            organisations=20,
            seed=seed,
            failure_rate=0.1,
            duplicate_rate=0.1,
            late_rate=min(0.2, LATE_A_SECOND / rate) if late_rate is None else late_rate,
        )
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=run_simulation, args=(self, options, SystemClock(), self._stop), daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> CloseReport:
        self._stop.set()
        self._thread.join(10)
        return self._publisher.close(CLOSE_SECONDS)

    def publish(self, event: Mapping[str, object]) -> bool:
        draw = self._random.random()
        now_ms = SystemClock().now_ms()
        if draw < BAD_SHARE:
            value = self._random.choice(BAD_VALUES)
            self._publisher.publish_record(str(self._random.random()).encode(), value, now_ms)
        elif draw < BAD_SHARE + COPY_SHARE:
            self._publisher.publish_record(b"another key", json.dumps(event).encode(), now_ms)
        elif draw < BAD_SHARE + COPY_SHARE + OLD_SHARE:
            old = {**event, "eventId": str(uuid.UUID(int=self._random.getrandbits(128))), "timestamp": 1_000_000}
            self._publisher.publish_record(None, json.dumps(old).encode(), now_ms)
        return self._publisher.publish(event)
