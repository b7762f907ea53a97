"""The routers that run now."""

from __future__ import annotations

from router.views.figures import Struct


class Running(Struct, frozen=True):
    """A router that can be watched: the processes of one app."""

    name: str
    path: str | None
    pids: tuple[int, ...]
    sockets: tuple[str, ...]
    revision: str = ""
