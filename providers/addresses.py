"""Whether an address can be called: told once when a file is loaded, in place of at every call."""

from __future__ import annotations

import base64
import ipaddress
import re
from urllib.parse import SplitResult, unquote, urlsplit

_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")  # RFC 1123; `_` is in names of containers
_LONGEST_HOST = 253


def check_url(text: str) -> SplitResult:
    """The parts of an address that can be called.

    Raises:
        ValueError: it can't; the message says what is wrong and how to mend it, without the address, which may hold a
            password.
    """
    if not text.isprintable() or " " in text:
        raise ValueError("an address has no spaces, line ends or invisible characters in it")
    if "$" in text:
        raise ValueError("an address has no $ in it: a variable is written ${NAME}, with braces")
    if re.search("[<>{}]", text):
        raise ValueError("this address still has a placeholder: put your own value in place of <…> or {…}")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(
            "this must be an http:// or https:// address with a port from 1 to 65535, if any "
            "(in a password / ? # @ are written %2F %3F %23 %40)"
        ) from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("this must be an http:// or https:// address, such as http://localhost:8000/v1")
    if port == 0:
        raise ValueError("this must be an http:// or https:// address with a port from 1 to 65535, if any")
    if "#" in text:
        raise ValueError("what follows # is never sent to a server: take it out (in a password # is written %23)")
    if not _is_host(host, bracketed="[" in parts.netloc):
        raise ValueError("this must be an http:// or https:// address; what follows :// is no name or IP of a host")
    return parts


def basic_auth(parts: SplitResult) -> str | None:
    """The Authorization header of a user and password in an address (RFC 7617); None where it has none."""
    user, at, _ = parts.netloc.rpartition("@")
    if not at:
        return None
    name, _, password = user.partition(":")
    return "Basic " + base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()


def _is_host(host: str, *, bracketed: bool) -> bool:
    try:
        if bracketed:
            return bool(ipaddress.IPv6Address(host))
        if not host.isascii():
            import idna  # here: few need it; httpx encodes names by it as well

            host = idna.encode(host).decode()
        labels = host.removesuffix(".").split(".")
        if labels[-1].isdigit() or labels[-1].startswith("0x"):
            return bool(ipaddress.IPv4Address(host))
    except ValueError:
        return False
    return len(host) <= _LONGEST_HOST and all(_LABEL.fullmatch(label) for label in labels)
