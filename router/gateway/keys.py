"""Who asks: the client whose key came with a request. The only place that lets anybody in."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from providers.errors import ErrorCode
from router.gateway.errors import Refused
from router.gateway.exchange import Asked
from router.plan.serving import Client, Serving

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_FAILURES = 20  # wrong keys from one address in a minute, after which it has to wait
_MINUTE = 60.0
_ADDRESSES = 10_000  # whose failures are remembered


class Doorkeeper:
    """Lets clients in by their keys; an address that tries many wrong ones has to wait."""

    def __init__(self) -> None:
        self._failures: dict[str, tuple[float, int]] = {}  # by address: when the minute began, and how many

    def client(self, asked: Asked, serving: Serving, now: float) -> Client:
        """Return who asks, at a time in seconds of the loop's clock.

        Raises:
            Refused: nobody may ask so.
        """
        keys = _keys_of(asked.headers)
        if not keys or not serving.clients:
            if serving.anonymous is None:
                raise self._failed(asked.peer, now, "a key is needed: send it as `Authorization: Bearer …`")
            _check_is_local(asked.peer)
            _check_origin(asked.headers, serving)
            return serving.anonymous
        self._check_failures(asked.peer, now)
        clients = {serving.client_of(key) for key in keys}
        client = clients.pop()
        if client is None or clients:
            raise self._failed(asked.peer, now, "this key is not one of this gateway's")
        return client

    def _check_failures(self, peer: str, now: float) -> None:
        began, count = self._failures.get(peer, (0.0, 0))
        if count >= _FAILURES and now < began + _MINUTE:
            raise Refused(
                ErrorCode.RATE_LIMITED, "too many wrong keys came from this address", retry_after=began + _MINUTE - now
            )

    def _failed(self, peer: str, now: float, message: str) -> Refused:
        began, count = self._failures.pop(peer, (now, 0))
        if now >= began + _MINUTE:
            began, count = now, 0
        self._failures[peer] = began, count + 1
        if len(self._failures) > _ADDRESSES:
            del self._failures[next(iter(self._failures))]
        return Refused(ErrorCode.AUTHENTICATION, message)


def _keys_of(headers: Mapping[str, str]) -> list[str]:
    """The keys that came; clients send them in one of three headers, some in two."""
    keys = [headers.get("x-api-key"), headers.get("api-key")]
    kind, _, value = (headers.get("authorization") or "").partition(" ")
    if kind.lower() == "bearer":
        keys.append(value.strip())
    return [key for key in keys if key]


def _check_is_local(peer: str) -> None:
    """Refuse other machines, wherever this one listens by now: an edit of the file may have taken the keys away."""
    address = peer.removeprefix("::ffff:")  # IPv4 over a socket of IPv6
    if address and address not in _LOOPBACK and not _is_loopback_address(address):
        raise Refused(ErrorCode.AUTHENTICATION, "a key is needed: send it as `Authorization: Bearer …`")


def _check_origin(headers: Mapping[str, str], serving: Serving) -> None:
    """Refuse web pages: any page can send requests to an open port of the machine that shows it.

    A page that had its name resolve to loopback (DNS rebinding) tells another Host; any other page tells its Origin.
    `Sec-Fetch-*` says nothing: the SDKs for Node send it as well.
    """
    host = urlsplit(f"//{headers.get('host') or ''}").hostname
    if host not in _LOOPBACK and not _is_loopback_address(host):
        raise Refused(
            ErrorCode.PERMISSION_DENIED,
            f"this gateway has no keys, so that it answers to the names of this machine only, not to {host!r}",
        )
    origin = headers.get("origin")
    if origin is not None and origin not in serving.origins:
        raise Refused(ErrorCode.PERMISSION_DENIED, f"pages of {origin} may not ask: add it to serve.origins")


def _is_loopback_address(host: str | None) -> bool:
    parts = (host or "").split(".")
    return len(parts) == 4 and parts[0] == "127" and all(part.isdigit() and int(part) < 256 for part in parts)
