"""`signalbox show`: what the file compiled to, and where each value came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from router.cli.common import Failure, file_option, valid_file
from router.plan import Chain, Plan, Tier, compile_plan

if TYPE_CHECKING:
    from router.config import LoadResult
    from router.target import Target

_ROUTE_POLICIES = ("timeout", "retry")


@click.command("show")
@click.argument("route", required=False)
@file_option
def command(route: str | None, path: str) -> int:
    """The compiled chains (or one ROUTE's) with effective policies and their origins."""
    loaded = valid_file(path)
    plan = compile_plan(loaded)
    names = [route] if route else list(loaded.file.routes if loaded.file else ())
    for number, name in enumerate(names):
        chain = plan.chain(name)
        if chain is None:
            routes = ", ".join(loaded.file.routes) if loaded.file else ""
            raise Failure(f'no route, model or provider/model-id is named "{name}"; routes: {routes}')
        click.echo("" if number else f"{path}  revision {plan.revision}\n", nl=bool(number) or True)
        _show(chain, plan, loaded)
    return 0


def _show(chain: Chain, plan: Plan, loaded: LoadResult) -> None:
    click.secho(chain.route, bold=True)
    for number, tier in enumerate(chain.tiers):
        click.echo(f"  tier {number + 1}  {tier_line(tier)}")
        total = sum(target.weight for target in tier.targets) or 1
        for target in tier.targets:
            click.echo(f"    {target_line(target, target.weight / total)}")
    for policy in _ROUTE_POLICIES:
        _show_policy(chain, policy, plan, loaded)


def tier_line(tier: Tier) -> str:
    """How a tier shares load and when it serves."""
    on = "" if tier.on is None else f"  on {', '.join(sorted(tier.on))}"
    how = f"{tier.balance}, " if len(tier.targets) > 1 else ""
    return f"{how}{len(tier.targets)} target{'s' if len(tier.targets) != 1 else ''}{on}"


def target_line(target: Target, share: float) -> str:
    """A target with its share of the tier."""
    where = f"{target.provider}/{target.model}"
    named = target.name if target.name == where else f"{target.name} = {where}"
    off = "  (disabled: its key is not set)" if target.disabled else ""
    return f"{share:4.0%}  {named}{off}"


def _show_policy(chain: Chain, policy: str, plan: Plan, loaded: LoadResult) -> None:
    from router.config import effective
    from router.config.units import format_duration

    route = chain.route if chain.route in plan.file.routes else None
    durations = {"connect", "first_token", "idle", "total", "backoff", "max_backoff", "max_wait"}
    click.echo(f"  {policy}")
    for key, found in effective(plan.file, policy, provider=None, model=None, route=route).items():
        value = format_duration(found.value) if key in durations and found.value is not None else found.value
        click.secho(f"    {key:<13} {value!s:<8}", nl=False)
        click.secho(f"  {_origin(found.origin, loaded)}", dim=True)


def _origin(origin: object, loaded: LoadResult) -> str:
    if not isinstance(origin, tuple):
        return str(origin)
    line = loaded.origins.get(origin)
    where = f"{loaded.name}:{line[0]}" if line else loaded.name
    return f"{'.'.join(str(part) for part in origin[:-1])}  {where}"
