"""Open files: every connection of a client is one, and the vendor's connection that answers it may be another."""

from __future__ import annotations

import logging
import sys

if sys.platform != "win32":
    import resource

log = logging.getLogger("signalbox.gateway")

_OWN = 128  # files of the process that are no connections: libraries, listeners, caches, ledgers
_EACH = 2  # files of a connection with a request


def room_for(connections: int) -> int:
    """Raise the limit of this process as far as so many connections need and the system allows; return how many
    connections there is room for. Windows has no such limit.
    """
    if sys.platform == "win32":
        return connections
    needed = _OWN + _EACH * connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    except (OSError, ValueError):  # macOS tells no limit, and has one
        allowed = soft
    room = max(1, (allowed - _OWN) // _EACH)
    if room < connections:
        log.warning(
            "this process may have %d files open, which is enough for %d connections, not for the %d of "
            "serve.max_connections: raise the limit (`ulimit -n %d`; systemd: LimitNOFILE=)",
            allowed,
            room,
            connections,
            needed,
        )
    return min(room, connections)
