"""Where the sockets are, and who may stand at their other end.

All are in one folder that only its owner can enter. A socket's name begins with the process that made it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import socket
import stat
import struct
import tempfile
import warnings
from pathlib import Path

log = logging.getLogger("signalbox.monitor")

FOLDER = "SIGNALBOX_RUNTIME_DIR"  # the variable that names another folder
LONGEST = 103  # bytes of a socket's path, which sun_path holds: 108 on Linux, 104 elsewhere, with a zero at the end
_NAME = 32  # bytes of a name, at most


class SocketUnavailable(Exception):
    """There can be no socket here; the message says why."""


def folder() -> Path:
    """Return the folder of the sockets, which `make_folder` makes on demand.

    Where the usual one has so long a path that no socket fits in, it is one in the folder for temporary files, named
    after the user and the usual one.
    """
    configured = os.environ.get(FOLDER)
    if configured:
        usual = Path(configured).absolute()
    else:
        import platformdirs  # here: only routers that are watched, and those who watch, need it

        with warnings.catch_warnings(action="ignore"):  # where XDG_RUNTIME_DIR is not set: `make_folder` looks itself
            usual = platformdirs.user_runtime_path("signalbox", appauthor=False)
    if len(os.fsencode(usual)) + 1 + _NAME <= LONGEST:
        return usual
    digest = hashlib.sha256(os.fsencode(usual)).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"signalbox-{os.getuid()}-{digest}"


def make_folder(path: Path) -> None:
    """Make the folder, for its owner alone.

    Raises:
        SocketUnavailable: it belongs to somebody else, is no folder, or can't be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise SocketUnavailable(f"{path} is not a folder of this user; {FOLDER} names another")
        if stat.S_IMODE(status.st_mode) & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise SocketUnavailable(f"{path} can't be made ({error.strerror}); {FOLDER} names another") from None


def listen(configured: str | None) -> tuple[socket.socket, Path]:
    """Open a listening socket for this process that only this user may connect to; returns it and its path.

    Args:
        configured: the socket's path, where the file names one; a second process of the app takes `<path>.<pid>`.
            None takes a name in `folder()`.

    Raises:
        SocketUnavailable: there is no place for one, and why.
    """
    if configured is None:
        where = folder()
        make_folder(where)
        clean_up(where)
        return _bind(where / f"{os.getpid()}-{secrets.token_hex(4)}.sock")
    path = Path(configured).expanduser().absolute()
    if not path.parent.is_dir():
        raise SocketUnavailable(f"telemetry.monitor: {path.parent} is not a folder")
    remove_if_dead(path)
    for place in (path, path.with_name(f"{path.name}.{os.getpid()}")):  # a worker of the same app may be there first
        try:
            return _bind(place)
        except FileExistsError:
            continue
    raise SocketUnavailable(f"telemetry.monitor: {path} is in use")


def _bind(path: Path) -> tuple[socket.socket, Path]:
    if len(os.fsencode(path)) > LONGEST:
        raise SocketUnavailable(
            f"telemetry.monitor: the path {path} has over {LONGEST} bytes, which no socket can have"
        )
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # It gets its name when it listens: a socket that does not yet would be removed by whoever looks for dead ones.
    unready = path.with_name(f".{secrets.token_hex(4)}")
    try:
        sock.bind(os.fspath(unready))
        unready.chmod(0o600)  # before anybody can connect, which takes `listen`
        sock.listen(64)
        os.link(unready, path)  # not renamed: that would take the place of another process's
    except FileExistsError:
        sock.close()
        raise
    except OSError as error:
        sock.close()
        raise SocketUnavailable(f"no socket can be made at {path} ({error.strerror})") from None
    finally:
        unready.unlink(missing_ok=True)
    sock.setblocking(False)
    return sock, path


def clean_up(where: Path) -> None:
    """Remove the sockets of processes that are gone."""
    for path in sockets(where):
        remove_if_dead(path)


def sockets(where: Path) -> list[Path]:
    """List all sockets that lie in the folder, the living and the dead."""
    try:
        return sorted(where.glob("*.sock"))
    except OSError:
        return []


def remove_if_dead(path: Path) -> bool:
    """Remove a socket that nobody listens at; True when it is gone."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            probe.connect(os.fspath(path))
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
        log.debug("removed %s, whose process is gone", path)
        return True
    except FileNotFoundError:
        return True
    except OSError:  # it is busy, which is a sign of life, or somebody else's
        return False
    return False


def is_same_user(connected: socket.socket) -> bool:
    """Say whether the process at the other end belongs to this user, by the system's word.

    Linux: SO_PEERCRED (unix(7)); macOS and the BSDs: LOCAL_PEERCRED (unix(4)). Elsewhere the folder alone protects.
    """
    if hasattr(socket, "SO_PEERCRED"):
        credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", credentials)
        return bool(uid == os.getuid())
    try:
        # SOL_LOCAL, LOCAL_PEERCRED: struct xucred begins with version and uid
        credentials = connected.getsockopt(0, 1, 76)
    except OSError:
        return True
    _, uid = struct.unpack_from("2I", credentials)
    return bool(uid == os.getuid())
