"""What a source of credentials is, and what it gives out: the seam between a connection and whoever has the key."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec

LIMIT = 30.0  # seconds that a fetch may take
_EPOCH = 1e9  # a plain number above it is a moment, not a duration,
_MILLIS = 1e11  # and above this one in milliseconds


class NoCredential(Exception):
    """A source has given nothing; the message says why, for people."""


class Signer(Protocol):
    """Signs each request, where a vendor takes no token."""

    def __call__(self, method: str, url: str, body: bytes | None) -> dict[str, str]:
        """The headers of this very request."""
        ...

    def corrects(self, vendors_time: float) -> bool:
        """Whether the vendor's clock (epoch seconds) is so far from ours that its signatures were wrong; from now on
        they are made by it.
        """
        ...


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """What a source has given out.

    `token` is sent as the vendor's keys are, or as a bearer token where `bearer` says so; with a `signer` it is what
    goes along in clear, if anything. `lifetime` is in seconds from now; None where it holds until it is refused.
    `secrets` are what no text may show besides.
    """

    token: str = ""
    lifetime: float | None = None
    bearer: bool = False
    signer: Signer | None = None
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Issued(…)"


class CredentialState(msgspec.Struct, frozen=True):
    """How a connection's credential is; no part of it. Moments are in seconds since 1970.

    `fetched` is when the one that is held was issued, None where there is none; `ends` when it is no longer sent, None
    where it holds until it is refused. `failures` are the fetches that failed since then, `why` what the last one
    failed with, and `retry` when the next one is made.
    """

    source: str
    fetched: float | None = None
    ends: float | None = None
    failures: int = 0
    why: str = ""
    retry: float | None = None


class Source(Protocol):
    """A way to get a credential. It holds no connection and no credential: each `fetch` begins anew."""

    @property
    def name(self) -> str:
        """How errors and screens call it, such as `entra` or `command vault`."""
        ...

    @property
    def shape(self) -> str:
        """All that tells it from others, secrets included: only ever shown as a hash."""
        ...

    async def fetch(self) -> Issued:
        """Get a credential now; whoever calls it bounds the time.

        Raises:
            NoCredential: there is none; other exceptions count as the same.
        """
        ...


def lifetime_of(expires: object, now: float | None = None) -> float | None:
    """The seconds until an expiry: epoch seconds or milliseconds, seconds from now, a text of these or of RFC 3339, a
    `datetime` (of UTC where it names no zone), or a `timedelta`. None stays None.

    Raises:
        ValueError: it is none of them.
    """
    now = time.time() if now is None else now
    if isinstance(expires, str):
        text = expires.strip()
        expires = float(text) if text.replace(".", "", 1).isdigit() else datetime.fromisoformat(text)
    if expires is None:
        return None
    if isinstance(expires, timedelta):
        return expires.total_seconds()
    if isinstance(expires, datetime):
        return (expires if expires.tzinfo else expires.replace(tzinfo=UTC)).timestamp() - now
    if isinstance(expires, int | float) and not isinstance(expires, bool) and abs(expires) < 1e15:
        moment = expires / 1000 if expires > _MILLIS else float(expires)
        return moment - now if moment > _EPOCH else moment
    raise ValueError("an expiry is epoch seconds, seconds from now, RFC 3339, a datetime or a timedelta")
