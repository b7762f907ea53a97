"""A routes.yaml under hours of simulated traffic and faults, in seconds: the real engine in virtual time."""

from router.simulate.expect import Verdict, judge
from router.simulate.run import Outcome, simulate
from router.simulate.scenario import Loaded, load_scenario

__all__ = ["Loaded", "Outcome", "Verdict", "judge", "load_scenario", "simulate"]
