"""Callers' own keys for providers: what a call that brings one is made with, in place of the file's key.

Each key of each caller has a breaker, holds, limits and connections of its own. They are known by a keyed hash, whose
secret is this process's alone: neither a cache nor a figure that tells one key from another tells what it is.
"""

from __future__ import annotations

import dataclasses
import hmac
import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace
from pydantic import SecretStr

from providers.coerce import invalid
from providers.own_keys import OwnKey
from providers.spelling import did_you_mean
from router.config.key_forms import remedy
from router.engine.connections import ProviderPool
from router.plan.catalogue import names_caller
from router.plan.plan import Chain, Plan, Step
from router.plan.target import Key, Target, digest, own_account
from router.state.states import States

_MOST = 256  # keys that are remembered; those that were used longest ago go
_AT_A_TIME = 8  # of them that are looked at when another comes: those in use stay
_SHOWN = 24  # characters of a wrong name: a longer one may be a key


class _Known(msgspec.Struct, eq=False):
    """A caller's key: for which of the file's keys it stands, and the states that it has."""

    key: Key
    file_key: Key
    state_ids: set[str] = set()


class OwnKeys:
    """Remembers the keys that calls bring along, a bounded number of them."""

    def __init__(self, states: States, providers: ProviderPool) -> None:
        self._states = states
        self._providers = providers
        self._secret = secrets.token_bytes(32)
        self._known: dict[str, _Known] = {}  # by the holder; those used last are at the end

    def chain(self, plan: Plan, chain: Chain, keys: tuple[OwnKey, ...]) -> Chain:
        """Return a chain whose targets at these providers are called with these keys, and with no other.

        Raises:
            ProviderError: INVALID_REQUEST, there is no such provider, or none that takes a key.
        """
        own = {}
        for each in keys:
            self._check(plan, each)
            own[each.provider] = self._holder(plan, each)
        used = {target.provider for target in chain.targets} & own.keys()
        if not used:
            return chain
        made = {target: self._target(target, own) for target in chain.targets if target.provider in used}
        tiers = tuple(
            replace(tier, targets=tuple(made.get(each, each) for each in tier.targets)) for tier in chain.tiers
        )
        steps = None if chain.steps is None else tuple(_step(step, made) for step in chain.steps)
        is_apart = chain.answers and (chain.cache is None or chain.cache.own_keys == "apart")
        answers = digest([chain.answers, sorted(own[name] for name in used)]) if is_apart else chain.answers
        out = dict.fromkeys(self._out_by_hand(made), ("draining", "it was taken out by hand"))
        return replace(chain, tiers=tiers, steps=steps, answers=answers, excluded={**chain.excluded, **out})

    def adopt(self, plan: Plan) -> None:
        """Forget the keys of providers that are not as they were."""
        for holder, known in list(self._known.items()):
            if known.file_key.identity not in plan.keys:
                self._forget(holder)

    @property
    def kept(self) -> frozenset[str]:
        """The identities of the keys that are remembered, and of their targets' states."""
        return frozenset(name for known in self._known.values() for name in (known.key.identity, *known.state_ids))

    def _check(self, plan: Plan, own: OwnKey) -> None:
        if own.secret in plan.providers:
            invalid("credentials: name and key have changed places: {PROVIDER: key} is expected")
        settings = plan.providers.get(own.provider)
        if settings is None:
            near = did_you_mean(own.provider, plan.providers)
            is_shown = near or len(own.provider) <= _SHOWN
            name = f'"{own.provider}"' if is_shown else f"so (a name of {len(own.provider)} characters)"
            invalid(f"credentials: no provider is named {name}{near}; providers: {', '.join(plan.providers)}")
        if self._providers.is_given(own.provider):
            invalid(f"credentials: {own.provider} is a provider that the app has made itself, with its key")

    def _holder(self, plan: Plan, own: OwnKey) -> str:
        """Return what stands for a caller's key, which is remembered from now on."""
        file_key = plan.catalogue.keys[own.provider][0]
        text = f"{file_key.identity}\0{own.secret}".encode(errors="surrogatepass")
        holder = hmac.new(self._secret, text, "sha256").hexdigest()[:32]
        known = self._known.pop(holder, None)
        if known is None:
            self._make_room()
            assert file_key.settings is not None, "a plan's keys have settings"
            settings = dataclasses.replace(
                file_key.settings,
                api_key=SecretStr(own.secret),
                credential=None,
                headers={name: text for name, text in file_key.settings.headers.items() if not names_caller(name)},
            )
            known = _Known(Key(f"{own_account(own.provider)}@{holder}", settings), file_key)
            self._providers.keep(known.key)
        self._known[holder] = known
        return holder

    def _target(self, target: Target, own: Mapping[str, str]) -> Target:
        holder = own[target.provider]
        known = self._known[holder]
        made = replace(target, account=own_account(target.provider), keys=(known.key,), budget=None, holder=holder)
        known.state_ids.add(made.state_id)
        state, guard = self._states.guards(made, known.key)
        state.follow(made.breaker, made.limits)
        guard.follow(made.breaker, made.key_limits)
        return made

    def _out_by_hand(self, targets: Iterable[Target]) -> Iterator[str]:
        """Yield the targets that a person has taken out: they get no calls with any key."""
        for target in targets:
            state, keys = self._states.find_target(target.identity), map(self._states.find_key, _ids(target))
            is_out = state is not None and state.is_out_by_hand
            if is_out or all(guard is not None and guard.is_out_by_hand for guard in keys):
                yield target.name

    def _make_room(self) -> None:
        """Forget the keys that were used longest ago; one with a call under way stays."""
        if len(self._known) >= _MOST:
            for holder in list(self._known)[:_AT_A_TIME]:
                self._forget(holder)

    def _forget(self, holder: str) -> None:
        known = self._known[holder]
        if self._states.forget_own(known.key, known.state_ids):
            del self._known[holder]
            self._providers.drop(known.key)


def _step(step: Step, made: Mapping[Target, Target]) -> Step:
    """Return a step of a chain with other targets in its draws."""
    if isinstance(step, int):
        return step
    branches = tuple(
        replace(
            branch,
            steps=tuple(_step(inner, made) for inner in branch.steps),
            targets=tuple(made.get(each, each) for each in branch.targets),
        )
        for branch in step.branches
    )
    return replace(step, branches=branches)


def _ids(target: Target) -> list[str]:
    return [key.identity for key in target.keys]


def coerce_credentials(value: Any) -> tuple[OwnKey, ...]:
    """Make the keys that a call brings along; no error shows one.

    Raises:
        ProviderError: INVALID_REQUEST, they are nothing of the kind.
    """
    if value is None:
        return ()
    if isinstance(value, tuple) and all(isinstance(each, OwnKey) for each in value):
        return value
    if not isinstance(value, Mapping):
        invalid(
            'credentials: a key for each provider is expected, such as {"openai": key}, not '
            f"{'the key alone' if isinstance(value, str) else type(value).__name__}"
        )
    found = []
    for name, key in value.items():
        if not isinstance(name, str) or not name:
            invalid("credentials: the name of a provider of the file is expected before each key")
        secret = key.get_secret_value() if isinstance(key, SecretStr) else key
        why = _why_no_key(secret, name)
        if why:
            shown = name if len(name) <= _SHOWN else f"a provider whose name has {len(name)} characters"
            invalid(f"credentials: the key for {shown}: {why}")
        found.append(OwnKey(name, secret))
    return tuple(sorted(found, key=lambda own: own.provider))


def _why_no_key(key: Any, provider: str) -> str:
    """Say what is wrong with a key; "" where it may be one. It is not shown."""
    if not isinstance(key, str):
        return f"a text is expected, not {type(key).__name__}; leave it out where there is none"
    if not key:
        return "it is empty; leave it out where there is none"
    if not key.isascii() or not key.isprintable() or " " in key:
        return "no vendor could be sent it: it has spaces, line ends or letters beyond ASCII in it"
    if remedy(key, provider) is not None:
        return "it is a placeholder, or the name of a variable, and no key"
    return ""
