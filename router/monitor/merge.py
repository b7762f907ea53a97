"""Several processes of one app as one router: figures added up, quantiles from the sketches of all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from router.telemetry import sketch
from router.telemetry.buckets import NUMBERS, quantiles_of
from router.telemetry.sketch import Sketch
from router.views.figures import (
    WINDOW,
    CacheFigures,
    Counts,
    Figures,
    Flow,
    Health,
    KeyFigures,
    LimitUse,
    ProviderFigures,
    Quantiles,
    RouteFigures,
    Snapshot,
    Spending,
    TargetFigures,
)

T = TypeVar("T")

# The worse counts: what one process sees, all of them may see soon.
_WORSE = ("closed", "disabled", "drained", "half_open", "held", "open")
SILENT = 3  # seconds after which a process that tells nothing counts as not connected
_COUNTED = tuple(name for name in NUMBERS if name in Counts.__struct_fields__)


def merge(snapshots: Sequence[Snapshot]) -> Snapshot:
    """One snapshot of all.

    Args:
        snapshots: one a process, with sketches, of about the same moment.
    """
    if len(snapshots) == 1:
        return snapshots[0]
    newest = max(snapshots, key=lambda each: each.loaded_at)
    late = max(snapshots, key=lambda each: each.time)
    # Series are of the 60 seconds before a snapshot: older ones are moved along.
    behind = [int(late.time) - int(each.time) for each in snapshots]
    moved = [_moved(each, back) for each, back in zip(snapshots, behind, strict=True)]
    reloads = [each.last_reload for each in snapshots if each.last_reload is not None]
    return Snapshot(
        time=late.time,
        name=newest.name,
        path=newest.path,
        revision=newest.revision,
        loaded_at=newest.loaded_at,
        started_at=min(each.started_at for each in snapshots),
        watching=all(each.watching for each in snapshots),
        capture=newest.capture,
        last_reload=max(reloads, key=lambda each: each.time, default=None),
        figures=_figures([each.figures for each in moved]),
        providers=_shared(_by_name([each.providers for each in moved], lambda each: each.name, _provider)),
        routes=_by_name([each.routes for each in moved], lambda each: each.name, _route),
        cache=_cache([each.cache for each in snapshots]),
        spending=_by_name([each.spending for each in snapshots], lambda each: f"{each.scope} {each.name}", _spending),
        by_process=tuple(process for each in moved for process in each.by_process),
    )


def _moved(snapshot: Snapshot, back: int) -> Snapshot:
    if back <= 0:
        return snapshot

    def move(series: tuple[int, ...]) -> tuple[int, ...]:
        return (*series[back:], *[0] * min(back, len(series)))

    def figures(found: Figures) -> Figures:
        if back > SILENT:
            found = replace(found, rate=0.0, tokens_per_second=0.0)
        return replace(found, series=move(found.series))

    return replace(
        snapshot,
        by_process=tuple(replace(each, connected=back <= SILENT) for each in snapshot.by_process),
        figures=figures(snapshot.figures),
        providers=tuple(
            replace(
                each,
                figures=figures(each.figures),
                targets=tuple(replace(target, figures=figures(target.figures)) for target in each.targets),
            )
            for each in snapshot.providers
        ),
        routes=tuple(
            replace(
                each,
                figures=figures(each.figures),
                flows={name: replace(flow, series=move(flow.series)) for name, flow in each.flows.items()},
            )
            for each in snapshot.routes
        ),
    )


def _by_name(lists: Iterable[Sequence[T]], name: Callable[[T], str], join: Callable[[list[T]], T]) -> tuple[T, ...]:
    """Those of one name joined, in the order in which they are first seen."""
    found: dict[str, list[T]] = {}
    for each in lists:
        for one in each:
            found.setdefault(name(one), []).append(one)
    return tuple(join(same) if len(same) > 1 else same[0] for same in found.values())


def _figures(found: list[Figures]) -> Figures:
    window, totals = _counts([each.window for each in found]), _counts([each.totals for each in found])
    done = window.succeeded + window.failed
    speeds = [(each.stream_speed, each.window.output_tokens) for each in found if each.stream_speed is not None]
    weight = sum(tokens for _, tokens in speeds)
    return Figures(
        rate=sum(each.rate for each in found),
        series=_added([each.series for each in found]),
        in_flight=sum(each.in_flight for each in found),
        tokens_per_second=sum(each.tokens_per_second for each in found),
        stream_speed=sum(speed * tokens for speed, tokens in speeds) / weight if weight else None,
        first_token=_quantiles([each.first_token for each in found]),
        latency=_quantiles([each.latency for each in found]),
        error_rate=window.failed / done if done else None,
        leading_code=max(window.errors, key=lambda code: window.errors[code], default=None),
        cost_per_minute=sum(each.cost_per_minute for each in found),
        window=window,
        totals=totals,
    )


def _counts(found: list[Counts]) -> Counts:
    errors: dict[str, int] = {}
    for each in found:
        for code, number in each.errors.items():
            errors[code] = errors.get(code, 0) + number
    numbers = {name: sum(getattr(each, name) for each in found) for name in _COUNTED}
    return Counts(calls=sum(each.calls for each in found), errors=errors, **numbers)


def _quantiles(found: list[Quantiles]) -> Quantiles:
    whole: Sketch = {}
    for each in found:
        sketch.add(whole, each.sketch)
    return quantiles_of(whole)


def _added(series: list[tuple[int, ...]]) -> tuple[int, ...]:
    if all(len(each) == WINDOW for each in series):
        return tuple(map(sum, zip(*series, strict=True)))
    width = max(map(len, series), default=0)
    return tuple(map(sum, zip(*((*[0] * (width - len(each)), *each) for each in series), strict=True)))


def _health(found: list[Health]) -> Health:
    worst = max(found, key=lambda each: (_WORSE.index(each.state), each.until or 0.0))
    same = sum(each.state == worst.state for each in found)
    if same == len(found) or worst.state == "closed":
        return worst
    return replace(worst, why=f"{worst.why} (in {same} of {len(found)} processes)".strip())


def _limits(found: list[tuple[LimitUse, ...]]) -> tuple[LimitUse, ...]:
    """Each process has its limits to itself: the tightest is shown."""
    return _by_name(
        found,
        lambda each: each.what,
        lambda same: replace(max(same, key=lambda each: each.pressure), waiting=sum(each.waiting for each in same)),
    )


def _tightest(found: Iterable[float | None]) -> float | None:
    return max((each for each in found if each is not None), default=None)


def _shared(providers: tuple[ProviderFigures, ...]) -> tuple[ProviderFigures, ...]:
    """With the shares of the whole, where each process knew only its own."""
    whole = sum(provider.figures.window.calls for provider in providers)

    def share(found: Figures) -> float | None:
        return found.window.calls / whole if whole else None

    return tuple(
        replace(
            provider,
            share=share(provider.figures),
            targets=tuple(replace(target, share=share(target.figures)) for target in provider.targets),
        )
        for provider in providers
    )


def _target(found: list[TargetFigures]) -> TargetFigures:
    return replace(
        found[0],
        health=_health([each.health for each in found]),
        pressure=_tightest(each.pressure for each in found),
        limits=_limits([each.limits for each in found]),
        figures=_figures([each.figures for each in found]),
    )


def _key(found: list[KeyFigures]) -> KeyFigures:
    return KeyFigures(
        found[0].name,
        _health([each.health for each in found]),
        sum(each.in_flight for each in found),
        _limits([each.limits for each in found]),
    )


def _provider(found: list[ProviderFigures]) -> ProviderFigures:
    return replace(
        found[0],
        health=_health([each.health for each in found]),
        pressure=_tightest(each.pressure for each in found),
        keys=_by_name([each.keys for each in found], lambda each: each.name, _key),
        targets=_by_name([each.targets for each in found], lambda each: each.name, _target),
        figures=_figures([each.figures for each in found]),
    )


def _route(found: list[RouteFigures]) -> RouteFigures:
    answered = {id(each): each.figures.window.succeeded for each in found}
    whole = sum(answered.values())
    flows: dict[str, Flow] = {}
    for name in dict.fromkeys(name for each in found for name in each.flows):
        parts = [(each.flows[name], answered[id(each)]) for each in found if name in each.flows]
        share = sum((flow.share or 0.0) * weight for flow, weight in parts) / whole if whole else None
        flows[name] = Flow(name, share, sum(flow.rate for flow, _ in parts), _added([flow.series for flow, _ in parts]))
    return RouteFigures(found[0].name, _figures([each.figures for each in found]), flows)


def _cache(found: list[CacheFigures]) -> CacheFigures:
    hits, misses = sum(each.hits for each in found), sum(each.misses for each in found)
    rates = [each.hit_rate for each in found if each.hit_rate is not None]
    return replace(
        found[0],
        enabled=any(each.enabled for each in found),
        hits=hits,
        misses=misses,
        stale=sum(each.stale for each in found),
        joined=sum(each.joined for each in found),
        stored=sum(each.stored for each in found),
        hit_rate=sum(rates) / len(rates) if rates else None,
    )


def _spending(found: list[Spending]) -> Spending:
    return replace(found[0], used=sum(each.used for each in found))
