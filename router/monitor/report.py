"""Makes the snapshots of a router: what was counted, and the state of its breakers, limits and file, as data."""

from __future__ import annotations

import difflib
import os
import resource
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from providers.sources import CredentialState
from providers.threads import in_thread
from router.config.labels import shown_labels
from router.engine.shadows import Shadows
from router.monitor.health import key_figures, limit_uses, pressure, target_health
from router.plan.plan import Plan
from router.plan.target import OF_CALLERS, Key, Target, names_of, own_account, own_variant, variant_of
from router.state.spending import Spending as BudgetsInUse
from router.state.spending import Spent
from router.state.states import States
from router.telemetry.buckets import ALL
from router.telemetry.events import drained, reloaded
from router.telemetry.history import Past
from router.telemetry.recorder import Telemetry
from router.telemetry.windows import GroupTotals, Windows
from router.turns import at_once
from router.views.figures import (
    CacheFigures,
    Figures,
    HealthCheck,
    KeyFigures,
    LimitUse,
    Process,
    ProviderFigures,
    ReloadNote,
    RouteFigures,
    Snapshot,
    Spending,
    TargetFigures,
)
from router.views.file import ConfigView, ReloadResult, Revision

if TYPE_CHECKING:
    from router.cache.store import ResponseCache
    from router.config import LoadResult


_REVISIONS = 50  # that are remembered
_AT_ONCE = 20  # targets of a step

T = TypeVar("T")


class Report:
    """Makes the snapshots of one router; it reads only when it is asked.

    `path` is the file's, None for a router made from text. `revisions` is the log, the oldest first.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        states: States,
        spending: BudgetsInUse,
        credential: Callable[[Key], CredentialState | None] = lambda key: None,
    ) -> None:
        plan = telemetry.plan
        self.credential = credential
        self.telemetry = telemetry
        self._spending = spending
        self.windows = Windows(telemetry)
        self.totals = GroupTotals(telemetry)
        self.last_made: dict[object, object] = {}  # parts of the last snapshot
        self._targets: tuple[Plan | None, dict[str, Target]] = (None, {})
        self.past = Past(telemetry)
        self.path: Path | None = None
        self.cache: ResponseCache | None = None  # where a route keeps answers, from the first such request on
        self.shadows: Shadows | None = None
        self.last_reload: ReloadNote | None = None
        self.revisions: deque[Revision] = deque(
            [Revision(telemetry.started_at, plan.revision, True)], maxlen=_REVISIONS
        )
        self.rejected: ReloadResult | None = None  # the file as saved, where it is not what runs
        self._running = plan.loaded
        self.states = states
        self.checks: dict[str, HealthCheck] = {}  # of providers, the newest of each
        self._spent = (time.monotonic(), time.process_time())

    @property
    def name(self) -> str:
        """The app's name."""
        return app_name(self.path)

    async def reloaded(self, result: ReloadResult) -> None:
        """Remember that the file was seen to change, and what came of it."""
        now = time.time()
        outcome = (result.changes, result.diagnostics, result.problem)
        self.last_reload = ReloadNote(now, result.accepted, result.revision, *outcome)
        difference = await in_thread(unified, self._running, result.loaded)
        self.revisions.append(Revision(now, result.revision, result.accepted, *outcome, difference))
        self.rejected = None if result.accepted else result
        if result.accepted:
            self.telemetry.loaded_at = now
            self._running = result.loaded or self._running
        self.telemetry.publish(reloaded(result, self.path.name if self.path else "the file", now))

    def drained(self, name: str, *, back: bool) -> None:
        """Tell those who watch that a person drained a target or provider, or took it back."""
        file = self.telemetry.plan.file
        target = None if name in file.providers and name not in file.models else name
        called = None if target is None else self.telemetry.plan.called(target)
        provider = called[0] if called else name
        self.telemetry.publish(drained(name, back=back, provider=provider, target=target, time=time.time()))

    def config(self) -> ConfigView:
        """Return the file as saved, as it runs, and what lies between them. It is made from the text: best in a
        thread.
        """
        plan = self.telemetry.plan
        running = "" if plan.loaded is None else plan.loaded.shown
        rejected = self.rejected
        saved = None if rejected is None else rejected.loaded
        return ConfigView(
            path=None if self.path is None else str(self.path),
            revision=plan.revision,
            text=running if saved is None else saved.shown,
            requests=None if plan.log is None else str(plan.log.folder),
            files=() if plan.loaded is None else (saved or plan.loaded).files,
            running=running,
            diagnostics=rejected.diagnostics if rejected else plan.loaded.diagnostics if plan.loaded else (),
            problem="" if rejected is None else rejected.problem,
            difference=unified(plan.loaded, saved),
            log=tuple(reversed(self.revisions)),
        )

    def snapshot(self, now: float, *, watching: bool, with_sketches: bool = False) -> Snapshot:
        """Make the snapshot of this moment.

        Args:
            now: the loop's time.
            watching: whether edits of the file are followed.
            with_sketches: for those who add up several processes.
        """
        return at_once(self.making(now, watching=watching, with_sketches=with_sketches))

    def making(self, now: float, *, watching: bool, with_sketches: bool = False) -> Generator[None, None, Snapshot]:
        """Make the snapshot of this moment by steps of less than a millisecond; see `in_turns`."""
        telemetry, plan = self.telemetry, self.telemetry.plan
        telemetry.resync_clock(now)
        yield from self.windows.reading(now)
        yield from self.totals.reading()
        making = _Making(self, plan, now, self.states, with_sketches)
        providers = yield from making.providers()
        routes = yield from making.routes()
        figures = making.figures(ALL, sum(route.in_flight for route in telemetry.routes.values()))
        return Snapshot(
            time=now + telemetry.offset,
            name=self.name,
            path=None if self.path is None else str(self.path),
            revision=plan.revision,
            loaded_at=telemetry.loaded_at,
            started_at=telemetry.started_at,
            watching=watching,
            capture=telemetry.capture,
            last_reload=self.last_reload,
            figures=figures,
            providers=providers,
            routes=routes,
            cache=_cache(figures, self.cache),
            spending=_spending(self._spending.report(top=True)),
            by_process=(self._process(plan, figures, watching),),
            shadows=() if self.shadows is None else tuple(self.shadows.figures.values()),
            high=_spending(self._spending.high()),
        )

    def targets_of(self, plan: Plan) -> dict[str, Target]:
        """Return the targets of a plan by identity; a file has them once for each route."""
        if self._targets[0] is not plan:
            self.last_made.clear()
            self._targets = (
                plan,
                {target.identity: target for target in reversed(plan.targets)},
            )  # the first name counts
        return self._targets[1]

    def _process(self, plan: Plan, figures: Figures, watching: bool) -> Process:
        moment, spent = time.monotonic(), time.process_time()
        (before, spent_before), self._spent = self._spent, (moment, spent)
        return Process(
            pid=os.getpid(),
            started_at=self.telemetry.started_at,
            revision=plan.revision,
            watching=watching,
            rate=figures.rate,
            in_flight=figures.in_flight,
            totals=figures.totals,
            memory=_memory(),
            cpu=(spent - spent_before) / (moment - before) if moment > before else None,
        )


class _Making:
    """One snapshot while it is made."""

    def __init__(self, report: Report, plan: Plan, now: float, states: States, with_sketches: bool) -> None:
        self._telemetry = report.telemetry
        self._windows = report.windows
        self._totals = report.totals
        self._last = report.last_made
        self._credential = report.credential
        self._plan = plan
        self._now = now
        self._states = states
        self._checks = report.checks
        self._with_sketches = with_sketches
        self._attempts = sum(self._windows.calls(key) for key in self._windows.groups if key[0] == "provider")
        self._targets = report.targets_of(plan)

    def figures(self, key: tuple[str, str], in_flight: int) -> Figures:
        return self._windows.figures(key, self._now, self._totals.of(key), in_flight, with_sketches=self._with_sketches)

    def _same(self, key: tuple[str, str], made: T) -> T:
        """Return what the last snapshot had under this key, if it is equal: to see it, nobody has to compare."""
        last: Any = self._last.get((*key, self._with_sketches))
        if last == made:
            return last  # type: ignore[no-any-return]  # it was put there under this key
        self._last[(*key, self._with_sketches)] = made
        return made

    def providers(self) -> Generator[None, None, tuple[ProviderFigures, ...]]:
        by_provider: dict[str, list[TargetFigures]] = {name: [] for name in self._plan.providers}
        some: dict[str, Target] = {}
        for number, target in enumerate(reversed(self._targets.values())):
            by_provider[target.provider].append(self._target(target))
            some[target.provider] = target
            if number % _AT_ONCE == 0:
                yield
        for identity in self._strangers():
            provider, name = names_of(identity)
            figures = self.figures(("target", identity), self._in_flight(identity))
            if provider in by_provider and name is not None and figures.totals.calls:
                model = name.partition("/")[2]
                name = self._of_callers(identity, provider, model) or name
                target_figures = TargetFigures(name, provider, model, share=self._share(figures), figures=figures)
                by_provider[provider].append(target_figures)
        yield
        made = []
        for number, (name, targets) in enumerate(by_provider.items()):
            made.append(self._same(("provider", name), self._provider(name, some.get(name), targets)))
            if number % _AT_ONCE == 0:
                yield
        return tuple(made)

    def _of_callers(self, identity: str, provider: str, model: str) -> str:
        """The name of a target that is called with callers' own keys; "" for others."""
        if not identity.startswith(own_account(provider)):
            return ""
        what = provider, model, variant_of(identity)
        for target in self._targets.values():
            if (target.provider, target.model, own_variant(variant_of(target.identity))) == what:
                return f"{target.name}{OF_CALLERS}"
        return f"{provider}/{model}{OF_CALLERS}"

    def _strangers(self) -> Iterable[str]:
        """List targets that no chain of the file has: called as `provider/model-id`, or gone from the file."""
        return [name for kind, name in self._totals.keys if kind == "target" and name not in self._targets]

    def _keys(self, target: Target) -> tuple[KeyFigures, ...]:
        return key_figures(self._states, target, self._now, self._telemetry.offset, self._credential)

    def _provider(self, name: str, target: Target | None, targets: list[TargetFigures]) -> ProviderFigures:
        keys = () if target is None else self._keys(target)
        figures = self.figures(("provider", name), sum(key.in_flight for key in keys))
        worst = max(keys, key=lambda key: pressure(key.limits) or 0.0, default=None)
        shown = min(keys, key=lambda key: key.health.state != "closed", default=None)  # while one is well, all is
        kind = self._plan.providers[name].kind
        return ProviderFigures(
            name,
            kind,
            **({} if shown is None else {"health": shown.health}),
            share=self._share(figures),
            pressure=None if worst is None else pressure(worst.limits),
            keys=keys,
            targets=tuple(targets),
            figures=figures,
            check=self._checks.get(name),
            labels=shown_labels(self._plan.file.providers[name].labels),
        )

    def _target(self, target: Target) -> TargetFigures:
        figures = self.figures(("target", target.identity), self._in_flight(target.identity))
        state = self._states.find_target(target.identity)
        limits: tuple[LimitUse, ...] = () if state is None else tuple(limit_uses(state.limits, self._now))
        made = TargetFigures(
            target.name,
            target.provider,
            target.model,
            target_health(self._states, target, self._now, self._telemetry.offset),
            self._share(figures),
            pressure(limits),
            limits,
            figures,
            shown_labels(target.labels),
        )
        return self._same(("target", target.identity), made)

    def _in_flight(self, identity: str) -> int:
        state = self._states.find_target(identity)
        return 0 if state is None else state.limits.in_flight

    def _share(self, figures: Figures) -> float | None:
        return figures.window.calls / self._attempts if self._attempts else None

    def routes(self) -> Generator[None, None, tuple[RouteFigures, ...]]:
        recorded = self._telemetry.routes
        made: list[RouteFigures] = []
        names = dict.fromkeys((*self._plan.file.routes, *recorded))
        for number, name in enumerate(names):
            if number % _AT_ONCE == 0:
                yield
            route = yield from self._route(name, recorded[name].in_flight if name in recorded else 0)
            made.append(route)
        return tuple(made)

    def _route(self, name: str, in_flight: int) -> Generator[None, None, RouteFigures]:
        figures = self.figures(("route", name), in_flight)
        windows = self._windows.flows.get(name, {})
        answered = sum(window.sums.succeeded for window in windows.values())
        flows = {}
        for number, identity in enumerate(tuple(windows)):
            if number % _AT_ONCE == 0:
                yield
            target = self._targets.get(identity)
            shown = names_of(identity)[1] or identity if target is None else target.name
            flows[shown] = self._windows.flow(name, identity, shown, self._now, of=answered)
        return self._same(("route", name), RouteFigures(name, figures, flows))


def _memory() -> int | None:
    """Return the bytes in memory now, where the system tells (proc(5)); elsewhere the most so far."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def unified(before: LoadResult | None, after: LoadResult | None) -> tuple[str, ...]:
    """Return the lines of a unified diff, keys blanked out."""
    if before is None or after is None or before is after:
        return ()
    lines = difflib.unified_diff(before.shown.splitlines(), after.shown.splitlines(), "running", "saved", lineterm="")
    return tuple(lines)


def _spending(budgets: Iterable[Spent]) -> tuple[Spending, ...]:
    return tuple(
        Spending(of.scope, of.name, of.limit, of.usd, of.per, of.resets_at, of.at_least, of.of_all_machines, of.of)
        for of in budgets
    )


def _cache(figures: Figures, cache: ResponseCache | None) -> CacheFigures:
    if cache is None:
        return CacheFigures()
    stats, window = cache.stats, figures.window
    rate = window.cache_hits / window.calls if window.calls else None
    folder, volume = cache.place[0], cache.last_volume()
    return CacheFigures(
        True,
        stats.hits,
        stats.misses,
        stats.stale,
        stats.joined,
        stats.stored,
        rate,
        folder=None if folder is None else str(folder),
        entries=None if volume is None else volume[0],
        bytes=None if volume is None else volume[1],
        max_bytes=cache.most,
        from_disk=stats.from_disk,
        from_shared=stats.from_shared,
    )


def app_name(path: Path | None) -> str:
    """Return what an app is called: as its file, or as the folder of that where the file is the usual routes.yaml."""
    if path is None:
        return "router"
    return (path.parent.name or "router") if path.stem == "routes" else path.stem
