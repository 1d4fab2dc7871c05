"""The demo: everything on one machine, with simulated publishers."""
