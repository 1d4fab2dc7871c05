"""How fast one worker counts, beside the bare client and other ways to count, on this machine and in one run."""
