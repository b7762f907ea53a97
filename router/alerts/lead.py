"""Which process of an app sends its alerts on this machine, and what the last one had told."""

from __future__ import annotations

import hashlib
import os
import weakref
from pathlib import Path
from typing import IO

import msgspec

from router.alerts.states import Known
from router.config.state_folder import state_folder

_LARGEST = 4_000_000  # bytes
_HELD: weakref.WeakSet[Lead] = weakref.WeakSet()


class Lead:
    """A lock that one process of a file has until it ends, however it ends. What was told is beside it.

    Args:
        path: of the routes.yaml; None for a router made from text, which is alone.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock: IO[bytes] | None = None

    def take(self) -> bool:
        """Say whether this process is the one, and be it if nobody is; blocks for a moment."""
        if self._path is None:
            return True
        if self._lock is not None:
            return True
        place = self._place(".lock")
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = place.open("ab")
        if not _locked(lock):
            lock.close()
            return False
        self._lock = lock
        _HELD.add(self)
        return True

    def release(self) -> None:
        """Leave it to another process."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def read(self) -> dict[str, dict[str, Known]]:
        """Return what was told when it was written last; nothing where that can't be read."""
        if self._path is None:
            return {}
        try:
            place = self._place(".json")
            if place.stat().st_size > _LARGEST:
                return {}
            return msgspec.json.decode(place.read_bytes(), type=dict[str, dict[str, Known]])
        except (OSError, msgspec.MsgspecError):
            return {}

    def write(self, known: bytes) -> None:
        """Keep what is told; a disk that takes nothing is passed over."""
        if self._path is None:
            return
        place = self._place(".json")
        try:
            new = place.with_suffix(f".{os.getpid()}.new")
            new.write_bytes(known)
            new.replace(place)
        except OSError:
            return

    def _place(self, suffix: str) -> Path:
        digest = hashlib.sha256(os.path.realpath(self._path or "").encode(errors="surrogateescape")).hexdigest()[:16]
        return state_folder() / "alerts" / f"{digest}{suffix}"


def _forked() -> None:
    """In a child: the lock is the parent's, and must not outlive it here."""
    for lead in tuple(_HELD):
        lead.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _locked(file: IO[bytes]) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows has none
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
