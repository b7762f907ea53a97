"""Imports what the requests of a plan will need, before the first of them would hold up everybody's event loop."""

from __future__ import annotations

import socket
import sys
from importlib import import_module

from providers import forks, registry
from router import parent
from router.imports import without_collector
from router.plan.plan import Plan


def preload(plan: Plan, *, watched: bool, monitored: bool) -> None:
    """Import it. That takes some tenths of a second, once in a process; it may be called in any thread.

    Args:
        watched: its file is.
        monitored: there may be a socket to watch the router by.

    Raises:
        NotServed: the plan shares with a parent that this process does not have.
    """
    if plan.shared is not None and plan.shared.is_local and not parent.serves:
        raise parent.NotServed
    with forks.whole, without_collector():
        for kind in {settings.kind for settings in plan.providers.values()}:
            registry.preload(kind)
        if any(chain.cache is not None for chain in plan.chains.values()):
            import_module("router.cache.cached")
            import_module("router.cache.disk")
        if plan.shared is not None:
            import_module("router.shared.sharing")
            import_module(f"router.shared.{'local' if plan.shared.is_local else 'redis'}")
        if watched:
            import_module("watchfiles")
        if monitored and hasattr(socket, "AF_UNIX") and sys.platform != "win32":
            import_module("router.monitor.socket.server")
