"""One process of the gateway, from its file to its end, at which whoever is being answered is answered whole."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from router.config.listen import Address
from router.gateway import notify
from router.gateway.audit import Audit
from router.gateway.descriptors import room_for
from router.gateway.gateway import Gateway
from router.gateway.http import server_of
from router.gateway.metrics import metrics_server, new_registry
from router.gateway.record import Observer
from router.gateway.server import Server
from router.gateway.tls import BadCertificate, Certificate
from router.plan.serving import Serving
from router.router import Router
from router.views.events import Event

if TYPE_CHECKING:
    from router.gateway.workers import Place  # it loads what only several processes need

log = logging.getLogger("signalbox.gateway")

_GOODBYE = 2.0  # seconds in which the last words of streams that are cut have to go out
_ENDS = (signal.SIGINT, signal.SIGTERM)
_AT_START = ("listen", "tls", "workers", "metrics", "audit")  # what a reload does not change


def check(serving: Serving) -> None:
    """Find out before anything is started whether it could begin, but for the addresses.

    Raises:
        BadCertificate, CannotWrite, NoPrometheus: it could not.
    """
    if serving.tls is not None:
        Certificate(serving.tls.cert, serving.tls.key)
    if serving.audit is not None:
        Audit(serving.audit).close()
    if serving.metrics is not None:
        new_registry()


class Process:
    """Serves the routes of a router until a signal ends it.

    Args:
        serving: where it listens, and how it ends: as the file said at the start, or as the command line says.
        place: among other processes of the same gateway; None where it is alone.
        observers: told of every request.
    """

    def __init__(
        self,
        router: Router,
        serving: Serving,
        *,
        place: Place | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        self._router = router
        self._serving, self._in_file = serving, router.plan.serving
        self._gateway = Gateway(router)
        self._gateway.is_ready = False
        self._gateway.observers += observers
        self._certificate = None if serving.tls is None else Certificate(serving.tls.cert, serving.tls.key)
        self._audit = None if serving.audit is None else Audit(serving.audit)
        if self._audit is not None:
            self._gateway.observers.append(self._audit.note)
        self._place = place
        self._asked_to_end = asyncio.Event()
        self._reloads: set[asyncio.Task[None]] = set()

    async def run(self, when_ready: Callable[[list[Address]], None]) -> None:
        """Serve until SIGTERM or SIGINT; a second one ends the process at once.

        Args:
            when_ready: told where it listens, once it does.

        Raises:
            CannotListen, NoPrometheus: before anything is answered.
        """
        async with self._router:
            servers = await self._listening()
            self._follow_signals()
            self._follow_parent()
            subscribers = self._router.telemetry.subscribers
            if self._place is None or self._place.number == 0:
                subscribers.add(self._on_event)  # one of them says it
            try:
                self._gateway.is_ready = True
                notify.ready("serving")
                when_ready(servers[0].addresses)
                await self._asked_to_end.wait()
                await self._end(servers)
            finally:
                subscribers.discard(self._on_event)
                for server in servers:
                    server.abort()
                if self._certificate is not None:
                    await self._certificate.aclose()
        if self._audit is not None:
            await self._audit.aclose()

    def end(self) -> None:
        """Begin the end, as the first signal does."""
        self._asked_to_end.set()

    async def _listening(self) -> list[Server]:
        serving = self._serving
        tls = None if self._certificate is None else self._certificate.context
        connections = server_of(self._gateway, room=room_for(serving.max_connections))
        place, number = self._place, 0
        if place is None:
            servers = [Server(connections, serving.listen, tls=tls)]
        else:
            servers = [Server(connections, place.addresses, shared=True, sockets=place.sockets, tls=tls)]
            number = place.number
        if serving.metrics is not None:
            address = serving.metrics
            if address.port:
                address = replace(address, port=address.port + number)  # each process has its own figures
            servers.append(Server(metrics_server(self._gateway, new_registry()), [address]))
        for number, server in enumerate(servers):
            try:
                await server.start()
            except BaseException:
                for started in servers[:number]:
                    await started.stop()
                raise
        if self._certificate is not None:
            self._certificate.follow()
        return servers

    async def _end(self, servers: list[Server]) -> None:
        notify.stopping()
        if self._gateway.under_way:
            log.debug("%d under way; once more ends them at once", self._gateway.under_way)
        gateway, serving = self._gateway, self._router.plan.serving
        loop = asyncio.get_running_loop()
        gateway.is_ready = False
        servers[0].announce_end()
        if serving.lead > 0:
            await asyncio.sleep(serving.lead)
        end = loop.time() + serving.drain
        await servers[0].stop()
        if not await gateway.until_idle(serving.drain):
            log.warning("requests that were under way for too long were ended")
            gateway.end_all()
            await gateway.until_idle(_GOODBYE)
        for server in servers:
            await server.stop(max(_GOODBYE, end - loop.time()))

    # --- signals

    def _follow_signals(self) -> None:
        # Ctrl-C reaches all processes of a terminal; where there are several, the parent says what it means.
        for number in _ENDS if self._place is None else (signal.SIGTERM,):
            self._on_signal(number, partial(self._on_end_signal, number))
        if hasattr(signal, "SIGHUP"):
            self._on_signal(signal.SIGHUP, self._on_hangup)

    def _on_signal(self, number: int, act: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        try:
            loop.add_signal_handler(number, act)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(act))

    def _follow_parent(self) -> None:
        """End when the parent is gone, however it went."""
        if self._place is None:
            return
        alive, loop = self._place.alive, asyncio.get_running_loop()

        def wait() -> None:
            alive.poll(None)
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self.end)

        threading.Thread(target=wait, name="signalbox-parent", daemon=True).start()

    def _on_end_signal(self, number: int) -> None:
        if self._asked_to_end.is_set():
            os._exit(128 + number)
        self._asked_to_end.set()

    def _on_hangup(self) -> None:
        task = asyncio.get_running_loop().create_task(self._reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> None:
        notify.reloading()
        if self._certificate is not None:
            try:
                self._certificate.renew()
            except BadCertificate as error:
                log.warning("the old certificate goes on: %s", error)
        await self._router.reload()
        notify.ready("serving")

    def _on_event(self, event: Event) -> None:
        """Say what of a new file waits for the next start."""
        if event.kind != "reload" or not event.fields.get("accepted"):
            return
        now = self._router.plan.serving
        if self._in_file.clients and not now.clients and not now.is_anonymous_written:
            log.warning("serve.keys are gone: nobody is let in until there are some, or serve.anonymous, or a restart")
        waiting = [name for name in _AT_START if getattr(now, name) != getattr(self._in_file, name)]
        if waiting:
            log.warning("serve.%s: not what runs, and takes effect at the next start", ", serve.".join(waiting))
