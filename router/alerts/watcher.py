"""Looks at an app every few seconds, and has people told: one process of it on this machine does."""

from __future__ import annotations

import asyncio
import logging
import platform
import weakref
from collections.abc import Callable
from pathlib import Path

import msgspec

from providers.harmless import harmless
from providers.threads import in_thread
from router.alerts.conditions import troubles
from router.alerts.lead import Lead
from router.alerts.messages import message
from router.alerts.outbox import Outbox
from router.alerts.states import AlertStates
from router.cleanup import end_with
from router.monitor.local_feed import LocalFeed
from router.monitor.subject import Subject
from router.plan.alerts import AlertRule
from router.views.events import Event
from router.views.figures import Snapshot

log = logging.getLogger("signalbox.alerts")

EVERY = 5.0  # seconds between two looks


class Watcher:
    """Watches one router, and with it the other processes of its file.

    Args:
        subject: held weakly, so that a dropped router is collected.
        path: of its file; None where it has none.
    """

    def __init__(self, subject: Subject, path: Path | None) -> None:
        self._subject = weakref.ref(subject)
        self._lead = Lead(path)
        self._path = path
        self._states: AlertStates | None = None  # once this process is the one that tells
        self._away = ""
        self._kept = b""
        self.rules: tuple[AlertRule, ...] = ()
        self.outbox: Outbox
        self._task: asyncio.Task[None] | None = None
        self._telemetry = subject.telemetry
        self._telemetry.subscribers.add(self._heard)

    def adopt(self, rules: tuple[AlertRule, ...]) -> None:
        """Go by other rules from now on; what was told by those that stay is told."""
        self.rules = rules
        if self._states is not None:
            self._states.keep(rules)

    def start(self) -> None:
        """Begin to look, on the running loop; what was under way on another one went with that."""
        self.outbox = Outbox()
        self._task = asyncio.get_running_loop().create_task(_run(weakref.ref(self)))
        end_with(self, self._task)

    async def aclose(self) -> None:
        """Look no more; what is under way is sent, if that takes no time."""
        self._telemetry.subscribers.discard(self._heard)
        task, self._task = self._task, None
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait([task])
        await self.outbox.aclose()
        self._lead.release()

    def _heard(self, event: Event) -> None:
        if event.kind == "shared" and event.fields.get("state") in ("away", "back"):
            self._away = str(event.fields.get("why", "")) if event.fields["state"] == "away" else ""

    async def look(self) -> bool:
        """Look once, and have told what is to be told; False when the router is gone."""
        subject = self._subject()
        if subject is None:
            return False
        if not await in_thread(self._lead.take):
            self._states = None
            return True
        if self._states is None:
            self._states = AlertStates(await in_thread(self._lead.read))
            self._states.keep(self.rules)
        snapshot = await self._snapshot(subject)
        del subject
        for rule in self.rules:
            for notice in self._states.look(rule, troubles(rule, snapshot, self._away), snapshot.time):
                body = message(notice, app=snapshot.name, host=platform.node(), now=snapshot.time)
                self.outbox.put(rule.to, body, rule.host)
        known = msgspec.json.encode(self._states.known)
        if known != self._kept:
            self._kept = known
            await in_thread(self._lead.write, known)
        return True

    async def _snapshot(self, subject: Subject) -> Snapshot:
        """Return the snapshot of all processes of the app, as far as they can be asked."""
        own = LocalFeed(subject)
        if self._path is not None:
            from router.monitor.socket.client import app_snapshot  # here: who runs alone needs none of it

            settings = subject.plan.file.telemetry
            where = None if settings is None else settings.monitor
            whole = None if where == "off" else await app_snapshot(own.name, str(self._path), where)
            if whole is not None:
                return whole
        return await own.snapshot()


async def _run(this: Callable[[], Watcher | None]) -> None:
    while True:
        await asyncio.sleep(EVERY)
        watcher = this()
        if watcher is None:
            return
        try:
            if not await watcher.look():
                return
        except Exception as error:  # whatever it is, the next look may be better, and no request knows of it
            harmless.note(error)
        del watcher
