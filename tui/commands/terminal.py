"""Runs the dashboard on this terminal, or says why it can't."""

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
    """Textual reads keys from stdin and draws on stderr; whoever redirects stdout wants lines."""
    return sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()


def need_terminal(instead: str) -> None:
    """Raises Failure where there is no terminal to draw on."""
    in_browser = "TEXTUAL_DRIVER" in os.environ  # set by textual-serve
    if not in_browser and not is_terminal():
        raise Failure(f"the dashboard needs a terminal; {instead}", NO_TERMINAL)


def show(dashboard: Dashboard) -> int:
    """Until it is left. What the router logs would be written over the picture: it is in the events."""
    import logging

    logging.getLogger("signalbox").addHandler(logging.NullHandler())
    with _leaving_when_asked_to(dashboard):
        dashboard.run()
    return dashboard.return_code or 0


@contextmanager
def _leaving_when_asked_to(dashboard: Dashboard) -> Iterator[None]:
    """SIGTERM, SIGHUP and a terminal that is gone end it as `q` does: the terminal is restored, routers are closed.

    Textual by itself dies of the signals with the screen as it was, and reads a lost terminal for ever, as fast as it
    can. A thread of its own sleeps until one of these happens.
    """
    asked, ask = os.pipe()

    def told(number: int, frame: FrameType | None) -> None:
        os.write(ask, bytes([number]))

    before = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGHUP)}
    waiting = threading.Thread(target=_wait, args=(dashboard, asked), name="asked to leave", daemon=True)
    waiting.start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.write(ask, b"\0")  # by itself
        waiting.join()
        os.close(asked)
        os.close(ask)


def _wait(dashboard: Dashboard, asked: int) -> None:
    poll = select.poll()
    poll.register(asked, select.POLLIN)
    poll.register(sys.stdin.fileno(), 0)  # that the other side is gone is told in any case
    ready = dict(poll.poll())
    number = os.read(asked, 1)[0] if asked in ready else signal.SIGHUP
    if number:
        try:
            dashboard.call_from_thread(dashboard.exit, return_code=128 + number)
        except RuntimeError:  # it has not begun, or is about to end: the screen is not taken
            os._exit(128 + number)
