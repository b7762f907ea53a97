"""`signalbox status`: the routers that run now, and how they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from providers.printable import one_line, printable
from router.cli.common import Failure, shared_feed, takes_file
from router.cli.terminal import echo, echo_json, style, width
from router.cli.verb import Verb
from router.monitor.report import app_name
from router.views.credential import told
from router.views.money import UNKNOWN, dollars, gain
from router.views.shadows import compared

if TYPE_CHECKING:
    from router.views.figures import (
        CacheFigures,
        Counts,
        Figures,
        Fleet,
        Health,
        HealthCheck,
        ProviderFigures,
        ReloadNote,
        RouteFigures,
        Snapshot,
        Spending,
        TargetFigures,
    )

NOTHING_RUNS = 3
_WIDEST = 48  # characters of a name, with its lamp, that others make room for
_LAMPS = {
    "closed": ("●", "green"),
    "half_open": ("◐", "yellow"),
    "open": ("○", "red"),
    "held": ("◷", "yellow"),
    "drained": ("‖", "cyan"),
    "disabled": ("·", "white"),
}


@click.command(
    "status",
    cls=Verb,
    examples=[
        "signalbox status                       # all routers of yours that run",
        "signalbox status shop --watch          # one of them, once a second",
        "signalbox status --shared prod.yaml    # all machines that share as the file says",
        "signalbox status --json | jq .figures.error_rate",
    ],
    exits={0: "here they are", 1: "the shared server does not answer", 2: "wrong usage, or no FILE", 3: "none runs"},
)
@click.argument("name", required=False)
@takes_file(default=None)
@click.option("--json", "as_json", is_flag=True, help="The whole snapshots, one JSON object a line.")
@click.option("--watch", "-w", is_flag=True, help="Go on, once a second, until Ctrl-C.")
@click.option("--shared", is_flag=True, help="All processes on all machines that share as FILE says.")
@click.option("--socket", "where", type=click.Path(path_type=Path), help="The socket, where the file names one.")
def command(name: str | None, path: str | None, as_json: bool, watch: bool, shared: bool, where: Path | None) -> int:
    """How the running routers of this user are: providers, targets, routes, what goes wrong. NAME picks one,
    or FILE the one that runs on it.

    With --shared: how all processes are that share over the server of FILE (default: routes.yaml).
    """
    try:
        if shared:
            return asyncio.run(_run_shared(path or name or "routes.yaml", as_json, watch))
        if path is not None:
            name = app_name(Path(path).absolute())
        return asyncio.run(_run(name, as_json, watch, where))
    except KeyboardInterrupt:
        if watch:
            return 0
        raise


async def _run(name: str | None, as_json: bool, watch: bool, where: Path | None) -> int:
    while True:
        snapshots = await _snapshots(name, where)
        if not snapshots and not watch:
            problem = f'no router named "{name}" runs' if name else "no router runs"
            raise Failure(
                f"{problem} that this user may watch; start one: `signalbox serve`, or an app with a Router",
                NOTHING_RUNS,
                name="nothing_runs",
            )
        if watch and not as_json:
            click.clear()
        for snapshot in snapshots:
            _print(snapshot, as_json)
        if not watch:
            return 0
        await asyncio.sleep(1)


async def _run_shared(path: str, as_json: bool, watch: bool) -> int:
    feed = shared_feed(path)
    try:
        async with aclosing(feed.snapshots()) as snapshots:
            async for snapshot in snapshots:
                if not snapshot.connected and not watch:
                    raise _unseen(feed.name, snapshot.fleet)
                if watch and not as_json:
                    click.clear()
                _print(snapshot, as_json)
                if not watch:
                    break
    finally:
        await feed.aclose()
    return 0


def _unseen(name: str, fleet: Fleet | None) -> Failure:
    if fleet is not None and fleet.away:
        return Failure(f"the shared server does not answer: {fleet.away}", 1)
    if fleet is not None and fleet.unread:
        return Failure(f"of the processes of {one_line(name)}, {fleet.unread}", 1)
    return Failure(f"no process of {one_line(name)} runs", NOTHING_RUNS)


def _print(snapshot: Snapshot, as_json: bool) -> None:
    if as_json:
        echo_json(msgspec.json.encode(snapshot))
    else:
        echo(render(snapshot))


async def _snapshots(name: str | None, where: Path | None) -> list[Snapshot]:
    from router.monitor.socket.client import SocketFeed, discover

    found: list[Snapshot] = []
    for running in await discover(where):
        if name is None or running.name == name:
            feed = SocketFeed(running, where)
            try:
                async with asyncio.timeout(5), aclosing(feed.snapshots()) as snapshots:
                    found.append(await anext(snapshots))
            except (TimeoutError, StopAsyncIteration):
                echo(f"signalbox: {running.name} does not answer", err=True)
            finally:
                await feed.aclose()
    return found


def render(snapshot: Snapshot) -> str:
    """The snapshot as lines for people."""
    processes, fleet = len(snapshot.by_process), snapshot.fleet
    counted = f"{processes} process{'es' if processes != 1 else ''}" if fleet is None else fleet.counted
    head, calls = style(one_line(snapshot.name), bold=True), snapshot.figures.totals.calls
    where = f"  {one_line(snapshot.path)}" if snapshot.path else ""
    lines = [
        f"{head}{where}  revision {one_line(snapshot.revision)}  "
        f"up {_duration(snapshot.time - snapshot.started_at)}  {counted}",
    ]
    since = f"{calls:,} request{'' if calls == 1 else 's'}, {snapshot.figures.totals.failed:,} failed since the start"
    rows: list[tuple[str, str]] = [("  all", f"{_figures(snapshot.figures)}  {since}")]  # who, and what it does
    for provider in snapshot.providers:
        rows += _provider(provider, snapshot.time)
    rows += [_route(route) for route in snapshot.routes]
    of_all, *of_each = _aligned(rows)
    lines.append(of_all)
    if cached := _prompt_cache(snapshot.figures.totals):
        lines.append(f"  prompt caches of the vendors: {cached}")
    if fleet is not None:
        lines += [f"  {line}" for line in _fleet(fleet)]
    reload = snapshot.last_reload
    if reload is not None and not reload.accepted:
        lines.append(style("  the file as saved was rejected; the last good one runs:", fg="red"))
        lines += [f"    {line}" for line in _rejection(reload)]
    lines += of_each
    lines += [_budget(budget, snapshot.time) for budget in snapshot.spending]
    lines += [
        f"  ~ {one_line(shadow.route)} copied to {one_line(shadow.to)}: {', '.join(compared(shadow))}"
        for shadow in snapshot.shadows
    ]
    if snapshot.cache.enabled:
        lines.append(_cache(snapshot.cache))
    return "\n".join(lines)


def _fleet(fleet: Fleet) -> Iterator[str]:
    if fleet.away:
        yield style(f"the shared server does not answer: {fleet.away}; this is what was seen last", fg="red")
    if fleet.sampled < fleet.processes:
        yield f"below: of {fleet.sampled:,} processes; above: of all but the quantiles"
    bad = {state: count for state, count in fleet.states.items() if state != "closed"}
    if bad:
        lamps = ", ".join(f"{state.replace('_', '-')} in {count:,}" for state, count in bad.items())
        yield style(f"the worst lamp of processes: {lamps}", fg="red")
    for what, counts in (("revisions", fleet.revisions), ("versions", fleet.versions)):
        if len(counts) > 1:
            yield f"{what}: " + ", ".join(f"{one_line(name)} in {count:,}" for name, count in counts.items())
    if fleet.silent:
        yield fleet.unread


def _rejection(reload: ReloadNote) -> list[str]:
    problem = reload.problem or "\n".join(diagnostic.render() for diagnostic in reload.diagnostics)
    return printable(problem).splitlines()


def _aligned(rows: list[tuple[str, str]]) -> Iterator[str]:
    """Yield the rows with their second parts below each other; who has a very long name moves nobody else's."""
    most = max(length for who, figures in rows if figures and (length := width(who)) <= _WIDEST)
    for who, figures in rows:
        yield f"{who}{' ' * (most - width(who))} {figures}".rstrip()


def _provider(provider: ProviderFigures, now: float) -> list[tuple[str, str]]:
    rows = [(f"  {_health(provider.health, now)} {one_line(provider.name)}", _figures(provider.figures))]
    states = [key.credential for key in provider.keys if key.credential is not None]
    rows += [(f"    credential by {one_line(told(state, now))}", "") for state in states]
    if provider.check is not None:
        rows.append((f"      {check_words(provider.check, now)}", ""))
    return rows + [_target(target, now) for target in provider.targets]


def check_words(check: HealthCheck, now: float) -> str:
    """What came of the newest health check."""
    ago = f"{_duration(max(0.0, now - check.time))} ago"
    return f"health check passed {ago}" if check.ok else f"health check failed {ago}: {one_line(check.why)}"


def _target(target: TargetFigures, now: float) -> tuple[str, str]:
    share = "" if target.share is None else f"  {target.share:.0%} of calls"
    read = target.figures.totals.cache_read_share
    cached = "" if read is None else f"  {read:.0%} of its prompts cached"
    return f"    {_health(target.health, now)} {one_line(target.name)}", f"{_figures(target.figures)}{share}{cached}"


def _route(route: RouteFigures) -> tuple[str, str]:
    flows = "  ".join(f"{one_line(name)} {flow.share:.0%}" for name, flow in route.flows.items() if flow.share)
    return f"  → {one_line(route.name)}", f"{_figures(route.figures)}  {flows}"


def _budget(budget: Spending, now: float) -> str:
    used = f"{dollars(budget.used, at_least=budget.at_least)} of {dollars(budget.limit)}"
    used += ", of all machines" if budget.of_all_machines else ""
    left = "" if budget.resets_at is None else f", begins anew in {_duration(max(0.0, budget.resets_at - now))}"
    return f"  $ budget of {one_line(budget.owner)}: {used}{left}"


def _cache(cache: CacheFigures) -> str:
    shared = f" ({cache.from_shared} of other machines)" if cache.from_shared else ""
    parts = [f"hits {cache.hits}{shared}, misses {cache.misses}"]
    if cache.entries is not None and cache.bytes is not None:
        most = "" if cache.max_bytes is None else f" of {cache.max_bytes / 1e6:.0f} MB"
        parts.append(f"stored {cache.entries}, {cache.bytes / 1e6:.1f} MB{most}")
    return f"  cache: {', '.join(parts)}"


def _prompt_cache(counts: Counts) -> str:
    """What the vendors' prompt caches did; "" where they did nothing."""
    share = counts.cache_read_share
    if share is None:
        return ""
    written = f", {counts.cache_write_tokens:,} written" if counts.cache_write_tokens else ""
    saved = gain(None if counts.cost is None else counts.prompt_cache_saved)
    return f"{share:.0%} of {counts.input_tokens:,} prompt tokens read{written}, {saved}"


def _health(health: Health, now: float) -> str:
    sign, colour = _LAMPS[health.state]
    left = "" if health.until is None else f" {max(0.0, health.until - now):.0f} s"
    by_hand = " by hand" if health.by_hand else ""
    is_plain = health.state == "closed" and not health.by_hand
    words = "" if is_plain else f" {health.state.replace('_', '-')}{left}{by_hand}"
    return style(f"{sign}{words}", fg=colour)


def _figures(figures: Figures) -> str:
    parts = [f"{figures.rate:6.1f}/s", f"{figures.in_flight:3} in flight"]
    parts.append(f"p50 {_milliseconds(figures.first_token.p50)}  p95 {_milliseconds(figures.first_token.p95)}")
    if figures.error_rate:
        parts.append(style(f"{figures.error_rate:.1%} {one_line(figures.leading_code or 'failed')}", fg="red"))
    if figures.cost_per_minute or figures.window.unpriced:
        cost = dollars(figures.cost_per_minute, at_least=figures.window.unpriced > 0)
        parts.append(f"cost {UNKNOWN}" if cost == UNKNOWN else f"{cost}/min")
    return "  ".join(parts)


def _milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return f"{'–':>6}   "
    return f"{seconds * 1000:6.3g} ms" if seconds < 1 else f"{seconds:6.3g} s "


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
