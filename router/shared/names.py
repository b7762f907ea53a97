"""What targets and keys are called at the server: keyed hashes, of which nobody learns what they are; and the way back.

A target is the model with its keys and params, a pair is a model with one key: a key may be in several pools.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from router.plan.target import Key, Target, variant_of


class Place(NamedTuple):
    """What a name stands for in this process: a target, one of its keys, or both together."""

    target: Target
    key: Key | None
    is_pair: bool


class Names:
    """The names of all targets and keys that a process shares, "" for those that it does not.

    Args:
        name: hashes.
    """

    def __init__(self, name: Callable[[str], str]) -> None:
        self._name = name
        self._planned: dict[str, Target] = {}
        self._direct: dict[str, Target] = {}  # those that no plan names, by identity
        self._places: dict[str, list[Place]] | None = None  # made when it is asked for

    def adopt(self, targets: Iterable[Target]) -> None:
        """Take over the targets of a plan; of those that are the same, the first counts."""
        self._planned, self._places = {target.identity: target for target in reversed(tuple(targets))}, None
        self._direct = {identity: target for identity, target in self._direct.items() if identity not in self._planned}

    def met(self, target: Target) -> None:
        """Know a target that is called."""
        if target.identity not in self._planned and target.identity not in self._direct:
            self._direct[target.identity] = target
            self._places = None

    def forget(self, target: Target) -> None:
        """Forget a target that no plan names."""
        if self._direct.pop(target.identity, None) is not None:
            self._places = None

    def of_target(self, target: Target) -> str:
        """Return the name of a target."""
        return self._name(f"target {target.share_id}~{variant_of(target.identity)}") if target.share_id else ""

    def of_key(self, key: Key) -> str:
        """Return the name of a provider's key."""
        return self._name(f"key {key.share_id}") if key.share_id else ""

    def of_pair(self, target: Target, key: Key) -> str:
        """Return the name of a model with one key."""
        if not key.share_id:
            return ""
        return self._name(f"pair {key.share_id}~{variant_of(target.identity)}/{target.model}")

    def find(self, name: str) -> list[Place]:
        """Return what a name stands for; nothing where this process does not have it."""
        if self._places is None:
            self._places = {}
            targets = self._planned | self._direct
            keys = {key.identity: (target, key) for target in targets.values() for key in target.keys}
            for target in targets.values():
                self._add(self.of_target(target), Place(target, None, is_pair=False))
                for key in target.keys:
                    self._add(self.of_pair(target, key), Place(target, key, is_pair=True))
            for target, key in keys.values():
                self._add(self.of_key(key), Place(target, key, is_pair=False))
        return self._places.get(name, [])

    def _add(self, name: str, place: Place) -> None:
        assert self._places is not None
        if name:
            self._places.setdefault(name, []).append(place)
