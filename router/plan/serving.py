"""Whom a gateway serves, and with what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from router.config.listen import Address, read_address


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
    listen: tuple[Address, ...] = (Address("127.0.0.1", 4180),)
    in_flight: int = 512
    max_connections: int = 1000
    drain: float = 30.0
    lead: float = 0.0
    tls: Any = None
    workers: int = 1
    audit: str | None = None
    metrics: Address | None = None

    def listening_at(self, addresses: Iterable[str]) -> Serving:
        """Return the same at other addresses."""
        return replace(self, listen=tuple(read_address(address) for address in addresses))

    def route_of(self, model: str, client: Client) -> str | None:
        """Return the route that a client's model name leads to."""
        return model if model in self.all_routes and (client.routes is None or model in client.routes) else None

    def listed_for(self, client: Client) -> tuple[str, ...]:
        """Return the names that a client is told of."""
        return tuple(name for name in self.all_routes if client.routes is None or name in client.routes)
