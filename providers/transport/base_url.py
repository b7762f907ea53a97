"""The URL under which a vendor's paths are, as they are sent: percent-encoded, the host in ASCII (RFC 3986)."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, quote

_DEFAULT_PORTS = {"http": 80, "https": 443}
# What stands as it is written, escapes among it. The rest is escaped: spaces, quotes, < > #, what is not ASCII, and in
# a path ? ` { } as well (the URL standard's sets, https://url.spec.whatwg.org/#percent-encoded-bytes).
_IN_QUERY = "!$%&'()*+,/:;=?@[\\]^`{|}"
_IN_PATH = "!$%&'()*+,/:;=@[\\]^|"


class BaseUrl(NamedTuple):
    """Its parts. `port` is None for the usual one; `path` and `query` are as they were written."""

    scheme: str
    host: str
    port: int | None
    path: str
    query: str

    @classmethod
    def of(cls, parts: SplitResult) -> BaseUrl:
        """That of an address, without its user and password. Raises ValueError: its host has no form in ASCII."""
        host = parts.hostname or ""
        if not host.isascii():
            import idna  # here: few need it

            host = idna.encode(host).decode()
        port = None if parts.port == _DEFAULT_PORTS.get(parts.scheme) else parts.port
        return cls(parts.scheme, host, port, parts.path, parts.query)

    def with_path(self, path: str) -> str:
        """The URL of a path, with a query or none, under this one; under its host, if it begins with two slashes."""
        route, _, query = path.partition("?")
        root = "" if route.startswith("//") else self.path.rstrip("/")
        whole = quote(_without_dots(f"{root}/{route.lstrip('/')}"), safe=_IN_PATH)
        queries = quote("&".join(part for part in (self.query, query) if part), safe=_IN_QUERY)
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{host}{port}{whole}" + (f"?{queries}" if queries else "")


def _without_dots(path: str) -> str:
    """Without the segments `.` and `..`, which would mean another path to every server (RFC 3986, section 5.2.4)."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if kept not in ([], [""]):
                kept.pop()
        elif part != ".":
            kept.append(part)
    return "/".join(kept)
