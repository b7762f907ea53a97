"""Runs the dashboard on this terminal, or says why it can't."""

from __future__ import annotations

import os
import sys
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
    dashboard.run()
    return dashboard.return_code or 0
