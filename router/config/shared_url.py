"""The address of the server that processes share state over: its forms, and what is wrong with any other."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

By: TypeAlias = Literal["server", "sentinel", "cluster", "socket"]

SCHEMES: dict[str, tuple[By, bool]] = {  # how it is reached, and if by TLS
    "redis": ("server", False),
    "rediss": ("server", True),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
    "unix": ("socket", False),
}
FORMS = (
    "redis://host:6379/0, redis+sentinel://host1:26379,host2:26379/NAME, redis+cluster://host1:6379,host2:6379 "
    "(each with rediss for TLS), unix:///path/of/the/socket, or local for the workers of one `signalbox serve`"
)
LOCAL = "local"  # over the parent of the processes of one `signalbox serve`
_MISTAKEN = {  # what others call it, and how it is written here
    "valkey": "redis://host:6379/0; a Valkey is reached the same way",
    "valkeys": "rediss://host:6379/0; a Valkey is reached the same way",
    "redis+tls": "rediss://host:6379/0",
    "redis+ssl": "rediss://host:6379/0",
    "redis+socket": "unix:///path/of/the/socket",
    "redis+unix": "unix:///path/of/the/socket",
    "sentinel": "redis+sentinel://host1:26379,host2:26379/NAME",
    "redis-sentinel": "redis+sentinel://host1:26379,host2:26379/NAME",
    "rediss-sentinel": "rediss+sentinel://host1:26379,host2:26379/NAME",
    "redis-cluster": "redis+cluster://host1:6379,host2:6379",
    "rediss-cluster": "rediss+cluster://host1:6379,host2:6379",
    "http": "redis://host:6379/0; an address for HTTP is another interface of the server",
    "https": "rediss://host:6379/0; an address for HTTP is another interface of the server",
}
_PORTS = {"server": 6379, "sentinel": 26379, "cluster": 6379}
_HOST = r"(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^\s\[\]:/]+)(?::(?P<port>[0-9]{1,5}))?"


def _one_of(*values: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in values:
            raise ValueError(f"is one of {', '.join(values)}")
        return value

    return check


def _flag(value: str) -> bool:
    return _one_of("true", "false")(value) == "true"


def _number(value: str) -> int:
    if not value.isdecimal():
        raise ValueError("is a number")
    return int(value)


_TLS: dict[str, Callable[[str], object]] = {
    "ssl_ca_certs": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_cert_reqs": _one_of("required", "optional", "none"),
    "ssl_check_hostname": _flag,
}
_SENTINEL: dict[str, Callable[[str], object]] = {"sentinel_username": str, "sentinel_password": str}


class SharedAddress(NamedTuple):
    """Where the server is, and how it is reached.

    Attributes:
        hosts: with their ports; those of Sentinels, or of some nodes of a cluster.
        path: of a socket.
        service: the name by which Sentinels know the server.
        options: of TLS and of Sentinels, by their names in the URL, which are the client's.
    """

    by: By
    tls: bool
    hosts: tuple[tuple[str, int], ...]
    path: str
    service: str
    db: int
    username: str | None
    password: str | None
    options: dict[str, object]


def read_shared_url(text: str) -> SharedAddress:
    """Read a URL. Raises ValueError with what is wrong, and how it is written; there is no part of the URL in it."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise _wrong("its host can't be read") from None
    if "?" in text.rpartition("@")[0]:
        raise _wrong('there is a "?" before its host', is_password=True)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"this must be {_MISTAKEN.get(parts.scheme, FORMS)}")
    by, tls = SCHEMES[parts.scheme]
    if parts.fragment or "#" in text:
        raise _wrong('there is a "#" in it', is_password=True)
    user, has_user, netloc = parts.netloc.rpartition("@")
    name, _, word = user.partition(":")
    if has_user and not word:
        raise ValueError("a password is missing: this must be redis://USER:PASSWORD@host or redis://:PASSWORD@host")
    hosts = _hosts(netloc, by)
    service, db = _path(parts, by)
    options = _options(parts.query, by, tls=tls)
    if "db" in options:
        if by == "server":
            raise _wrong("a database is the last part of the path, as in redis://host:6379/1")
        db = int(str(options.pop("db")))
    return SharedAddress(
        by,
        tls,
        hosts,
        unquote(parts.path) if by == "socket" else "",
        service,
        db,
        unquote(name) or None,
        unquote(word) or None,
        options,
    )


def _wrong(what: str, *, is_password: bool = False) -> ValueError:
    hint = "; special characters of a password are written as %XX, such as %2F for a slash" if is_password else ""
    return ValueError(f"{what}{hint}; this must be {FORMS}")


def _hosts(netloc: str, by: By) -> tuple[tuple[str, int], ...]:
    if by == "socket":
        if netloc:
            raise ValueError("the path of a socket begins with a slash: this must be unix:///path/of/the/socket")
        return ()
    if not netloc:
        raise _wrong("the host is missing")
    hosts = []
    for one in netloc.split(","):
        match = re.fullmatch(_HOST, one)
        port = int((match and match["port"]) or _PORTS[by])
        if match is None or not 0 < port < 65_536:
            raise _wrong("a host or port can't be read", is_password=True)
        hosts.append((unquote(match["host"].strip("[]")), port))
    if by == "server" and len(hosts) > 1:
        raise _wrong("several hosts are those of Sentinels or of a cluster")
    return tuple(hosts)


def _path(parts: SplitResult, by: By) -> tuple[str, int]:
    """Return the name of what Sentinels watch, and the database."""
    if by == "socket":
        if parts.path in ("", "/"):
            raise _wrong("the path is missing")
        return "", 0
    words = parts.path.strip("/").split("/") if parts.path.strip("/") else []
    service = ""
    if by == "sentinel":
        if not words:
            raise ValueError(
                "the name by which the Sentinels know the server is missing: "
                "this must be redis+sentinel://host1:26379,host2:26379/NAME"
            )
        service = unquote(words.pop(0))
    if len(words) > 1 or not all(word.isdecimal() for word in words):
        raise _wrong("a database is a number", is_password=True)
    db = int(words[0]) if words else 0
    if by == "cluster" and db:
        raise ValueError("a cluster has no database but 0: this must be redis+cluster://host1:6379,host2:6379")
    return service, db


def _options(query: str, by: By, *, tls: bool) -> dict[str, object]:
    known: dict[str, Callable[[str], object]] = {}
    if tls:
        known |= _TLS
    if by == "sentinel":
        known |= _SENTINEL
    if by in ("socket", "server"):
        known["db"] = _number
    options: dict[str, object] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            if name in _TLS and by != "socket":
                raise ValueError(f'the option "{name}" is of TLS: this must begin with rediss')
            more = f"; what can be: {', '.join(known)}" if known else ""
            raise ValueError(f"this has an option that a URL of this form can't have{more}")
        try:
            options[name] = known[name](value)
        except ValueError as error:
            raise ValueError(f'the option "{name}" of the URL {error}') from None
    return options
