"""Compiles a file into a plan: immutable chains of tiers of targets. It is made off to the side and swapped in as
one reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from pathlib import PurePath
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from providers import catalog, registry
from providers.base import Provider
from providers.coerce import coerce_response_format
from providers.credentials.function import CredentialFunction, FunctionSource
from providers.errors import ErrorCode
from providers.settings import ClientCertificate, ProviderSettings
from providers.spelling import did_you_mean
from providers.types import ModelCapabilities, Price, PromptCache, Requirement, Timeout
from router.config import LoadResult, RoutesFile
from router.config.embed_rules import embeds_of, makes_of, root_of
from router.config.interpolate import plain
from router.config.labels import why_not_met
from router.config.names import target_name
from router.config.schema import BatchPolicy, ModelConfig, PriceConfig, SlowCall, TargetRef
from router.plan.alerts import alert_rules
from router.plan.answers import answers_of, space_of
from router.plan.budget import budget_of
from router.plan.catalogue import ProviderCatalogue, policy_values
from router.plan.credentials import who
from router.plan.log import log_rules
from router.plan.plan import Chain, Plan, Tier
from router.plan.requirements import answers_within, required_by_routes, required_of_clients
from router.plan.route_names import RouteNames
from router.plan.rules import (
    AcceptRules,
    BatchRules,
    BreakerRules,
    CacheRules,
    EmbedRules,
    ErrorRule,
    HedgeRules,
    Limits,
    RetryRules,
    ShadowRules,
    SharedRules,
)
from router.plan.serving import serving_of
from router.plan.target import Target
from router.plan.tiers import TierMaker
from router.plan.when import rules_of


def compile_plan(
    loaded: LoadResult,
    create: Callable[[ProviderSettings], Provider] = registry.create,
    credentials: Mapping[str, CredentialFunction] | None = None,
) -> Plan:
    """Compile a file into a plan.

    Args:
        create: makes the providers that are asked for what they know of their models.
        credentials: the app's own functions that give keys, by provider, in the place of what the file says.

    Raises:
        ConfigError: the file has errors.
    """
    file = loaded.require()
    own = credentials or {}
    settings_by_name = {name: _settings(file, name, own) for name in file.providers}
    catalogue = ProviderCatalogue(file, settings_by_name, create, required_by_routes(loaded, file))
    chains = {name: _chain(loaded, file, catalogue, name) for name in file.routes}
    chains |= {name: _direct(file, catalogue, name) for name in file.models}
    # A model with params of a route's own can be called, watched and drained by the name that tells it apart.
    chains |= {name: _direct(file, catalogue, *variant) for name, variant in [*catalogue.variants.items()]}
    settings = {name: keys[0] for name, keys in catalogue.settings.items()}
    direct = partial(_direct, file, catalogue)
    shared = _shared(loaded, file)
    names = RouteNames(file.routes, loaded.aliases)
    serving, log = serving_of(file, names, required_of_clients(loaded, file)), log_rules(file, loaded.path)
    alerts = alert_rules(file)
    return Plan(
        loaded.revision, file, chains, settings, catalogue, direct, serving, names, loaded, shared, log, own, alerts
    )


def plan_of(
    load: Callable[..., LoadResult],
    providers: Mapping[str, Provider] | None,
    credentials: Mapping[str, CredentialFunction] | None,
) -> Plan:
    """Load and compile what an app makes a router from.

    Args:
        load: loads it, told what of the file the app has in its own hands.
        providers: ready ones, by name.
        credentials: as in `compile_plan`.

    Raises:
        ConfigError: the file has errors.
        ValueError: no provider of the file has the name of a function.
    """
    loaded = load(replaced=tuple(providers or ()), keyed=tuple(credentials or ()))
    for name in credentials or ():
        if name not in loaded.require().providers:
            known = loaded.require().providers
            raise ValueError(f'credentials: no provider is named "{name}"{did_you_mean(name, known)}')
    return compile_plan(loaded, credentials=credentials)


def _shared(loaded: LoadResult, file: RoutesFile) -> SharedRules | None:
    config = file.shared
    if config is None:
        return None
    return SharedRules(
        url=config.url.get_secret_value(),
        app=config.app or PurePath(loaded.name).stem,
        secret=None if config.secret is None else config.secret.get_secret_value(),
        share=tuple(sorted(set(config.share))),
        host=config.host,
        commands=config.commands,
        away=config.away,
        budgets_away=config.budgets_away,
        lease=config.lease,
        timeout=config.timeout,
        shards=config.shards,
        single_flight=config.single_flight,
    )


def _hedge(file: RoutesFile, route: str) -> HedgeRules | None:
    values = policy_values(file, "hedge", route=route)
    return None if values["after"] is None else HedgeRules(**values)


def _cache(file: RoutesFile, route: str) -> CacheRules | None:
    values = policy_values(file, "cache", route=route)
    stale = values.pop("stale_if_error")
    if values["ttl"] is None:
        return None
    return CacheRules(stale_for=inf if stale is True else float(stale or 0.0), **values)


def _accept(file: RoutesFile, route: str | None) -> AcceptRules | None:
    values = policy_values(file, "accept", route=route)
    return AcceptRules(**values) if any(values.values()) else None


def _batch(config: BatchPolicy | None) -> BatchRules:
    written = {} if config is None else {name: value for name, value in config if value is not None}
    return BatchRules(**written)


def _direct(
    file: RoutesFile, catalogue: ProviderCatalogue, name: str, params: Mapping[str, Any] | None = None
) -> Chain:
    target = _target(file, catalogue, name, route=None, params=params)
    tier = Tier((target,), "ordered")
    on_break = policy_values(file, "on_stream_break")["on_stream_break"]
    model = file.models.get(name)
    makes = None if model is None else makes_of(model)
    accept = _accept(file, None) if makes in (None, "answers") else None
    return Chain(target.name, (tier,), target.retry, target.timeout.total, on_break, makes=makes, accept=accept)


def _chain(loaded: LoadResult, file: RoutesFile, catalogue: ProviderCatalogue, name: str) -> Chain:
    """Compile a route, with the chains that its rules lead to."""
    own = _chain_to(file, catalogue, name)
    rules = rules_of(loaded, file, name)
    led = {to: own if to == name else _chain_to(file, catalogue, name, to) for to in {rule.to for rule in rules}}
    return replace(own, rules=tuple((rule, led[rule.to]) for rule in rules)) if rules else own


def _chain_to(file: RoutesFile, catalogue: ProviderCatalogue, name: str, to: str | None = None) -> Chain:
    """Compile what serves those who ask for a route: its own tiers, or those of what a rule leads to."""

    def make(ref: TargetRef, chains: tuple[str, ...], required: tuple[Requirement, ...]) -> Target:
        levels = [file.routes[route].params for route in (*reversed(chains), name)]
        params = {key: value for level in (*levels, ref.params) for key, value in level.items()}
        where: dict[str, Any] = {"route": name, "chains": chains, "required": required}
        return _target(file, catalogue, ref.model, weight=ref.weight, params=params, **where)

    maker = TierMaker(file, make, catalogue.required)
    steps, tiers = maker.whole(name) if to is None else maker.led(name, to), maker.tiers
    total = timeout_of(**policy_values(file, "timeout", route=name)).total
    on_break = policy_values(file, "on_stream_break", route=name)["on_stream_break"]
    retry = RetryRules(**policy_values(file, "retry", route=name))
    budget = budget_of("route", name, file.routes[name].budget)
    cache = _cache(file, name)
    makes = makes_of(file.routes[name])
    answers = "" if cache is None else space_of(tiers) if makes == "embeddings" else answers_of(tiers)
    if answers and any(tier.required for tier in tiers):
        answers = answers_within(answers, [target for tier in tiers for target in tier.targets if not target.barred])
    return Chain(
        name,
        tuple(tiers),
        retry,
        total,
        on_break,
        _hedge(file, name),
        budget,
        cache,
        makes,
        _batch(file.routes[name].batch),
        answers,
        _accept(file, name) if makes == "answers" else None,
        Limits(**dict(limits)) if (limits := file.routes[name].limits).model_fields_set else None,
        _shadow(file, name),
        required=(catalogue.required[name],) if name in catalogue.required else (),
        steps=steps if maker.draws else None,
        draws=tuple(maker.draws),
        line=name if to is None else f"{name} → {to}",
    )


def _shadow(file: RoutesFile, name: str) -> ShadowRules | None:
    written = file.routes[name].shadow
    if written is None:
        return None
    budget = budget_of("shadow", name, written.budget)
    return ShadowRules(to=written.to, share=written.share, in_flight=written.in_flight, budget=budget)


def _as_asked(params: dict[str, Any]) -> dict[str, Any]:
    wanted = params.get("response_format")
    return {**params, "response_format": coerce_response_format(wanted)} if isinstance(wanted, dict) else params


def _target(
    file: RoutesFile,
    catalogue: ProviderCatalogue,
    name: str,
    *,
    route: str | None,
    chains: tuple[str, ...] = (),
    weight: float = 1.0,
    params: Mapping[str, Any] | None = None,
    required: tuple[Requirement, ...] = (),
) -> Target:
    resolved = file.resolve_target(name)
    if resolved is None:
        raise ValueError(f"no model is named {name!r}")  # the loader has checked every name
    provider, model_id, model = resolved
    file_model = name if model else None
    where: dict[str, Any] = {"provider": provider, "model": file_model, "route": route, "chains": chains}
    timeout = catalogue.rules("timeout", timeout_of, **where)
    embeds = _embeds(file, catalogue, name)
    shown = target_name(name, params or {})
    if params:
        catalogue.variants[shown] = name, params
    breaks = catalogue.breaker_routes.get(shown)
    usual = catalogue.rules("breaker", _breaker, provider=provider, model=file_model)
    labels = file.labels_of(name)
    return Target(
        name=shown,
        ref=name,
        provider=provider,
        model=model_id,
        weight=weight,
        params=_as_asked(plain({**(model.params if model else {}), **(params or {})})),
        timeout=timeout,
        usual=catalogue.rules("timeout", timeout_of, provider=provider, model=file_model),
        connect=_connect(timeout.connect, catalogue.settings[provider][0].timeout.connect),
        retry=catalogue.rules("retry", RetryRules, **where),
        capabilities=_capabilities(model, catalogue.capabilities(provider, model_id), embeds),
        embeds=embeds,
        disabled=file.providers[provider].disabled,
        account=catalogue.account(provider),
        keys=catalogue.keys[provider],
        breaker=usual if breaks is None else _breaker_of(file, breaks[0], provider=provider, model=file_model),
        key_breaker=None if breaks is None else usual,
        limits=Limits() if model is None else Limits(**dict(model.limits)),
        budget=budget_of("provider", provider, file.providers[provider].budget),
        key_limits=catalogue.rules("limits", Limits, provider=provider),
        prompt_cache=_prompt_cache(file, catalogue, where),
        errors=tuple(
            ErrorRule(ErrorCode(rule.code), rule.status, None if rule.text is None else str(rule.text).lower())
            for rule in file.providers[provider].errors
        ),
        labels=labels,
        barred=why_not_met(labels, required),
    )


def _prompt_cache(file: RoutesFile, catalogue: ProviderCatalogue, where: dict[str, Any]) -> PromptCache | None:
    model = where["model"]
    if model is None or file.models[model].prompt_cache is None:
        return catalogue.rules("prompt_cache", _kept, **{**where, "model": None})
    return _kept(**policy_values(file, "prompt_cache", **where))


def _kept(prompt_cache: PromptCache) -> PromptCache | None:
    return None if prompt_cache == "off" else prompt_cache


def timeout_of(**values: Any) -> Timeout:
    """Make the timeouts of what the file says, where `off` is no limit."""
    return Timeout(**{name: None if value == "off" else value for name, value in values.items()})


def _connect(limit: float | None, providers: float | None) -> float | Literal["off"] | None:
    """Return how long a connection may take; None where that is as its provider has it."""
    if limit == providers:
        return None
    return "off" if limit is None else limit


def _breaker_of(file: RoutesFile, route: str, **where: str | None) -> BreakerRules:
    return _breaker(**policy_values(file, "breaker", route=route, **where))


def _breaker(*, slow_call: SlowCall | None, **values: Any) -> BreakerRules:
    if slow_call is not None:
        values |= {"slow_threshold": slow_call.threshold, "slow_rate": slow_call.rate}
    return BreakerRules(**values)


def _capabilities(
    model: ModelConfig | None, catalogue: ModelCapabilities, embeds: EmbedRules | None
) -> ModelCapabilities:
    """Join what is known of a model: the file's own word first, then the provider's."""
    if model is None:
        return catalogue
    said = {key: value for key, value in model.capabilities.model_dump().items() if value is not None}
    if model.price is not None:
        said["price"] = _price(model.price)
    if model.context_window is not None:
        said["context_window"] = model.context_window
    if embeds is not None and embeds.max_tokens is not None:
        said["context_window"] = embeds.max_tokens  # each input has its own
    price = said.get("price", catalogue.price)
    if price is not None and price.output is None and makes_of(model) != "answers":
        said["price"] = msgspec.structs.replace(price, output=0.0)  # none is made
    return msgspec.structs.replace(catalogue, **said)


def _embeds(file: RoutesFile, catalogue: ProviderCatalogue, name: str) -> EmbedRules | None:
    """Return what a target can do that makes embeddings: the file's own word first, then the provider's."""
    model = file.models.get(name)
    if model is None or makes_of(model) != "embeddings":
        return None
    said, known = embeds_of(file, name), catalogue.embedding_limits(model.provider, model.id)
    values = {
        key: getattr(known, key) if getattr(said, key) is None else getattr(said, key)
        for key in known.__struct_fields__
    }
    return EmbedRules(space=file.models[root_of(file, name)].id, **values)


def _price(config: PriceConfig) -> Price:
    """Make the price that is written: that of another model where it says so, and its own words before that."""
    own = {name: value for name, value in config.model_dump(exclude={"like"}).items() if value is not None}
    if config.like is None:
        return Price(**own)
    vendor, _, model_id = config.like.partition("/")
    known = catalog.named(vendor, model_id).price or Price()
    steps = tuple((start, msgspec.structs.replace(price, **own)) for start, price in known.above)
    return msgspec.structs.replace(known, above=steps, **own)


def _settings(
    file: RoutesFile, name: str, credentials: Mapping[str, CredentialFunction]
) -> tuple[ProviderSettings, ...]:
    """Make the connection settings of a provider, once for each of its keys."""
    config = file.providers[name]
    keys = [who(key, config.base_url) for key in config.api_keys or (config.api_key,)]
    if name in credentials:
        keys = [{"api_key": None, "credential": FunctionSource(name, credentials[name])}]
    connect = timeout_of(**policy_values(file, "timeout", provider=name)).connect
    return tuple(
        ProviderSettings(
            name=name,
            kind=config.kind,
            base_url=config.base_url,
            **key,
            headers=dict(config.headers or {}),
            timeout=Timeout(connect=connect, first_token=None, idle=None, answer=None, total=None),
            proxy=config.proxy,
            verify=config.verify,
            client_cert=None if config.client_cert is None else ClientCertificate(**dict(config.client_cert)),
            unix_socket=config.unix_socket,
            options={**plain(config.options or {}), "max_retries": 0, "validate": False},
        )
        for key in keys
    )
