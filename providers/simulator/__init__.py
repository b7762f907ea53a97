"""A loopback server that speaks like OpenAI, Anthropic and Ollama, with faults to order."""

from providers.simulator.server import Simulator
from providers.simulator.vendor import Recorded, SimulatedVendor, VendorKnobs

__all__ = ["Recorded", "SimulatedVendor", "Simulator", "VendorKnobs"]
