"""Where a file's answers are kept: the router and the command `cache` ask it."""

from __future__ import annotations

import os
from pathlib import Path

from router.cache.store import MEMORY_ONLY
from router.config.schema import RoutesFile

MOST = 1_000_000_000  # bytes on disk, where the file does not say


def cache_location(file: RoutesFile) -> tuple[Path | None, int]:
    """Return the folder of the cache and its greatest size in bytes; the folder is None for a cache in memory only.

    The folder is the file's, else `SIGNALBOX_CACHE_DIR`, else in the user's cache folder of the system. Answers that
    are shared over a server need none: there it is used only where it is named.
    """
    written = file.cache
    most = MOST if written is None or written.max_size is None else written.max_size
    path = None if written is None else written.path
    if path == MEMORY_ONLY:
        return None, most
    if path is not None:
        return Path(path).expanduser(), most
    configured = os.environ.get("SIGNALBOX_CACHE_DIR")
    if configured:
        return Path(configured), most
    if file.shared is not None and "cache" in file.shared.share:
        return None, most
    from platformdirs import user_cache_path  # here: only routers with a cache need it

    return user_cache_path("signalbox") / "answers", most
