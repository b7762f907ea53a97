"""Where a server listens: how an address is written, whom it lets in, and which two can't be had at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from router.config.interpolate import Expanded
from router.config.yaml_reader import core_scalar

_FORM = "host:port, [ipv6]:port, :port (every address of this machine) or unix:/path"
_LAST_PORT = 65_535
_NO_PORT = f"a port is a number from 0 to {_LAST_PORT}; 0 takes any that is free"
_PORT = r"[0-9]{1,5}"
_HOST = r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*"
_LONGEST_PATH = 103  # bytes of a socket's path: what macOS takes; Linux takes 107 (unix(7))


@dataclass(frozen=True, slots=True)
class Address:
    """A host and port, of which host "" is every address of the machine and port 0 any that is free; or the `path` of
    a socket.
    """

    host: str = ""
    port: int = 0
    path: str | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether nobody can reach it but programs of this machine."""
        if self.path is not None or self.host.lower().rstrip(".") == "localhost":
            return True
        try:
            address = ip_address(self.host)
        except ValueError:
            return False
        inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return (inner or address).is_loopback

    def clashes(self, other: Address) -> bool:
        """Say whether the two can't be listened to at once."""
        if self.path is not None or other.path is not None:
            return self.path == other.path
        if self.port != other.port or self.port == 0:
            return False
        return bool(self._families & other._families) and (
            self._canonical == other._canonical
            or self._is_every
            or other._is_every
            or ("localhost" in (self._canonical, other._canonical) and self._is_first and other._is_first)
        )

    @property
    def _canonical(self) -> str:
        try:
            return str(ip_address(self.host))
        except ValueError:
            return self.host.lower().rstrip(".")

    @property
    def _families(self) -> frozenset[int]:
        """The versions of IP that it has; a name may have both."""
        try:
            return frozenset({ip_address(self.host).version})
        except ValueError:
            return frozenset({4, 6})

    @property
    def _is_every(self) -> bool:
        return self._canonical in ("", "0.0.0.0", "::")

    @property
    def _is_first(self) -> bool:
        """Whether it is one of those that `localhost` stands for."""
        return self._canonical in ("localhost", "127.0.0.1", "::1")

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_address(text: object) -> Address:
    """Read `host:port`, `[ipv6]:port`, `:port` or `unix:/path`. Raises ValueError with what to write instead."""
    if isinstance(text, Address):
        return text
    if isinstance(text, Expanded) and text.plain:
        text = core_scalar(text)
    if isinstance(text, int) and not isinstance(text, bool):
        if not 0 <= text <= _LAST_PORT:
            raise ValueError(_NO_PORT)
        raise ValueError(f"a port needs an address: write 127.0.0.1:{text} for this machine alone, or :{text} for all")
    if not isinstance(text, str):
        raise ValueError(f"this must be an address to listen on: {_FORM}")
    if text.startswith("unix:"):
        return Address(path=_path(text.removeprefix("unix:")))
    if "://" in text or "/" in text:
        raise ValueError(f"an address to listen on has no http:// and no path: write {_FORM}")
    if re.fullmatch(_PORT, text):
        return read_address(int(text))
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        raise ValueError(f"the port is missing: write {_FORM}")
    if not re.fullmatch(_PORT, port) or int(port) > _LAST_PORT:
        raise ValueError(_NO_PORT)
    return Address(_host(host), int(port))


def _host(written: str) -> str:
    if written == "*":
        raise ValueError("every address of this machine is written :port, without the *")
    if written.startswith("[") or ":" in written:
        bare = written.removeprefix("[").removesuffix("]")
        try:
            IPv6Address(bare)
        except ValueError:
            raise ValueError("what stands before the port is no IPv6 address: it is written [::1]:port") from None
        if bare == written:
            raise ValueError("an IPv6 address stands in brackets: [::1]:port")
        return bare
    if written and not re.fullmatch(_HOST, written):
        raise ValueError(f"what stands before the port is no host: write {_FORM}")
    if re.fullmatch(r"[0-9.]+", written):
        try:
            ip_address(written)
        except ValueError:
            raise ValueError("an IPv4 address has four numbers from 0 to 255, such as 127.0.0.1") from None
    return written


def _path(written: str) -> str:
    if re.search(r":[0-9]+$", written):
        raise ValueError("a socket of this machine has no port: write unix:/path alone")
    if not written.startswith("/") or written.endswith("/"):
        raise ValueError("a socket needs its whole path, such as unix:/run/signalbox.sock")
    path = "/" + written.lstrip("/")  # unix:///path, as other tools have it
    if len(path.encode(errors="surrogateescape")) > _LONGEST_PATH:
        raise ValueError(f"the path of a socket has at most {_LONGEST_PATH} bytes")
    return path
