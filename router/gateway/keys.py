"""Who asks: the client whose key came with a request. The only place that lets anybody in."""

from __future__ import annotations

import re
from collections.abc import Hashable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeVar

from providers.errors import ErrorCode
from router.gateway.errors import Refused
from router.gateway.exchange import Asked, Headers
from router.plan.serving import Client, Serving

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

_FAILURES = 20  # wrong keys from one address in a minute, after which it has to wait
_MINUTE = 60.0
_ADDRESSES = 10_000  # whose failures are remembered, and as many that have brought a right key
_NO_KEY = "a key is needed: send it as `Authorization: Bearer …`"
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:/@\\\s]+)(:[0-9]*)?")  # RFC 9110, section 7.2


class Doorkeeper:
    """Lets clients in by their keys; an address that tries many wrong ones has to wait.

    A client whose key was let in from an address before does not wait for what others there do: behind a proxy all have
    the same address, and anybody could lock them out.
    """

    def __init__(self, serving: Serving) -> None:
        self._had_keys = bool(serving.clients)
        self._failures: dict[str, tuple[float, int]] = {}  # by address: when the minute began, and how many
        self._known: dict[tuple[str, str], None] = {}  # addresses with a client that was let in from there

    def client(self, asked: Asked, serving: Serving, now: float) -> Client:
        """Return who asks, at a time in seconds of the loop's clock.

        Raises:
            Refused: nobody may ask so.
        """
        keys = _keys_of(asked.headers)
        self._had_keys = self._had_keys or bool(serving.clients)
        if not keys or not serving.clients:
            # Keys that are gone from the file by mistake must not open the door: a proxy may stand before it.
            is_shut = self._had_keys and not serving.is_anonymous_written
            if serving.anonymous is None or is_shut:
                raise Refused(ErrorCode.AUTHENTICATION, _NO_KEY)
            _check_is_local(asked.peer)
            _check_origin(asked.headers, serving)
            return serving.anonymous
        client, *others = map(serving.client_of, keys)
        if others and any(other is not client for other in others):
            client = None  # keys of several clients, or a wrong one among them
        if client is not None and (asked.peer, client.name) in self._known:
            return client
        address = _counted(asked.peer)
        self._check_failures(address, now)
        if client is None:
            raise self._failed(address, now)
        _remember(self._known, (asked.peer, client.name), None)
        return client

    def _check_failures(self, address: str, now: float) -> None:
        began, count = self._failures.get(address, (0.0, 0))
        if count >= _FAILURES and now < began + _MINUTE:
            raise Refused(
                ErrorCode.RATE_LIMITED, "too many wrong keys came from this address", retry_after=began + _MINUTE - now
            )

    def _failed(self, address: str, now: float) -> Refused:
        began, count = self._failures.pop(address, (now, 0))
        if now >= began + _MINUTE:
            began, count = now, 0
        _remember(self._failures, address, (began, count + 1))
        return Refused(ErrorCode.AUTHENTICATION, "this key is not one of this gateway's")


def _remember(known: dict[Key, Value], key: Key, value: Value) -> None:
    known[key] = value
    if len(known) > _ADDRESSES:
        del known[next(iter(known))]


def _keys_of(headers: Headers) -> set[str]:
    """The keys that came; clients send them in one of three headers, some in two."""
    keys = {*headers.getall("x-api-key", ()), *headers.getall("api-key", ())}
    for value in headers.getall("authorization", ()):
        kind, _, key = value.partition(" ")
        if kind.lower() == "bearer":
            keys.add(key.strip())
    keys.discard("")
    return keys


def _counted(peer: str) -> str:
    """What the failures of an address are counted by: whoever has one of IPv6 has the 2**64 of its network."""
    address = _address(peer)
    return str(address.packed[:8]) if isinstance(address, IPv6Address) else str(address or peer)


def _check_is_local(peer: str) -> None:
    """Refuse other machines, wherever this one listens by now: an edit of the file may have taken the keys away."""
    if peer and not _is_local(peer):
        raise Refused(ErrorCode.AUTHENTICATION, _NO_KEY)


def _check_origin(headers: Headers, serving: Serving) -> None:
    """Refuse web pages: any page can send requests to an open port of the machine that shows it.

    A page that had its name resolve to loopback (DNS rebinding) tells another Host; any other page tells its Origin.
    `Sec-Fetch-*` says nothing: the SDKs for Node send it as well.
    """
    host = ", ".join(headers.getall("host", ()))  # of several, none is
    written = _HOST.fullmatch(host)
    if written is None or not _is_local(written[1].strip("[]")):
        raise Refused(
            ErrorCode.PERMISSION_DENIED,
            f"this gateway has no keys, so that it answers to the names of this machine only, not to {host[:80]!r}",
        )
    for origin in headers.getall("origin", ()):
        if origin not in serving.origins:
            raise Refused(ErrorCode.PERMISSION_DENIED, f"pages of {origin[:80]} may not ask: add it to serve.origins")


def _is_local(host: str) -> bool:
    """Say whether a name or an address is this machine's alone."""
    address = _address(host)
    return host.lower().rstrip(".") == "localhost" if address is None else address.is_loopback


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
