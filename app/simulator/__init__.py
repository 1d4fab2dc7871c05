"""Simulated publishers: whole artifacts through all stages, at an exact rate, the same for the same seed."""

from app.simulator.names import organization_names
from app.simulator.options import SimulationOptions
from app.simulator.runner import SimulationSummary, run_simulation
from app.simulator.timeline import Scheduled, Timeline

__all__ = ["Scheduled", "SimulationOptions", "SimulationSummary", "Timeline", "organization_names", "run_simulation"]
