"""The routes.yaml of a LiteLLM config, with comments that say where each part is from and what to check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.importers.litellm.routes import Fallback, Plan, Route, Tier
from router.importers.litellm.settings import Settings
from router.importers.notes import HEADS, Note
from router.importers.write import Page, flow, scalar

_SHORT = 100  # characters of a mapping that stands on one line


def routes_yaml(name: str, plan: Plan, settings: Settings, notes: Sequence[Note], variables: Sequence[str]) -> str:
    """The text of the file."""
    page = Page()
    _head(page, name, notes, variables)
    page.add(0, "version: 1")
    if settings.defaults:
        page.blank()
        page.add(0, "defaults:")
        for key, value in settings.defaults.items():
            page.entry(1, key, value, settings.origins.get(key, ""))
    page.blank()
    page.add(0, "providers:")
    for provider, (said, comment) in plan.providers.items():
        page.add(1, f"{scalar(provider)}:", comment)
        for key, value in said.items():
            page.entry(2, key, value)
    if plan.models:
        page.blank()
        page.comment(0, "Models of which something is said; all others stand in routes as provider/model-id.")
        page.add(0, "models:")
        for model, (said, comment) in plan.models.items():
            _model(page, model, said, comment)
    page.blank()
    page.comment(0, "What clients and apps ask for: the model_name of each entry of model_list.")
    page.add(0, "routes:")
    for route in plan.routes.values():
        _route(page, route, retries=_retries(plan, settings, route))
    if settings.shared:
        page.blank()
        page.add(0, "shared:", settings.origins.get("shared", ""))
        for key, value in settings.shared.items():
            page.entry(1, key, value)
    _alerts(page, settings)
    _serve(page, plan, settings)
    return page.text()


def _head(page: Page, name: str, notes: Sequence[Note], variables: Sequence[str]) -> None:
    page.comment(0, f"Made of {name} by `signalbox import litellm`; docs/from-litellm.md says what became of what.")
    page.comment(
        0, "`signalbox check` says whether it is right, `signalbox show` what holds, `signalbox explain` who is asked."
    )
    if variables:
        page.comment(0, "")
        page.comment(0, f"Variables that it needs: {', '.join(variables)}.")
        page.comment(0, "A provider with `when_unset: disable` is left out while its variable is not set.")
    for sort, head in HEADS.items():
        told = [note for note in notes if note.sort == sort]
        if told:
            page.comment(0, "")
            page.comment(0, f"{head[0].upper()}{head[1:]}:")
        for note in told:
            page.comment(0, f"  {note}")
    page.blank()


def _model(page: Page, name: str, said: dict[str, Any], comment: str) -> None:
    line = f"{scalar(name)}: {flow(said)}"
    if len(line) <= _SHORT:
        page.add(1, line, comment)
        return
    page.add(1, f"{scalar(name)}:", comment)
    for key, value in said.items():
        page.entry(2, key, value)


def _retries(plan: Plan, settings: Settings, route: Route) -> bool:
    """Whether LiteLLM tries its one target again before it falls back."""
    if len(route.tiers) != 1 or len(route.tiers[0].targets) != 1 or not route.fallbacks:
        return False
    said, _ = plan.models.get(next(iter(route.tiers[0].targets)), ({}, ""))
    own = {**settings.defaults.get("retry", {}), **said.get("retry", {})}
    return bool(own.get("same_target"))


def _route(page: Page, route: Route, *, retries: bool) -> None:
    if route.alias_of is not None:
        page.add(1, f"{scalar(route.name)}: {scalar(route.alias_of)}", route.comment)
        return
    first, *later = route.tiers
    if not later and not route.fallbacks and not route.makes and len(first.targets) == 1:
        page.add(1, f"{scalar(route.name)}: {scalar(next(iter(first.targets)))}", route.comment)
        return
    page.add(1, f"{scalar(route.name)}:", route.comment)
    if route.makes:
        page.entry(2, route.makes, True)
    page.entry(2, "targets", _targets(first))
    if retries:
        page.entry(2, "retry", {"first": "same_target"}, "num_retries, before its fallbacks")
    if later or route.fallbacks:
        page.add(2, "fallbacks:")
        for tier in later:
            page.add(3, f"- {flow({'targets': _targets(tier)})}", "litellm_params.order")
        for fallback in route.fallbacks:
            page.add(3, f"- {_fallback(fallback)}", fallback.comment)


def _targets(tier: Tier) -> Any:
    """A list where all weights are the same."""
    return list(tier.targets) if len(set(tier.targets.values())) == 1 else tier.targets


def _fallback(fallback: Fallback) -> str:
    if isinstance(fallback.to, str) and fallback.on is None:
        return scalar(fallback.to)
    said: dict[str, Any] = {"to": fallback.to} if isinstance(fallback.to, str) else {"targets": _targets(fallback.to)}
    if fallback.on is not None:
        said["on"] = [fallback.on]
    return flow(said)


def _alerts(page: Page, settings: Settings) -> None:
    if settings.alerts:
        page.blank()
        page.add(0, "alerts:", "general_settings.alerting")
    for alert in settings.alerts:
        page.add(1, f"- {flow(alert)}")


def _serve(page: Page, plan: Plan, settings: Settings) -> None:
    if not (plan.names or plan.direct or settings.client or settings.in_flight):
        return
    page.blank()
    page.comment(
        0, "`signalbox serve` listens on 127.0.0.1:4180; `listen: 127.0.0.1:4000` is where LiteLLM's proxy does."
    )
    page.add(0, "serve:")
    if settings.client:
        page.add(1, "keys:")
        said, origin = settings.client, "general_settings.master_key; further clients: `signalbox key NAME`"
        if settings.client_budget is None:
            page.entry(2, "litellm", said, origin)
        else:
            page.add(2, "litellm:", origin)
            page.entry(3, "key", said)
            page.entry(3, "budget", *settings.client_budget)
    if plan.names:
        page.comment(1, "Names as clients know them, and the route of each.")
        page.add(1, "names:")
        for asked, name in plan.names.items():
            page.entry(2, asked, name)
    if plan.direct:
        page.comment(1, "Wildcards: clients may ask for any provider/model-id of these.")
        page.entry(1, "direct", plan.direct)
    if settings.in_flight:
        page.entry(1, "in_flight", settings.in_flight, "general_settings.global_max_parallel_requests")
