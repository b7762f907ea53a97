"""A snapshot as JSON, by steps: what is the same as in the last one is not written anew."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from router.monitor.socket import protocol
from router.views.figures import ProviderFigures, RouteFigures, Snapshot

P = TypeVar("P", ProviderFigures, RouteFigures)
_AT_ONCE = 50  # targets of a step

Steps = Generator[None, None, bytes]


class SnapshotEncoder:
    """Encodes the snapshots of one router, one after the other."""

    def __init__(self) -> None:
        self._providers = _Parts[ProviderFigures]()
        self._routes = _Parts[RouteFigures]()

    def encoding(self, snapshot: Snapshot) -> Steps:
        """Make the JSON of a snapshot; see `router.turns`."""
        providers = yield from self._providers.encoding(snapshot.providers)
        routes = yield from self._routes.encoding(snapshot.routes)
        yield  # of a thousand targets this is megabytes, and each copy of them takes a millisecond
        return protocol.encoder.encode(replace(snapshot, providers=msgspec.Raw(providers), routes=msgspec.Raw(routes)))


class _Parts(Generic[P]):
    """The providers or the routes of the last snapshot, by name, each with its JSON."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[P, bytes]] = {}

    def encoding(self, parts: Sequence[P]) -> Steps:
        made: dict[str, tuple[P, bytes]] = {}
        for part in parts:
            last = self._last.get(part.name)
            encoded = last[1] if last is not None and last[0] is part else (yield from _encoded(part))
            made[part.name] = part, encoded
        self._last = made
        yield
        return _listed([encoded for _, encoded in made.values()])


def _encoded(part: Any) -> Steps:
    targets = getattr(part, "targets", ())
    if len(targets) <= _AT_ONCE:
        yield
        return protocol.encoder.encode(part)
    written = []
    for start in range(0, len(targets), _AT_ONCE):
        written += [protocol.encoder.encode(target) for target in targets[start : start + _AT_ONCE]]
        yield
    targets = msgspec.Raw(_listed(written))
    yield
    return protocol.encoder.encode(replace(part, targets=targets))


def _listed(parts: list[bytes]) -> bytes:
    return b"[" + b",".join(parts) + b"]"
