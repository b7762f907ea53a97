"""A loopback server that speaks like OpenAI, Anthropic and Ollama, with faults to order."""

from providers.simulator.callers import Callers
from providers.simulator.server import Simulator
from providers.simulator.sigv4 import Keys
from providers.simulator.vendor import Recorded, SimulatedVendor, VendorKnobs

__all__ = ["Callers", "Keys", "Recorded", "SimulatedVendor", "Simulator", "VendorKnobs"]
