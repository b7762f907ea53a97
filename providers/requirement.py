"""What whoever is sent a request must have."""

from __future__ import annotations

from providers.content import Struct


class Requirement(Struct, frozen=True):
    """Labels that a target must have, by name, of each one of these texts; `origin` is who says so, for people."""

    origin: str
    labels: tuple[tuple[str, tuple[str, ...]], ...]
