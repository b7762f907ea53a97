"""Whom a gateway serves, and with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, eq=False)
class Client:
    """Who may ask for which routes."""

    name: str
    routes: frozenset[str] | None = None
    namespace: str = ""
    cache: Literal["use", "skip", "refresh", "only"] = "use"


@dataclass(frozen=True, slots=True, eq=False)
class Serving:
    """What a gateway goes by; sizes in bytes, times in seconds."""

    all_routes: tuple[str, ...] = ()
    clients: Mapping[str, Client] = field(default_factory=dict)
    anonymous: Client | None = None
    max_body: int = 32 * 1024 * 1024
    keepalive: float = 15.0
    origins: tuple[str, ...] = ()
    forward_user: bool = False
    expose_errors: bool = False

    def route_of(self, model: str, client: Client) -> str | None:
        """Return the route that a client's model name leads to."""
        return model if model in self.all_routes and (client.routes is None or model in client.routes) else None

    def listed_for(self, client: Client) -> tuple[str, ...]:
        """Return the names that a client is told of."""
        return tuple(name for name in self.all_routes if client.routes is None or name in client.routes)
