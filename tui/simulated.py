"""What the dashboard needs of a demo: vendors that can be broken, and traffic that can be changed. See `tui.demo`."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias, get_args

Fault: TypeAlias = Literal["break", "slow", "limit", "mend"]
FAULTS: tuple[Fault, ...] = get_args(Fault)


class SimulatedVendors(Protocol):
    """The vendors of a demo, under traffic. Every method may be called from the dashboard's thread."""

    @property
    def traffic(self) -> float:
        """How many requests begin in a second."""
        ...

    def set_fault(self, name: str, fault: Fault) -> str:
        """Break, slow, limit or mend the vendor of this name; returns a sentence on what became of it."""
        ...

    def change_traffic(self, factor: float) -> str:
        """Multiply the traffic by this; returns a sentence on how much it is now."""
        ...

    def commands(self) -> tuple[str, ...]:
        """Return lines for another terminal: each asks the demo's router over HTTP, in another protocol."""
        ...

    def faults(self) -> dict[str, str]:
        """Return what is wrong with each vendor, by its name; vendors that are well are left out."""
        ...
