"""Runs the dashboard on this terminal, or says why it can't. The commands `dash` and `demo` use it."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from router.cli.common import Failure

if TYPE_CHECKING:
    from tui.app import Dashboard

NO_TERMINAL = 2


def is_terminal() -> bool:
    """Whether the dashboard can be drawn here.

    Textual reads keys from stdin and draws on stderr; whoever redirects stdout wants lines.
    """
    return sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()


def need_terminal(instead: str) -> None:
    """Raise Failure where there is no terminal to draw on, and say what to use instead."""
    in_browser = "TEXTUAL_DRIVER" in os.environ  # set by textual-serve
    if not in_browser and not is_terminal():
        raise Failure(f"the dashboard needs a terminal; {instead}", NO_TERMINAL)


def show(dashboard: Dashboard) -> int:
    """Run the dashboard until it is left, and return its exit code.

    What the router logs is dropped: it would be written over the picture, and is in the events.
    """
    import logging

    logging.getLogger("signalbox").addHandler(logging.NullHandler())
    with _leaving_when_asked_to(dashboard):
        dashboard.run()
    return dashboard.return_code or 0


@contextmanager
def _leaving_when_asked_to(dashboard: Dashboard) -> Iterator[None]:
    """End it on SIGTERM, SIGHUP and a lost terminal as `q` does: the terminal is restored, routers are closed.

    Textual by itself dies of the signals with the screen as it was, and reads a lost terminal for ever, as fast as it
    can. A thread of its own sleeps until one of these happens.
    """
    read_end, write_end = os.pipe()

    def on_signal(number: int, frame: FrameType | None) -> None:
        os.write(write_end, bytes([number]))

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGHUP)}
    waiting = threading.Thread(target=_wait, args=(dashboard, read_end), name="asked to leave", daemon=True)
    waiting.start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.write(write_end, b"\0")  # the dashboard ended by itself
        waiting.join()
        os.close(read_end)
        os.close(write_end)


def _wait(dashboard: Dashboard, read_end: int) -> None:
    poll = select.poll()
    poll.register(read_end, select.POLLIN)
    poll.register(sys.stdin.fileno(), 0)  # poll reports a lost other side in any case
    ready = dict(poll.poll())
    number = os.read(read_end, 1)[0] if read_end in ready else signal.SIGHUP
    if number:
        try:
            dashboard.call_from_thread(dashboard.exit, return_code=128 + number)
        except RuntimeError:  # it has not begun, or is about to end: the screen is not taken
            os._exit(128 + number)
