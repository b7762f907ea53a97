"""What a demo offers beside its router: vendors that can be broken, and traffic that can be changed."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

Fault: TypeAlias = Literal["break", "slow", "limit", "mend"]


class World(Protocol):
    """Simulated vendors under traffic. Its methods may be called from the dashboard's loop."""

    @property
    def traffic(self) -> float:
        """Requests a second that are begun."""
        ...

    def vendor(self, name: str, fault: Fault) -> str:
        """Do this to the vendor of that name; says in a sentence what became of it."""
        ...

    def change_traffic(self, factor: float) -> str:
        """So many times the requests; says what it is now."""
        ...

    def faults(self) -> dict[str, str]:
        """What is wrong with vendors now, by their names; those that are well are left out."""
        ...
