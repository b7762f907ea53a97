"""Makes one snapshot of a fleet: the figures of all from their briefs, the rest from the snapshots of some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from router.monitor.fleet.brief import Brief
from router.monitor.fleet.tallies import Tally
from router.monitor.merge import merge, merge_figures, merge_spending
from router.views.figures import Figures, Fleet, Process, Snapshot, Spending


def add_up(
    name: str, briefs: Mapping[str, Brief], snapshots: Mapping[str, Snapshot], processes: int, *, common: bool
) -> Snapshot:
    """Make the snapshot of a fleet.

    Args:
        name: of the app.
        briefs: of those who can be read, by label; at least one.
        snapshots: of some of these, with sketches.
        processes: that live.
        common: whether budgets are spent by all of them together; else by those of each machine.
    """
    newest = max(briefs.values(), key=lambda brief: brief.started_at)
    whole = Snapshot(
        time=max(brief.time for brief in briefs.values()),
        name=name,
        path=None,
        revision=newest.revision,
        loaded_at=newest.started_at,
        started_at=0.0,
    )
    sampled = {label: _placed(snapshot, briefs[label].host) for label, snapshot in snapshots.items()}
    if sampled:
        merged = merge(list(sampled.values()))
        whole = replace(merged, name=name, path=None, spending=_spending(briefs, sampled, common=common))
    rest = _figures([brief for label, brief in briefs.items() if label not in sampled])
    return replace(
        whole,
        started_at=min(brief.started_at for brief in briefs.values()),
        watching=all(brief.watching for brief in briefs.values()),
        # The others tell neither quantiles nor what came of each second.
        figures=replace(
            merge_figures([whole.figures, rest]),
            series=whole.figures.series,
            first_token=whole.figures.first_token,
            latency=whole.figures.latency,
        ),
        by_process=tuple(
            _process(brief, sampled.get(label))
            for label, brief in sorted(briefs.items(), key=lambda each: (each[1].host, each[1].pid))
        ),
        fleet=Fleet(
            processes=processes,
            sampled=len(sampled),
            silent=processes - len(briefs),
            hosts=len({brief.host for brief in briefs.values()}),
            revisions=_counted(brief.revision for brief in briefs.values()),
            versions=_counted(brief.version for brief in briefs.values()),
            states=_counted(brief.state for brief in briefs.values()),
        ),
    )


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(Counter(words).most_common())


def _placed(snapshot: Snapshot, host: str) -> Snapshot:
    """Return it with what is the same on each machine told apart: a folder of answers is another one on another."""
    folder = snapshot.cache.folder
    return snapshot if folder is None else replace(snapshot, cache=replace(snapshot.cache, folder=f"{host}:{folder}"))


def _figures(briefs: list[Brief]) -> Figures:
    window, totals = Tally(), Tally()
    for brief in briefs:
        window.add(brief.window)
        totals.add(brief.totals)
    costs = [brief.cost_per_minute for brief in briefs if brief.cost_per_minute is not None]
    return Figures(
        rate=sum(brief.rate for brief in briefs),
        in_flight=sum(brief.in_flight for brief in briefs),
        tokens_per_second=sum(brief.tokens_per_second for brief in briefs),
        cost_per_minute=sum(costs) if costs or not briefs else None,
        window=window.counts(),
        totals=totals.counts(),
    )


def _process(brief: Brief, snapshot: Snapshot | None) -> Process:
    own = None if snapshot is None or not snapshot.by_process else snapshot.by_process[0]
    return Process(
        pid=brief.pid,
        started_at=brief.started_at,
        revision=brief.revision,
        watching=brief.watching,
        rate=brief.rate,
        in_flight=brief.in_flight,
        totals=brief.totals.counts(),
        memory=None if own is None else own.memory,
        cpu=None if own is None else own.cpu,
        host=brief.host,
    )


def _spending(briefs: Mapping[str, Brief], sampled: Mapping[str, Snapshot], *, common: bool) -> tuple[Spending, ...]:
    """Add up what the machines spent; what those spent whose snapshots are not here is not in it."""
    by_host: dict[str, list[tuple[Spending, ...]]] = {}
    for label, snapshot in sampled.items():
        by_host.setdefault(briefs[label].host, []).append(snapshot.spending)
    whole = merge_spending(
        [merge_spending(of_one, common=True) for of_one in by_host.values()],
        common=common,
    )
    if common or by_host.keys() == {brief.host for brief in briefs.values()}:
        return whole
    return tuple(replace(spent, at_least=spent.used is not None) for spent in whole)
