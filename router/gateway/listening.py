"""Opening the sockets that a gateway listens on."""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress

from router.config.listen import Address

BACKLOG = 1024  # connections that wait to be taken
_UNIX_MODE = 0o660  # its owner and group: whoever may connect may ask
# A peer that vanished is noticed after two minutes: seconds of silence, seconds between probes, probes.
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPALIVE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


class CannotListen(OSError):
    """An address can't be listened to; the message says why, and what to do."""


def listen(addresses: Iterable[Address], *, shared: bool = False) -> list[socket.socket]:
    """Open them all, or none.

    Args:
        shared: other processes of the same gateway listen there as well (SO_REUSEPORT).

    Raises:
        CannotListen: one of them can't be had.
    """
    opened: list[socket.socket] = []
    try:
        for address in addresses:
            for made in _sockets(address, shared):
                opened.append(made)
                made.listen(BACKLOG)
                made.setblocking(False)
    except BaseException:
        for one in opened:
            one.close()
        raise
    return opened


def reserve(addresses: Iterable[Address]) -> tuple[list[Address], list[socket.socket]]:
    """Take addresses for processes that will listen there; gives them with their real ports, and what holds them.

    Raises:
        CannotListen: one of them can't be had.
    """
    held: list[socket.socket] = []
    taken: list[Address] = []
    try:
        for address in addresses:
            for probe in _sockets(address, False):  # which another gateway's would not refuse, if it were shared
                probe.close()
            made = _sockets(address, True)
            held += made
            taken += [address_of(one) for one in made]
    except BaseException:
        for one in held:
            one.close()
        raise
    return taken, held


def address_of(bound: socket.socket) -> Address:
    """Return where a socket listens."""
    name = bound.getsockname()
    return Address(path=str(name)) if isinstance(name, str) else Address(name[0], name[1])


def remove(paths: Iterable[str]) -> None:
    """Remove the files of sockets that nobody listens to any more."""
    for path in paths:
        with suppress(OSError):
            os.unlink(path)


def _sockets(address: Address, shared: bool) -> list[socket.socket]:
    """Bind the sockets of an address: a name, or every address of the machine, may have one each for IPv4 and IPv6."""
    try:
        if address.path is not None:
            return [_unix(address.path)]
        return _tcp(address, shared)
    except CannotListen:
        raise
    except OSError as error:
        raise CannotListen(f"can't listen on {address}: {_why(error, address)}") from None


def _tcp(address: Address, shared: bool) -> list[socket.socket]:
    hosts = ("0.0.0.0", "::") if address.host == "" else (address.host,)
    found: dict[tuple[int, str], None] = {}
    for host in hosts:
        for family, _, _, _, name in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE):
            found[family, str(name[0])] = None
    made: list[socket.socket] = []
    port, missing = address.port, None
    try:
        for kind, host in found:
            try:
                one = _bound(kind, host, port, shared)
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error  # a machine without IPv6
                continue
            made.append(one)
            port = one.getsockname()[1]  # one port for all
    except BaseException:
        for one in made:
            one.close()
        raise
    if not made and missing is not None:
        raise missing
    return made


def _bound(family: int, host: str, port: int, shared: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # where it would let others take the port as well
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if (option := getattr(socket, name, None)) is not None:
                made.setsockopt(socket.IPPROTO_TCP, option, value)
        made.bind((host, port))
    except BaseException:
        made.close()
        raise
    return made


def _unix(path: str) -> socket.socket:
    if not hasattr(socket, "AF_UNIX"):
        raise CannotListen(f"can't listen on unix:{path}: this system has no such sockets")
    _remove_stale(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~_UNIX_MODE)  # from its first moment on
    try:
        made.bind(path)
    except BaseException:
        made.close()
        raise
    finally:
        os.umask(before)
    return made


def _remove_stale(path: str) -> None:
    """Remove what a process that is gone has left behind, and nothing else."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise CannotListen(f"can't listen on unix:{path}: there is something else; remove it, or name another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(1.0)
        try:
            trial.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except OSError as error:
            raise CannotListen(f"can't listen on unix:{path}: {error.strerror or error}") from None
    raise OSError(errno.EADDRINUSE, "in use")


def _why(error: OSError, address: Address) -> str:
    if isinstance(error, socket.gaierror):
        return f'this machine does not know the name "{address.host}"; name one of its addresses, such as 127.0.0.1'
    if error.errno == errno.EADDRINUSE:
        return "another program has it; end that (is it another `signalbox serve`?), or name another by --listen"
    if error.errno == errno.EACCES and address.path is None and address.port < 1024:
        return "ports below 1024 are the system's; name a higher one, such as 4180"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "this user may not"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address; 127.0.0.1 is this machine alone, 0.0.0.0 all of its addresses"
    if error.errno == errno.ENOENT:
        return "its folder does not exist; make it first"
    return error.strerror or str(error)
