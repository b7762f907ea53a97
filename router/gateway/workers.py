"""Several processes for one gateway: a parent that starts them, forwards signals, and starts those anew that die.

The parent has no router and answers nobody. On Linux each worker has a socket of its own at the same port
(SO_REUSEPORT: the kernel spreads connections over them); elsewhere, and for Unix sockets, all take from one that they
inherit.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from router.config.listen import Address
from router.gateway import notify
from router.gateway.lender import Lender
from router.gateway.listening import listen, remove, reserve

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext
    from multiprocessing.process import BaseProcess

log = logging.getLogger("signalbox.gateway")

_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds before a worker that died is started anew: twice as long each time
_STEADY = 60.0  # seconds after which a worker's death is none of a row


@dataclass(frozen=True)
class Place:
    """What a worker is told of its place among the others. It goes to another process.

    Attributes:
        number: from 0.
        addresses: where it listens on its own.
        sockets: that listen already, for all.
        ready: gets its number when it answers.
        alive: ends when the parent does.
        shares: where the parent answers what the workers share.
    """

    number: int
    addresses: tuple[Address, ...]
    sockets: tuple[socket.socket, ...]
    ready: Connection
    alive: Connection
    shares: socket.socket


@dataclass
class _Worker:
    number: int
    process: BaseProcess | None = None
    began: float = 0.0
    again_at: float | None = None  # when it is started anew
    pause: float = 0.0


class Workers:
    """The parent of so many workers.

    Args:
        work: what each does, a function of a module: it gets its `Place` and `args`, which can be pickled.
        addresses: where all listen.
    """

    def __init__(self, count: int, addresses: Sequence[Address], work: Callable[..., None], *args: Any) -> None:
        self._work, self._args = work, args
        self._addresses = addresses
        self._workers = [_Worker(number) for number in range(count)]
        self._context: BaseContext = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        self._ready_here, self._ready_there = self._context.Pipe(duplex=False)
        self._alive_there, self._alive_here = self._context.Pipe(duplex=False)
        self._lender = Lender()
        self._signals: list[int] = []
        self._ending: int | None = None
        self._unready = set(range(count))

    def run(self, when_ready: Callable[[list[Address]], None]) -> int:
        """Run them until a signal ends them; gives the exit code.

        Raises:
            CannotListen: an address can't be had.
        """
        own = [address for address in self._addresses if sys.platform == "linux" and address.path is None]
        taken, held = reserve(own)
        inherited = listen(address for address in self._addresses if address not in own)
        self._places = tuple(taken), tuple(inherited)
        here, there = socket.socketpair()
        here.setblocking(False)
        there.setblocking(False)
        before = {number: signal.signal(number, self._on_signal) for number in _signals()}
        signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
        self._wakeup = here, there
        try:
            for worker in self._workers:
                self._start(worker)
            return self._loop(when_ready)
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            for one in (here, there, *held, *inherited):
                one.close()
            self._lender.close()
            remove(address.path for address in self._addresses if address.path is not None)

    def _loop(self, when_ready: Callable[[list[Address]], None]) -> int:
        """Wait for deaths, signals and what workers tell."""
        told, code = False, 0
        while any(worker.process is not None for worker in self._workers) or self._ending is None:
            self._sleep()
            self._act_on_signals()
            while self._ready_here.poll():
                self._unready.discard(self._ready_here.recv())
            if not self._unready and not told and self._ending is None:
                told = True
                notify.ready("serving")
                when_ready([*self._places[0], *(Address(path=str(one.getsockname())) for one in self._places[1])])
            for worker in self._workers:
                died = self._died(worker)
                if died is None or self._ending is not None:
                    continue
                if told:
                    self._put_off(worker)
                else:  # at the start there is a reason that does not pass by itself
                    code = died if died > 0 else 1
                    self._begin_end(signal.SIGTERM)
            self._start_again()
        return code

    # --- workers

    def _start(self, worker: _Worker) -> None:
        shares = self._lender.open()
        place = Place(worker.number, *self._places, self._ready_there, self._alive_there, shares)
        others = (self._alive_here, self._ready_here, *self._wakeup, *self._lender.ends)
        process: BaseProcess = self._context.Process(  # type: ignore[attr-defined]  # all contexts have it
            target=_begin,
            args=(others if self._context.get_start_method() == "fork" else (), self._work, place, self._args),
            name=f"signalbox worker {worker.number}",
        )
        process.start()
        shares.close()
        worker.process, worker.began, worker.again_at = process, time.monotonic(), None

    def _died(self, worker: _Worker) -> int | None:
        """Take note of a worker's end; gives its exit code, None where it lives."""
        process = worker.process
        if process is None or process.exitcode is None:
            return None
        code, pid = process.exitcode, process.pid
        process.join()
        process.close()
        worker.process = None
        if self._ending is None:
            log.warning("worker %d ended %s", pid, f"by signal {-code}" if code < 0 else f"with code {code}")
        return code

    def _put_off(self, worker: _Worker) -> None:
        """Have another take its place: soon, or later where it dies again and again."""
        now = time.monotonic()
        worker.pause = _PAUSE if now - worker.began > _STEADY else min(_LONGEST_PAUSE, worker.pause * 2 or _PAUSE)
        worker.again_at = now + worker.pause

    def _start_again(self) -> None:
        for worker in self._workers:
            if worker.again_at is not None and worker.again_at <= time.monotonic() and self._ending is None:
                self._start(worker)

    def _sleep(self) -> None:
        """Wait until something happens, or a worker is due."""
        due = [worker.again_at for worker in self._workers if worker.again_at is not None and self._ending is None]
        living = [worker.process.sentinel for worker in self._workers if worker.process is not None]
        left = max(0.0, min(due) - time.monotonic()) if due else None
        ends = self._lender.ends
        ready = wait([self._wakeup[0], self._ready_here, *living, *ends], left)
        for end in ends:
            if end in ready:
                self._lender.answer(end)

    # --- signals

    def _on_signal(self, number: int, _: object) -> None:
        self._signals.append(number)

    def _act_on_signals(self) -> None:
        try:
            while self._wakeup[0].recv(4096):
                pass
        except BlockingIOError:
            pass
        while self._signals:
            number = self._signals.pop(0)
            if number == getattr(signal, "SIGHUP", None):
                notify.reloading()
                self._send(number)
                notify.ready("serving")
            elif self._ending is None:
                self._begin_end(number)
            else:
                self._send(getattr(signal, "SIGKILL", signal.SIGTERM))
                os._exit(128 + number)

    def _begin_end(self, number: int) -> None:
        self._ending = number
        notify.stopping()
        self._send(signal.SIGTERM)

    def _send(self, number: int) -> None:
        for worker in self._workers:
            if worker.process is not None and worker.process.exitcode is None and worker.process.pid is not None:
                os.kill(worker.process.pid, number)


def _signals() -> list[int]:
    return [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def _begin(others: Sequence[Any], work: Callable[..., None], place: Place, args: tuple[Any, ...]) -> None:
    """What a worker does first: let go of what is its parent's alone."""
    signal.set_wakeup_fd(-1)
    for number in _signals():
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of them; the parent says what it means
    for one in others:
        one.close()
    os.environ.pop("NOTIFY_SOCKET", None)  # the parent speaks for all
    work(place, *args)
