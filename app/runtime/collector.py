"""How often Python looks for garbage."""

import gc

THRESHOLDS = (100_000, 50, 50)


def collect_rarely() -> None:
    """Look for cycles of garbage rarely from now on.

    Rows and ids live for seconds or days; looking through all of them every few thousand objects costs a third of the
    counting speed, and hardly any of them is part of a cycle.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
