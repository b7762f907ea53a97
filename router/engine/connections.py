"""The live providers of a router, one for each API key: made on first use, closed when the last call of theirs ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from providers import registry
from providers.base import Provider
from providers.credentials.keeper import Credential
from providers.errors import ErrorCode, ProviderError
from providers.foreign import failure_of
from providers.settings import ProviderSettings
from providers.sources import CredentialState
from router.plan.plan import Plan
from router.plan.target import Key, Target
from router.state.guard import Guard


class ProviderPool:
    """Makes and keeps providers by the identity of their key.

    Args:
        given: ready providers by name or by a key's identity, in place of those that the file's settings would make.
        guard: of a key by its identity, None when it was not used; it knows the calls under way.
    """

    def __init__(self, given: Mapping[str, Provider], guard: Callable[[str], Guard | None]) -> None:
        self._given = dict(given)
        self._made: dict[str, Provider] = {}
        self._guard = guard
        self._kept: frozenset[str] = frozenset()
        self._own: set[str] = set()  # callers' own, by the key's identity
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    def of(self, target: Target, key: Key | None = None) -> Provider:
        """Return the provider of a target, also of one that the file no longer has: a request keeps its plan.

        Raises:
            ProviderError: CANCELLED when all were closed.
        """
        key = key or target.keys[0]
        provider = self._made.get(key.identity)
        if provider is not None:
            return provider
        given = None if target.is_own else self._given.get(target.provider)
        return self.made(key) if given is None else given

    def named(self, name: str, plan: Plan) -> Provider:
        """Return the provider of that name; of a pool of keys, the first key's."""
        given = self._given.get(name)
        return self.made(plan.catalogue.keys[name][0]) if given is None else given

    def made(self, key: Key) -> Provider:
        """Return the provider of a key, made on first use."""
        provider = self._made.get(key.identity) or self._given.get(key.identity)
        if provider is None:
            if self._closed:
                raise ProviderError(ErrorCode.CANCELLED, "the router was closed")
            if key.settings is None:
                raise ValueError(f"{key!r} was not made by a plan")
            provider = self._made[key.identity] = _create(key.settings)
            if not self._is_kept(key.identity):  # of a request on an older plan, that waited while it was closed
                self._close_when_idle(key.identity)
        return provider

    def credential(self, key: Key) -> CredentialState | None:
        """Say how the credential of a key is, where a source issues it; None also before its first call."""
        credential = getattr(self._made.get(key.identity), "credential", None)
        return credential.state() if isinstance(credential, Credential) else None

    def under_way(self, plan: Plan) -> dict[str, int]:
        """Count the calls in flight by the name of the provider."""
        guards = {name: [self._guard(key.identity) for key in keys] for name, keys in plan.catalogue.keys.items()}
        return {
            name: sum(guard.limits.in_flight for guard in key_guards if guard is not None)
            for name, key_guards in guards.items()
        }

    def adopt(self, plan: Plan) -> None:
        """Close the providers of keys that the plan does not have, each when its last call has ended."""
        self._kept = plan.keys
        for identity in [identity for identity in self._made if not self._is_kept(identity)]:
            self._close_when_idle(identity)

    def is_given(self, provider: str) -> bool:
        """Say whether the app has made the provider of this name itself."""
        return provider in self._given

    def keep(self, key: Key) -> None:
        """Keep the provider of a caller's own key, once it is made, until it is dropped."""
        self._own.add(key.identity)

    def drop(self, key: Key) -> None:
        """Close the provider of a caller's own key."""
        self._own.discard(key.identity)
        self._close_when_idle(key.identity)

    def _is_kept(self, identity: str) -> bool:
        return identity in self._kept or identity in self._own

    def _close_when_idle(self, identity: str) -> None:
        guard = self._guard(identity)
        if guard is None or guard.limits.in_flight == 0:
            self._retire(identity)
        else:
            guard.limits.on_idle = partial(self._retire, identity)

    def _retire(self, identity: str) -> None:
        if self._is_kept(identity):
            return  # an edit brought it back meanwhile
        provider = self._made.pop(identity, None)
        if provider is not None:
            task = asyncio.get_running_loop().create_task(provider.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    @property
    def open(self) -> int:
        """How many providers have connections that are not closed yet."""
        return len(self._made) + len(self._closing)

    def on_new_loop(self) -> None:
        """Forget what was being closed, which went with the old loop."""
        self._closing.clear()

    async def aclose(self) -> None:
        """Close all providers; calls under way fail at once."""
        self._closed = True
        providers = [*self._made.values(), *self._given.values()]
        self._made, self._given = {}, {}
        for provider in providers:
            await provider.aclose()
        if self._closing:
            await asyncio.wait(self._closing)


def _create(settings: ProviderSettings) -> Provider:
    """Make a provider; what the making of a kind that is not ours fails with is an error of the call."""
    try:
        return registry.create(settings)
    except Exception as error:
        failed = failure_of(error, settings, provider=settings.name, model="")
    raise failed
