"""The end of a command that may have left work behind."""

import os
import sys


def leave(code: int) -> None:
    """End the process now.

    Leaving the loop would join threads and tasks that wait for a ClickHouse or Kafka that does not answer, up to
    their own timeouts; nothing that they do is needed any more.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
