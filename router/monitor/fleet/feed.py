"""The feed of a fleet: what all processes of an app tell over a Redis, as one router. No router runs here."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from providers.threads import in_thread
from router.monitor import routes
from router.monitor.feed import FeedLost
from router.monitor.fleet.brief import Brief
from router.monitor.fleet.looking import PATIENCE, Look, Looking, changed_lamps, new_events
from router.monitor.fleet.orders import ALL
from router.monitor.fleet.outcome import outcome_of
from router.monitor.fleet.seen import Seen
from router.plan.plan import Plan
from router.shared.link import Exchange
from router.shared.sharing import connect
from router.telemetry.events import fleet_lamp, fleet_unseen, process_changed, processes_changed
from router.telemetry.recorder import EVENTS
from router.views.commands import Command, Done, Prompt, PromptEnd, PromptEvent
from router.views.events import Event
from router.views.figures import KEPT, Fleet, Snapshot
from router.views.file import ConfigView
from router.views.history import History
from router.views.requests import RequestFilter, RequestRecord, TraceView
from router.views.routes import Chains

EVERY = 1.0  # seconds between two looks; of more than some thousand processes longer
_PROCESSES = 2000  # that are looked at in a second
_FIRST = 3.0  # seconds in which those who are asked for snapshots should have told them
_OUTCOME = 4.0  # seconds in which processes should have said what became of a command
_NAMED = 5  # processes that come or go at once, and are told one by one
_EVENTS = 20  # of single processes that are told after one look

NO_PROMPTS = "no prompt goes to a fleet, and none comes from it: `signalbox dash FILE` runs them in a router of its own"


class SharedFeed:
    """A `Feed` (`router.monitor.feed`) of all processes that share over the server of a file.

    Args:
        plan: of the file; it has to have `shared`, with a secret.
        path: of the file.
        exchange: carries messages; None connects to the server of the file.
    """

    def __init__(self, plan: Plan, path: Path | None = None, exchange: Exchange | None = None) -> None:
        assert plan.shared is not None, "a fleet is watched by those who share"
        self._plan, self._path, self._rules = plan, path, plan.shared
        self._exchange = exchange or connect(plan.shared)
        self._looking = Looking(self._exchange, plan.shared)
        self._keeper: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._newest: Snapshot | None = None
        self._made = 0  # snapshots
        self._seen = Seen()
        self._events: deque[Event] = deque(maxlen=EVENTS)
        self._told = 0  # events

    @property
    def name(self) -> str:
        return self._rules.app

    # --- looking

    def _start(self) -> None:
        if self._keeper is None:
            self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        clock, task = asyncio.get_running_loop().time, asyncio.current_task()
        began, labels = clock(), None
        while True:
            before = clock()
            try:
                look = await self._looking.look()
                briefs = self._looking.briefs
                snapshot = await in_thread(self._looking.add_up, look)
            except Exception as error:  # whatever it is, it is told, and the server is asked again
                await self._lost(error)
            else:
                if len(look.snapshots) == len(look.chosen) or clock() - began >= _FIRST:
                    self._compare(look, labels, briefs)
                    labels = frozenset(look.labels)
                    await self._show(snapshot, len(look.labels))
            pace = max(EVERY, (0 if labels is None else len(labels)) / _PROCESSES * EVERY, clock() - before)
            if labels is None and self._newest is None:
                pace = EVERY / 10  # somebody waits for the first picture
            if task is not None and task.cancelling():  # a client may make another error of it
                raise asyncio.CancelledError
            await asyncio.sleep(max(0.0, before + pace - clock()))

    async def _show(self, snapshot: Snapshot | None, processes: int) -> None:
        if snapshot is None:
            snapshot = self._without(Fleet(processes, silent=processes))
        else:
            if self._newest is not None and not self._newest.connected:
                self._tell(fleet_unseen("back", "", snapshot.time))
            self._seen.add(snapshot)
            fleet = snapshot.fleet
            if fleet is not None and fleet.sampled < fleet.processes:
                snapshot = replace(snapshot, figures=replace(snapshot.figures, series=self._seen.series()))
        await self._publish(snapshot)

    async def _lost(self, error: Exception) -> None:
        why = f"no reply within {PATIENCE:g} s" if isinstance(error, TimeoutError) else str(error)
        why = why or type(error).__name__
        before = self._newest
        if before is not None and before.fleet is not None and before.fleet.away:
            return
        self._tell(fleet_unseen("away", why, time.time()))
        await self._publish(self._without(replace((before and before.fleet) or Fleet(), away=why)))

    def _without(self, fleet: Fleet) -> Snapshot:
        """Return what was known last, where nobody is seen now."""
        if self._newest is not None:
            return replace(self._newest, connected=False, fleet=fleet)
        now = time.time()
        return Snapshot(now, self.name, None, self._plan.revision, now, now, connected=False, fleet=fleet)

    async def _publish(self, snapshot: Snapshot) -> None:
        self._newest = snapshot
        self._made += 1
        async with self._changed:
            self._changed.notify_all()

    # --- events

    def _tell(self, event: Event) -> None:
        self._events.append(event)
        self._told += 1

    def _compare(self, look: Look, labels: frozenset[str] | None, before: Mapping[str, Brief]) -> None:
        """Tell who has come or gone since the last look, what happened in processes, and which lamps are new."""
        now, after = time.time(), self._looking.briefs
        if labels is not None:
            for who, known, gone in (
                (labels - set(look.labels), before, True),
                (set(look.labels) - labels, after, False),
            ):
                named = [known[label] for label in who if label in known]
                if len(named) <= _NAMED:
                    for brief in sorted(named, key=lambda brief: (brief.host, brief.pid)):
                        self._tell(process_changed(brief.pid, gone=gone, time=now, host=brief.host))
                else:
                    self._tell(processes_changed(len(named), gone=gone, time=now))
        for event in new_events(before, after)[-_EVENTS:]:
            self._tell(event)
        for (name, state), count in changed_lamps(before, after.values()).items():
            self._tell(fleet_lamp(name, state, count, len(look.labels), now))

    # --- the feed

    async def snapshots(self, every: float = EVERY) -> AsyncGenerator[Snapshot, None]:
        """Yield a snapshot as soon as there is one, then each that is made; `every` is not for it to choose."""
        self._start()
        shown = 0
        while True:
            async with self._changed:
                while self._made == shown:
                    await self._changed.wait()
            shown = self._made
            if self._newest is not None:
                yield self._newest

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield what was seen: processes that came and went, their worst lamps and what they told, the server's
        outages.
        """
        self._start()
        passed = 0
        while True:
            async with self._changed:
                while self._told == passed:
                    await self._changed.wait()
            new = min(self._told - passed, len(self._events))
            passed = self._told
            for event in list(self._events)[-new:]:
                yield event

    async def history(self, span: int = KEPT) -> History:
        return self._seen.history(span)

    async def requests(self, only: RequestFilter | None = None, limit: int = 100) -> tuple[RequestRecord, ...]:
        """Return none: what was asked stays in its process."""
        return ()

    async def trace(self, id: str) -> TraceView | None:
        return None

    async def chains(self) -> Chains:
        """Return the routes of the file here."""
        return await in_thread(routes.chains, self._plan)

    async def config(self) -> ConfigView:
        """Return the file here."""
        text = "" if self._plan.loaded is None else self._plan.loaded.shown
        return ConfigView(None if self._path is None else str(self._path), self._plan.revision, text, text)

    async def command(self, command: Command, to: str = ALL) -> Done:
        """Tell all processes, or the one with the label `to`, and wait until each has said what became of it."""
        self._start()
        clock = asyncio.get_running_loop().time
        try:
            number = await self._looking.order(command, to)
        except Exception as error:  # whatever it is, nobody was told
            raise FeedLost(f"the shared server does not answer: {error or type(error).__name__}") from None
        until = clock() + max(_OUTCOME, 3 * len(self._looking.briefs) / _PROCESSES)
        outcome = outcome_of(number, to, {})
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until), self._changed:
                while not outcome.asked or not outcome.is_whole:
                    await self._changed.wait()
                    outcome = outcome_of(number, to, self._looking.briefs)
        fleet = None if self._newest is None else self._newest.fleet
        return outcome.done(self.name, "" if fleet is None else fleet.unread)

    async def prompt(self, prompt: Prompt) -> AsyncGenerator[PromptEvent, None]:
        """Refuse it."""
        yield PromptEnd(error=NO_PROMPTS)

    async def aclose(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        await self._exchange.aclose()
