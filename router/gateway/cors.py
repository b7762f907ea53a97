"""Web pages of other origins that may ask, by the words of the Fetch standard (CORS). Credentials are never allowed:
a key is sent by the page itself.
"""

from __future__ import annotations

import re

from router.gateway.exchange import Answered, Headers

_METHODS = "GET, POST, DELETE, HEAD, OPTIONS"
_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z, \t-]+")  # of headers
_KEPT = "600"  # seconds for which a browser need not ask again
_EXPOSED = (
    "x-request-id, request-id, retry-after, retry-after-ms, x-should-retry, x-signalbox-route, x-signalbox-target, "
    "x-signalbox-attempts, x-signalbox-cache, x-signalbox-cost"
)


def is_preflight(method: str, headers: Headers) -> bool:
    """Say whether a browser asks on its own whether a page may ask."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def preflight(headers: Headers, origins: tuple[str, ...]) -> Answered:
    """Answer such a question; it comes without a key."""
    allowed = _allowed(headers, origins)
    if not allowed:
        return Answered(403)
    allowed["access-control-allow-methods"] = _METHODS
    allowed["access-control-max-age"] = _KEPT
    wanted = headers.get("access-control-request-headers") or ""
    if _NAMES.fullmatch(wanted):
        allowed["access-control-allow-headers"] = wanted  # SDKs send many of their own
    if headers.get("access-control-request-private-network") == "true":
        allowed["access-control-allow-private-network"] = "true"
    return Answered(204, headers=allowed)


def allow(answered: Answered, headers: Headers, origins: tuple[str, ...]) -> None:
    """Let the page that asked read the answer, where its origin is one of these."""
    allowed = _allowed(headers, origins)
    if allowed:
        answered.headers.update(allowed)
        answered.headers["access-control-expose-headers"] = _EXPOSED


def _allowed(headers: Headers, origins: tuple[str, ...]) -> dict[str, str]:
    origin = headers.get("origin")
    if origin is None or not origins:
        return {}
    if "*" in origins:
        return {"access-control-allow-origin": "*"}
    return {"access-control-allow-origin": origin, "vary": "origin"} if origin in origins else {}
