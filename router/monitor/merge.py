"""Several processes of one app as one router: figures added up, quantiles from the sketches of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import TypeVar

from msgspec.structs import replace

from providers.sources import CredentialState
from router.telemetry import sketch
from router.telemetry.buckets import NUMBERS, known_cost, quantiles_of
from router.telemetry.sketch import Sketch
from router.views.figures import (
    WINDOW,
    CacheFigures,
    Counts,
    Figures,
    Flow,
    Health,
    HealthCheck,
    KeyFigures,
    LimitUse,
    ProviderFigures,
    Quantiles,
    RouteFigures,
    ShadowFigures,
    Snapshot,
    Spending,
    TargetFigures,
)

T = TypeVar("T")

# The worse counts: what one process sees, all of them may see soon.
WORSE = ("closed", "disabled", "drained", "half_open", "held", "open")
SILENT = 3  # seconds after which a process that tells nothing counts as not connected
_COUNTED = tuple(name for name in NUMBERS if name in Counts.__struct_fields__)


def merge(snapshots: Sequence[Snapshot]) -> Snapshot:
    """Make one snapshot of those of all processes.

    Args:
        snapshots: one a process, with sketches, of about the same moment.
    """
    if len(snapshots) == 1:
        return snapshots[0]
    newest = max(snapshots, key=lambda snapshot: snapshot.loaded_at)
    late = max(snapshots, key=lambda snapshot: snapshot.time)
    # Series are of the 60 seconds before a snapshot: older ones are moved along.
    behind = [int(late.time) - int(snapshot.time) for snapshot in snapshots]
    moved = [_moved(snapshot, back) for snapshot, back in zip(snapshots, behind, strict=True)]
    reloads = [snapshot.last_reload for snapshot in snapshots if snapshot.last_reload is not None]
    return Snapshot(
        time=late.time,
        name=newest.name,
        path=newest.path,
        revision=newest.revision,
        loaded_at=newest.loaded_at,
        started_at=min(snapshot.started_at for snapshot in snapshots),
        watching=all(snapshot.watching for snapshot in snapshots),
        capture=newest.capture,
        last_reload=max(reloads, key=lambda reload: reload.time, default=None),
        figures=merge_figures([snapshot.figures for snapshot in moved]),
        providers=_shared(
            _by_name([snapshot.providers for snapshot in moved], lambda provider: provider.name, _provider)
        ),
        routes=_by_name([snapshot.routes for snapshot in moved], lambda route: route.name, _route),
        cache=_cache([snapshot.cache for snapshot in snapshots]),
        spending=merge_spending([snapshot.spending for snapshot in snapshots], common=newest.path is not None),
        high=merge_spending([snapshot.high for snapshot in snapshots], common=newest.path is not None),
        by_process=tuple(process for snapshot in moved for process in snapshot.by_process),
        shadows=_by_name(
            [snapshot.shadows for snapshot in snapshots], lambda shadow: f"{shadow.route} {shadow.to}", _shadow
        ),
    )


def _shadow(group: list[ShadowFigures]) -> ShadowFigures:
    names = [name for name in ShadowFigures.__struct_fields__ if name not in ("route", "to", "codes")]
    sums = {name: sum(getattr(each, name) for each in group) for name in names}
    codes: Counter[str] = Counter()
    for each in group:
        codes.update(each.codes)
    return replace(group[0], codes=dict(codes), **sums)


def _moved(snapshot: Snapshot, back: int) -> Snapshot:
    if back <= 0:
        return snapshot

    def move(series: tuple[int, ...]) -> tuple[int, ...]:
        return (*series[back:], *[0] * min(back, len(series)))

    def move_figures(figures: Figures) -> Figures:
        if back > SILENT:
            figures = replace(figures, rate=0.0, tokens_per_second=0.0)
        return replace(figures, series=move(figures.series))

    return replace(
        snapshot,
        by_process=tuple(replace(each, connected=back <= SILENT) for each in snapshot.by_process),
        figures=move_figures(snapshot.figures),
        providers=tuple(
            replace(
                each,
                figures=move_figures(each.figures),
                targets=tuple(replace(target, figures=move_figures(target.figures)) for target in each.targets),
            )
            for each in snapshot.providers
        ),
        routes=tuple(
            replace(
                each,
                figures=move_figures(each.figures),
                flows={name: replace(flow, series=move(flow.series)) for name, flow in each.flows.items()},
            )
            for each in snapshot.routes
        ),
    )


def _by_name(lists: Iterable[Sequence[T]], name: Callable[[T], str], join: Callable[[list[T]], T]) -> tuple[T, ...]:
    """Join the items of one name, in the order in which they are first seen."""
    groups: dict[str, list[T]] = {}
    for items in lists:
        for item in items:
            groups.setdefault(name(item), []).append(item)
    return tuple(join(same) if len(same) > 1 else same[0] for same in groups.values())


def merge_figures(group: Sequence[Figures]) -> Figures:
    """Add up the figures of processes, with sketches."""
    window, totals = _counts([figures.window for figures in group]), _counts([figures.totals for figures in group])
    done = window.succeeded + window.failed
    speeds = [
        (figures.stream_speed, figures.window.output_tokens) for figures in group if figures.stream_speed is not None
    ]
    weight = sum(tokens for _, tokens in speeds)
    return Figures(
        rate=sum(figures.rate for figures in group),
        series=_added([figures.series for figures in group]),
        in_flight=sum(figures.in_flight for figures in group),
        tokens_per_second=sum(figures.tokens_per_second for figures in group),
        stream_speed=sum(speed * tokens for speed, tokens in speeds) / weight if weight else None,
        first_token=_quantiles([figures.first_token for figures in group]),
        latency=_quantiles([figures.latency for figures in group]),
        error_rate=window.failed / done if done else None,
        leading_code=max(window.errors, key=lambda code: window.errors[code], default=None),
        cost_per_minute=None if window.cost is None else sum(figures.cost_per_minute or 0.0 for figures in group),
        window=window,
        totals=totals,
    )


def _counts(group: list[Counts]) -> Counts:
    errors: dict[str, int] = {}
    for counts in group:
        for code, count in counts.errors.items():
            errors[code] = errors.get(code, 0) + count
    numbers = {name: sum(getattr(counts, name) or 0 for counts in group) for name in _COUNTED}
    numbers["cost"] = known_cost(numbers["cost"], numbers["unpriced"])
    return Counts(calls=sum(counts.calls for counts in group), errors=errors, **numbers)


def _quantiles(group: list[Quantiles]) -> Quantiles:
    merged: Sketch = {}
    for quantiles in group:
        sketch.add(merged, quantiles.sketch)
    return quantiles_of(merged)


def _added(series: list[tuple[int, ...]]) -> tuple[int, ...]:
    if all(len(values) == WINDOW for values in series):
        return tuple(map(sum, zip(*series, strict=True)))
    width = max(map(len, series), default=0)
    return tuple(map(sum, zip(*((*[0] * (width - len(values)), *values) for values in series), strict=True)))


def _health(group: list[Health]) -> Health:
    worst = max(group, key=lambda health: (WORSE.index(health.state), health.until or 0.0))
    same = sum(health.state == worst.state for health in group)
    if same == len(group) or worst.state == "closed":
        return worst
    return replace(worst, why=f"{worst.why} (in {same} of {len(group)} processes)".strip())


def _limits(group: list[tuple[LimitUse, ...]]) -> tuple[LimitUse, ...]:
    """Join the limits of processes, each of which has them to itself: the tightest is shown."""
    return _by_name(
        group,
        lambda limit: f"{limit.what} {limit.period}",
        lambda same: replace(max(same, key=lambda limit: limit.pressure), waiting=sum(limit.waiting for limit in same)),
    )


def _tightest(pressures: Iterable[float | None]) -> float | None:
    return max((pressure for pressure in pressures if pressure is not None), default=None)


def _shared(providers: tuple[ProviderFigures, ...]) -> tuple[ProviderFigures, ...]:
    """Set each one's share of all calls, where each process knew only its share of its own."""
    calls = sum(provider.figures.window.calls for provider in providers)

    def share(figures: Figures) -> float | None:
        return figures.window.calls / calls if calls else None

    return tuple(
        replace(
            provider,
            share=share(provider.figures),
            targets=tuple(replace(target, share=share(target.figures)) for target in provider.targets),
        )
        for provider in providers
    )


def _target(group: list[TargetFigures]) -> TargetFigures:
    return replace(
        group[0],
        health=_health([target.health for target in group]),
        pressure=_tightest(target.pressure for target in group),
        limits=_limits([target.limits for target in group]),
        figures=merge_figures([target.figures for target in group]),
    )


def _key(group: list[KeyFigures]) -> KeyFigures:
    return KeyFigures(
        group[0].name,
        _health([key.health for key in group]),
        sum(key.in_flight for key in group),
        _limits([key.limits for key in group]),
        _worst([key.credential for key in group if key.credential is not None]),
    )


def _worst(states: list[CredentialState]) -> CredentialState | None:
    """The one that needs somebody most: whose source fails, and else the one that ends first."""
    return max(states, key=lambda state: (state.failures, -(state.ends or inf)), default=None)


def _provider(group: list[ProviderFigures]) -> ProviderFigures:
    return replace(
        group[0],
        health=_health([provider.health for provider in group]),
        pressure=_tightest(provider.pressure for provider in group),
        keys=_by_name([provider.keys for provider in group], lambda key: key.name, _key),
        targets=_by_name([provider.targets for provider in group], lambda target: target.name, _target),
        figures=merge_figures([provider.figures for provider in group]),
        check=min((each.check for each in group if each.check is not None), key=_by_worst, default=None),
    )


def _by_worst(check: HealthCheck) -> tuple[bool, float]:
    """A failed one first, then the newest."""
    return check.ok is not False, -check.time


def _route(group: list[RouteFigures]) -> RouteFigures:
    answered = {id(route): route.figures.window.succeeded for route in group}
    total = sum(answered.values())
    flows: dict[str, Flow] = {}
    for name in dict.fromkeys(name for route in group for name in route.flows):
        parts = [(route.flows[name], answered[id(route)]) for route in group if name in route.flows]
        share = sum((flow.share or 0.0) * weight for flow, weight in parts) / total if total else None
        flows[name] = Flow(name, share, sum(flow.rate for flow, _ in parts), _added([flow.series for flow, _ in parts]))
    return RouteFigures(group[0].name, merge_figures([route.figures for route in group]), flows)


def _cache(group: list[CacheFigures]) -> CacheFigures:
    hits, misses = sum(cache.hits for cache in group), sum(cache.misses for cache in group)
    rates = [cache.hit_rate for cache in group if cache.hit_rate is not None]
    return replace(
        group[0],
        enabled=any(cache.enabled for cache in group),
        hits=hits,
        misses=misses,
        stale=sum(cache.stale for cache in group),
        joined=sum(cache.joined for cache in group),
        stored=sum(cache.stored for cache in group),
        hit_rate=sum(rates) / len(rates) if rates else None,
        entries=_stored(group, "entries"),
        bytes=_stored(group, "bytes"),
        max_bytes=_stored(group, "max_bytes"),
        from_disk=sum(cache.from_disk for cache in group),
        from_shared=sum(cache.from_shared for cache in group),
    )


def _stored(group: list[CacheFigures], name: str) -> int | None:
    """Add up what is stored: of a folder that several share once."""
    known: dict[str | int, int] = {}
    for place, cache in enumerate(group):
        value: int | None = getattr(cache, name)
        if value is not None:
            where = place if cache.folder is None else cache.folder
            known[where] = max(value, known.get(where, 0))
    return sum(known.values()) if known else None


def merge_spending(lists: Iterable[Sequence[Spending]], *, common: bool) -> tuple[Spending, ...]:
    """Join the budgets of processes.

    Args:
        common: whether each knows what all of them spent.
    """
    return _by_name(lists, lambda spent: spent.owner, _shared_spending if common else _spending)


def _spending(group: list[Spending]) -> Spending:
    """Join the budgets of processes that each have them to themselves, but for those of all machines."""
    if group[0].of_all_machines:
        return _shared_spending(group)
    return _added_up(group)


def _added_up(group: list[Spending]) -> Spending:
    known = [spending.used for spending in group if spending.used]
    used = sum(known) if known or all(spending.used is not None for spending in group) else None
    unknown = any(spending.used is None or spending.at_least for spending in group)
    return replace(group[0], used=used, at_least=unknown and used is not None)


def _shared_spending(group: list[Spending]) -> Spending:
    """Join the budgets of processes of one file, who know what all of them spent: the newest knowledge stands."""
    joined = _added_up(group)
    return replace(joined, used=None if joined.used is None else max(spending.used or 0.0 for spending in group))
