"""`signalbox show`: what the file compiled to, and where each value came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from providers import catalog
from providers.printable import one_line
from providers.spelling import did_you_mean
from router.cli.common import Failure, json_option, takes_file, valid_plan
from router.cli.terminal import echo, echo_json, secho
from router.cli.verb import Verb, completing
from router.config.labels import shown_labels
from router.monitor.routes import chain_view, label_values, own_policies, route_values, written
from router.plan.alerts import alert_rules
from router.plan.plan import Chain, Plan, Tier

if TYPE_CHECKING:
    from router.config import LoadResult
    from router.config.policies import Effective
    from router.plan.target import Target

_ROUTE_POLICIES = ("timeout", "retry")


@click.command(
    "show",
    cls=Verb,
    examples=[
        "signalbox show                       # all routes of routes.yaml",
        "signalbox show chat conf/prod.yaml   # one route of another file",
        "signalbox show chat --json | jq '.routes[].policies'",
    ],
)
@click.argument("route", required=False, shell_complete=completing("routes", "models"))
@json_option
@takes_file()
def command(route: str | None, as_json: bool, path: str) -> int:
    """The compiled chains (or one ROUTE's) with effective policies and their origins."""
    loaded, plan = valid_plan(path)
    chains = [_chain(plan, name) for name in ([route] if route else plan.file.routes)]
    if as_json:
        views = [msgspec.to_builtins(chain_view(plan, chain)) for chain in chains]
        echo_json({"file": path, "revision": plan.revision, "routes": views})
        return 0
    for index, chain in enumerate(chains):
        echo("" if index else f"{path}  revision {plan.revision}  prices: {catalog.described()}\n")
        if not index and len(loaded.files) > 1:
            echo(f"with {', '.join(one_line(name) for name, _ in loaded.files[1:])}\n")
        _show(chain, plan, loaded)
    if plan.alerts and route is None:
        secho("\nalerts", bold=True)
        for number, alert in enumerate(plan.file.alerts):
            (rule,) = alert_rules(plan.file.model_copy(update={"alerts": (alert,)}))
            _show_at(f"  {rule.terms}  to {rule.host} as {rule.form}", ("alerts", number), loaded)
    return 0


def _chain(plan: Plan, name: str) -> Chain:
    chain = plan.chain(name)
    if chain is None:
        known = plan.file.routes
        near = did_you_mean(name, [*known, *plan.file.models])
        raise Failure(
            f'no route, model or provider/model-id is named "{name}"{near}; routes: {", ".join(known)}',
            name="unknown_route",
        )
    return chain


def _show(chain: Chain, plan: Plan, loaded: LoadResult) -> None:
    names = [name for name, route in plan.names.aliases.items() if route == chain.route]
    at = loaded.where(("routes", chain.route)) if len(loaded.files) > 1 else None
    secho(chain.route, bold=True, nl=not names and at is None)
    if names:
        echo(f"  (also {', '.join(map(one_line, names))})", nl=at is None)
    if at is not None:
        secho(f"  {at[0]}:{at[1]}", dim=True)
    if chain.makes in ("embeddings", "ranks"):
        echo(f"  makes {chain.makes}")
    for rule, _ in chain.rules:
        echo(f"  when  {one_line(rule.words_to)}  {rule.where}")
    shares = chain.shares
    for tier_index, tier in enumerate(chain.tiers):
        of = f"of {one_line(tier.chain)} ({shares[tier_index]:.0%})  " if tier.chain else ""
        of = of or ("" if shares[tier_index] == 1 else f"({shares[tier_index]:.0%})  ")
        echo(f"  tier {tier.level + 1}  {of}{tier_line(tier)}")
        for required in tier.required:
            echo(f"    requires {shown_labels(dict(required.labels), 'or')}  ", nl=False)
            secho(required.origin, dim=True)
        total = sum(target.weight for target in tier.targets) or 1
        for place, target in enumerate(tier.targets, 1):
            share = f"{place:3}." if tier.balance == "ordered" else f"{target.weight / total:4.0%}"
            echo(f"    {target_line(target, share)}")
            _show_own(target, tier, chain, plan, loaded)
    more = [name for name, rules in (("hedge", chain.hedge), ("accept", chain.accept)) if rules is not None]
    for policy in (*_ROUTE_POLICIES, *more, *own_policies(plan, chain)):
        _show_policy(chain, policy, plan, loaded)
    if chain.cache is not None and plan.shares_answers:
        echo("  cache: answers are shared over the server of `shared`")
    if chain.shadow is not None:
        _show_at(f"  shadow: {chain.shadow.terms}", ("routes", chain.route, "shadow"), loaded)
    budgets = [chain.budget, *(target.budget for target in chain.targets)]
    budgets += [] if chain.shadow is None else [chain.shadow.budget]
    for budget in dict.fromkeys(each for each in budgets if each is not None):
        whose = ", of all machines" if plan.is_shared(budget) else ""
        scope, name = budget.whose
        where = ("routes", name, "shadow", "budget") if scope == "shadow" else (f"{scope}s", name, "budget")
        _show_at(f"  budget of {budget.owner}: {budget.terms}{whose}", where, loaded)


def _show_at(text: str, at: tuple[str | int, ...], loaded: LoadResult) -> None:
    """Show what the file says in one line, with where."""
    echo(text, nl=False)
    found = loaded.where(at)
    secho(f"  {found[0]}:{found[1]}" if found else "", dim=True)


def tier_line(tier: Tier) -> str:
    """How a tier shares load and when it serves."""
    on = "" if tier.on is None else f"  on {', '.join(sorted(tier.on))}"
    how = f"{tier.balance}, " if len(tier.targets) > 1 else ""
    return f"{how}{len(tier.targets)} target{'s' if len(tier.targets) != 1 else ''}{on}"


def target_line(target: Target, share: str) -> str:
    """A target with its share of the tier, or its place in it."""
    where = f"{target.provider}/{target.model}"
    named = target.name if target.name == where else f"{target.name} = {where}"
    off = "  (left out: a variable is not set)" if target.disabled else ""
    keys = f"  ({len(target.keys)} keys)" if len(target.keys) > 1 else ""
    sources = [key.settings.credential.name for key in target.keys if key.settings and key.settings.credential]
    by = f"  (key by {', '.join(dict.fromkeys(sources))})" if sources else ""
    kept = f"  (prompt_cache {target.prompt_cache})" if target.prompt_cache else ""
    labels = f"  ({shown_labels(target.labels)})" if target.labels else ""
    barred = f"  (never asked: {target.barred})" if target.barred else ""
    return f"{share}  {named}{keys}{by}{kept}{labels}{off}{barred}"


def _show_policy(chain: Chain, policy: str, plan: Plan, loaded: LoadResult) -> None:
    echo(f"  {policy}")
    for key, value in route_values(plan, chain, policy).items():
        _show_value("    ", key, value, loaded)


def _show_own(target: Target, tier: Tier, chain: Chain, plan: Plan, loaded: LoadResult) -> None:
    """What the target's provider, its model or a route on the way to it says otherwise than the route."""
    from router.config import effective

    route = chain.route if chain.route in plan.file.routes else None
    model = target.ref if target.ref in plan.file.models else None
    for policy in _ROUTE_POLICIES:
        where: dict[str, Any] = {"provider": target.provider, "model": model, "route": route, "chains": tier.chains}
        for key, value in effective(plan.file, policy, **where).items():
            if value.origin[0] in ("providers", "models") or value.origin[1] in tier.chains:
                _show_value("            ", f"{policy}.{key}", value, loaded)
    for name, label in label_values(plan, target).items():
        _show_value("            ", f"labels.{name}", label, loaded)


def _show_value(indent: str, key: str, value: Effective, loaded: LoadResult) -> None:
    echo(f"{indent}{key:<13} {written(key.rpartition('.')[2], value.value):<8}", nl=False)
    secho(f"  {_origin(value.origin, loaded)}", dim=True)


def _origin(origin: object, loaded: LoadResult) -> str:
    if not isinstance(origin, tuple):
        return str(origin)
    found = loaded.where(origin)
    where = f"{found[0]}:{found[1]}" if found else loaded.name
    return f"{'.'.join(str(part) for part in origin[:-1])}  {where}"
