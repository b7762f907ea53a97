"""What people see of a router, and what they may do to it by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, cast

from router.errors import UnknownRoute
from router.monitor.report import Report
from router.plan.plan import Chain, Plan
from router.state.guard import Guard
from router.state.states import States
from router.telemetry.recorder import Telemetry
from router.views.figures import Snapshot

if TYPE_CHECKING:
    from router.exporters.prometheus import RouterCollector
    from router.monitor.local_feed import LocalFeed
    from router.router import Router
from typing import TYPE_CHECKING

from providers.errors import SignalboxError
from router.views.commands import ClearCache, Command, Done, Drain, Reload, SetBreaker, Undrain


class Watched:
    """The part of `Router` for people: apart, so that the other has requests alone.

    `telemetry` counts, `report` makes data of it.
    """

    telemetry: Telemetry
    report: Report
    _plan: Plan
    _states: States
    _loop: asyncio.AbstractEventLoop | None
    _watcher: asyncio.Task[None] | None

    if TYPE_CHECKING:

        def chain(self, route: str) -> Chain: ...

    # --- being watched

    def snapshot(self, *, with_sketches: bool = False) -> Snapshot:
        """What a dashboard shows, as data: figures, breakers, limits, budgets, the last reload.

        Args:
            with_sketches: with what quantiles are made from, for those who add up several routers.
        """
        now = time.monotonic() if self._loop is None else self._loop.time()
        return self.report.snapshot(now, watching=self.watching, with_sketches=with_sketches)

    def feed(self) -> LocalFeed:
        """Everything that can be watched and asked: snapshots, events, requests, plots, the file, commands."""
        from router.monitor.local_feed import LocalFeed

        return LocalFeed(cast("Router", self))

    def prometheus(self) -> RouterCollector:
        """A collector to register with prometheus_client (extra `prometheus`)."""
        from router.exporters.prometheus import RouterCollector

        return RouterCollector(cast("Router", self))

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that it belongs to; None before its first use."""
        return self._loop

    @property
    def watching(self) -> bool:
        """Whether edits of the file are followed now."""
        return self._watcher is not None and not self._watcher.done()

    # --- by hand

    def breaker(self, name: str, action: Literal["open", "close", "reset"]) -> None:
        """Open, close or reset a circuit breaker by hand; opened or closed it stays until reset, or until a reload.

        Args:
            name: a model of the file, `provider/model-id`, or a provider, which stands for all its keys.

        Raises:
            UnknownRoute: nothing has that name.
        """
        for guard in guards_of(name, self._plan, self._states, self.chain):
            if action == "reset":
                guard.breaker.reset()
            else:
                guard.breaker.force("open" if action == "open" else "closed")

    def drain(self, name: str) -> None:
        """Give a model or provider no new calls; those under way end. Until `undrain`, or a reload."""
        for guard in guards_of(name, self._plan, self._states, self.chain):
            guard.draining = True
        self.report.drained(name, back=False)

    def undrain(self, name: str) -> None:
        """The opposite of `drain`."""
        for guard in guards_of(name, self._plan, self._states, self.chain):
            guard.draining = False
        self.report.drained(name, back=True)


def guards_of(name: str, plan: Plan, states: States, chain: Callable[[str], Chain]) -> list[Guard]:
    """The guards of a model, of `provider/model-id`, or of a provider: those of all its keys.

    Args:
        chain: finds the chain of a model or of `provider/model-id`.

    Raises:
        UnknownRoute: nothing has that name, or it is a route's.
    """
    if name in plan.providers and name not in plan.file.models:
        of = [target for target in plan.targets if target.provider == name]
        if not of:
            raise UnknownRoute(f'no model of the provider "{name}" is in use')
        return [states.key_of(of[0], key) for key in of[0].keys]
    if name in plan.file.routes:
        raise UnknownRoute(f'"{name}" is a route; name a model, provider/model-id or a provider')
    return [states.of(chain(name).targets[0])]


async def run_command(router: Router, command: Command) -> Done:
    """Do it; what can't be done is said in the result."""
    try:
        return await _run(router, command)
    except (SignalboxError, ValueError) as error:
        return Done(False, str(error))


async def _run(router: Router, command: Command) -> Done:
    match command:
        case Reload():
            found = await router.reload()
            unchanged = found.accepted and not found.changes
            return Done(found.accepted, f"revision {found.revision} runs; nothing changed" if unchanged else str(found))
        case SetBreaker(name, action):
            router.breaker(name, action)
            what = {"open": "opened", "close": "closed", "reset": "reset"}[action]
            return Done(True, f"the breaker of {name} is {what}")
        case Drain(name):
            router.drain(name)
            return Done(True, f"{name} gets no new calls")
        case Undrain(name):
            router.undrain(name)
            return Done(True, f"{name} gets calls again")
        case ClearCache(route):
            number = await router.cache.clear(route=route)
            return Done(True, f"{number} answers{f' of {route}' if route else ''} were forgotten")
    raise ValueError(f"unknown command {command!r}")
