"""The compiled file: immutable chains of tiers of targets. Made off to the side, swapped in as one reference."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, TypeVar, cast

import msgspec

from providers import registry
from providers.base import Provider
from providers.errors import ErrorCode
from providers.settings import ProviderSettings
from providers.types import ModelCapabilities, Price, Timeout
from router.backoff import HedgeRules, RetryRules
from router.balance import Balancer, make_balancer
from router.breaker import BreakerRules
from router.cache.rules import CacheRules
from router.config import LoadResult, RoutesFile, effective
from router.config.schema import BudgetAmount, ModelConfig, OnStreamBreak, SlowCall
from router.limits import Limits
from router.target import Budget, Key, Target

Rules = TypeVar("Rules")


@dataclass(frozen=True, slots=True, eq=False)
class Tier:
    """Targets that share load. A fallback tier serves only after the codes in `on` (None: after those of the
    table that fall back). `gate` is the index of the tier that must have been entered before."""

    targets: tuple[Target, ...]
    balance: str
    balancer: Balancer
    on: frozenset[ErrorCode] | None = None
    gate: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """What a route compiled to. `total` is the request's deadline in seconds. None: no limit, hedge, budget, cache."""

    route: str
    tiers: tuple[Tier, ...]
    retry: RetryRules
    total: float | None
    on_stream_break: OnStreamBreak = "error"
    hedge: HedgeRules | None = None
    budget: Budget | None = None
    cache: CacheRules | None = None
    answers: str = ""  # what its targets are, as far as it can change an answer; a hash
    names_refusals: bool = field(init=False)  # whether a tier takes over after refusals

    def __post_init__(self) -> None:
        named = any(tier.on is not None and ErrorCode.CONTENT_FILTERED in tier.on for tier in self.tiers)
        object.__setattr__(self, "names_refusals", named)

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(target for tier in self.tiers for target in tier.targets)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All chains of one accepted revision, and the settings of the providers they need (of a pool's first key)."""

    revision: str
    file: RoutesFile
    chains: Mapping[str, Chain]
    providers: Mapping[str, ProviderSettings]
    told: Told
    loaded: LoadResult | None = None

    @property
    def targets(self) -> list[Target]:
        """All targets of all chains."""
        return [target for chain in self.chains.values() for target in chain.targets]

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """All budgets of the file."""
        found = [self.budget_of(name) for name in self.file.providers]
        found += [chain.budget for chain in self.chains.values()]
        return tuple(budget for budget in found if budget is not None)

    def budget_of(self, provider: str) -> Budget | None:
        return _budget("provider", provider, self.file.providers[provider].budget)

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Budgets that can't count all of their calls, since a price is not known: a sentence each."""
        lacking: dict[str, set[str]] = {}
        for chain in self.chains.values():
            for target in chain.targets:
                if target.capabilities.price is None and not target.disabled:
                    for budget in filter(None, (chain.budget, target.budget)):
                        lacking.setdefault(budget.purse, set()).add(target.name)
        return tuple(
            f"the budget of {purse} does not count {', '.join(sorted(names))}: the price is not known; "
            "write it as `price: {input: …, output: …}` (USD per million tokens) under models"
            for purse, names in lacking.items()
        )

    def chain(self, name: str) -> Chain | None:
        """The chain of a route, of a model of the file, or of `provider/model-id`; None when nothing has the name."""
        found = self.chains.get(name)
        if found is not None:
            return found
        if self.file.resolve_target(name) is None:
            return None
        return _direct(self.file, self.told, name)


def compile_plan(loaded: LoadResult) -> Plan:
    """A plan of a file that loaded without errors."""
    file = loaded.file
    if file is None:
        raise ValueError("a file with errors can't be compiled")
    told = Told(file, {name: _settings(file, name) for name in file.providers})
    chains = {name: _chain(file, told, name) for name in file.routes}
    chains |= {name: _direct(file, told, name) for name in file.models}
    settings = {name: keys[0] for name, keys in told.settings.items()}
    return Plan(loaded.revision, file, chains, settings, told, loaded)


class Told:
    """What a file and its providers tell of targets, each thing made once. Providers are made for this only, and never
    connect.

    Args:
        settings: of each provider by name, once for each of its keys.
    """

    def __init__(self, file: RoutesFile, settings: Mapping[str, tuple[ProviderSettings, ...]]) -> None:
        self._file = file
        self._rules: dict[tuple[str, str | None, str | None, str | None], Any] = {}
        self.settings = settings
        self.keys = {name: _keys(name, each) for name, each in settings.items()}
        self._made: dict[str, Provider] = {}

    def rules(
        self,
        policy: str,
        make: Callable[..., Rules],
        *,
        provider: str,
        model: str | None = None,
        route: str | None = None,
    ) -> Rules:
        """What `make` makes of the policy's values; the same for all models that do not say otherwise."""
        if model is not None and not getattr(self._file.models[model], policy).model_fields_set:
            model = None
        place = policy, provider, model, route
        if place not in self._rules:
            self._rules[place] = make(**_values(self._file, policy, provider=provider, model=model, route=route))
        return cast(Rules, self._rules[place])

    def account(self, provider: str) -> str:
        """What stands for the provider with all that shapes its connection."""
        keys = self.keys[provider]
        if len(keys) == 1:
            return keys[0].identity
        return f"{provider}:{_digest(sorted(key.identity for key in keys))}"

    def capabilities(self, provider: str, model: str) -> ModelCapabilities:
        if provider not in self._made:
            self._made[provider] = registry.create(self.settings[provider][0])
        return self._made[provider].capabilities(model)


def _keys(provider: str, settings: tuple[ProviderSettings, ...]) -> tuple[Key, ...]:
    made = []
    for number, each in enumerate(settings, 1):
        shape = [each.kind, each.base_url, each.secret, sorted(each.headers.items()), each.proxy, each.verify]
        shape.append(sorted((key, repr(value)) for key, value in each.options.items()))
        # A hash, since the key is in it.
        made.append(Key(f"{provider}:{_digest(shape)}", each, number if len(settings) > 1 else 0))
    return tuple(made)


def _digest(shape: object) -> str:
    return hashlib.sha256(repr(shape).encode(errors="surrogateescape")).hexdigest()[:16]


def _values(file: RoutesFile, policy: str, **where: str | None) -> dict[str, Any]:
    names = {"provider": None, "model": None, "route": None} | where
    return {key: found.value for key, found in effective(file, policy, **names).items()}


def _hedge(file: RoutesFile, route: str) -> HedgeRules | None:
    values = _values(file, "hedge", route=route)
    return None if values["after"] is None else HedgeRules(**values)


def _cache(file: RoutesFile, route: str) -> CacheRules | None:
    values = _values(file, "cache", route=route)
    stale = values.pop("stale_if_error")
    if values["ttl"] is None:
        return None
    return CacheRules(stale_for=inf if stale is True else float(stale or 0.0), **values)


def _answers(tiers: list[Tier]) -> str:
    """A key that is changed for another, weights, timeouts and the order of targets change no answer."""
    found = set()
    for target in (target for tier in tiers for target in tier.targets):
        made = target.keys[0].settings
        shape: list[Any] = [target.model, sorted((name, repr(value)) for name, value in target.params.items())]
        if made is not None:
            shape += [made.kind, made.base_url, sorted(made.headers.items())]
            shape.append(sorted((name, repr(value)) for name, value in made.options.items()))
        found.add(repr(shape))
    return _digest(sorted(found))


def _budget(scope: str, name: str, written: BudgetAmount | None) -> Budget | None:
    return None if written is None else Budget(f"{scope} {name}", written.usd, written.per)


def _direct(file: RoutesFile, told: Told, name: str) -> Chain:
    target = _target(file, told, name, route=None)
    tier = Tier((target,), "ordered", make_balancer("ordered"))
    on_break = _values(file, "on_stream_break")["on_stream_break"]
    return Chain(name, (tier,), target.retry, target.timeout.total, on_break)


def _chain(file: RoutesFile, told: Told, name: str) -> Chain:
    tiers: list[Tier] = []
    _add_route(file, told, name, name, tiers, on=None, gate=None)
    total = _values(file, "timeout", route=name)["total"]
    on_break = _values(file, "on_stream_break", route=name)["on_stream_break"]
    retry = RetryRules(**_values(file, "retry", route=name))
    budget = _budget("route", name, file.routes[name].budget)
    cache = _cache(file, name)
    answers = "" if cache is None else _answers(tiers)
    return Chain(name, tuple(tiers), retry, total, on_break, _hedge(file, name), budget, cache, answers)


def _add_route(
    file: RoutesFile,
    told: Told,
    name: str,
    route: str,
    tiers: list[Tier],
    *,
    on: frozenset[ErrorCode] | None,
    gate: int | None,
) -> None:
    """The tiers of route `name`, with the policies of the route that the app called."""
    config = file.routes[name]
    first = len(tiers)
    balance = config.balance or file.defaults.balance or "weighted"
    tiers.append(_tier(file, told, config.targets, balance, route, on=on, gate=gate))
    inner = first if gate is not None or first else None
    for fallback in config.fallbacks:
        codes = _codes(fallback.on)
        if fallback.to is not None and fallback.to in file.routes:
            _add_route(file, told, fallback.to, route, tiers, on=codes, gate=inner if inner is not None else 0)
        elif fallback.to is not None:
            target = _target(file, told, fallback.to, route=route)
            tiers.append(Tier((target,), "ordered", make_balancer("ordered"), codes, inner))
        else:
            strategy = fallback.balance or balance
            tiers.append(_tier(file, told, fallback.tier, strategy, route, on=codes, gate=inner))


def _tier(
    file: RoutesFile,
    told: Told,
    refs: Any,
    balance: str,
    route: str,
    *,
    on: frozenset[ErrorCode] | None,
    gate: int | None,
) -> Tier:
    targets = tuple(_target(file, told, ref.model, route=route, weight=ref.weight, params=ref.params) for ref in refs)
    return Tier(targets, balance, make_balancer(balance), on, gate)


def _codes(on: tuple[str, ...] | None) -> frozenset[ErrorCode] | None:
    if on is None or "any" in on:
        return None
    return frozenset(ErrorCode(code) for code in on)


def _target(
    file: RoutesFile,
    told: Told,
    name: str,
    *,
    route: str | None,
    weight: float = 1.0,
    params: Mapping[str, Any] | None = None,
) -> Target:
    found = file.resolve_target(name)
    if found is None:
        raise ValueError(f"no model is named {name!r}")  # the loader has checked every name
    provider, model_id, model = found
    known = name if model else None
    timeout = told.rules("timeout", Timeout, provider=provider, model=known, route=route)
    return Target(
        name=name,
        provider=provider,
        model=model_id,
        weight=weight,
        params={**(model.params if model else {}), **(params or {})},
        timeout=timeout,
        connect=None if timeout.connect == told.settings[provider][0].timeout.connect else timeout.connect,
        retry=told.rules("retry", RetryRules, provider=provider, model=known, route=route),
        capabilities=_capabilities(model, told.capabilities(provider, model_id)),
        disabled=file.providers[provider].disabled,
        account=told.account(provider),
        keys=told.keys[provider],
        breaker=told.rules("breaker", _breaker, provider=provider, model=known),
        limits=Limits() if model is None else Limits(**model.limits.model_dump()),
        budget=_budget("provider", provider, file.providers[provider].budget),
        key_limits=told.rules("limits", Limits, provider=provider),
    )


def _breaker(*, slow_call: SlowCall | None, **values: Any) -> BreakerRules:
    if slow_call is not None:
        values |= {"slow_threshold": slow_call.threshold, "slow_rate": slow_call.rate}
    return BreakerRules(**values)


def _capabilities(model: ModelConfig | None, told: ModelCapabilities) -> ModelCapabilities:
    """The file's own word first, then the provider's."""
    if model is None:
        return told
    said = {key: value for key, value in model.capabilities.model_dump().items() if value is not None}
    if model.price is not None:
        said["price"] = Price(**model.price.model_dump())
    if model.context_window is not None:
        said["context_window"] = model.context_window
    return msgspec.structs.replace(told, **said)


def _settings(file: RoutesFile, name: str) -> tuple[ProviderSettings, ...]:
    """Of each key of the provider."""
    config = file.providers[name]
    connect = _values(file, "timeout", provider=name)["connect"]
    return tuple(
        ProviderSettings(
            name=name,
            kind=config.kind,
            base_url=config.base_url,
            api_key=key,
            headers=dict(config.headers or {}),
            timeout=Timeout(connect=connect, first_token=None, idle=None, total=None),
            proxy=config.proxy,
            verify=config.verify,
            options={**(config.options or {}), "max_retries": 0},
        )
        for key in config.api_keys or (config.api_key,)
    )
