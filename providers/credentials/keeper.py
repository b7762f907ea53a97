"""Keeps what a source has issued: one fetch for all who wait, renewed before it ends, with a breaker of its own.

    nothing ──fetch──► valid ──(about 80 % of its life)──► valid, a fetch in the background ──► valid …
                         │ refused by the vendor (401)              │ failed: the old one serves until it ends
                         └──► one fetch, for which all wait         └──► next try after 1, 2, 4 … 60 s

While a source is down and nothing is valid, requests fail at once: they go to the next target. A source that is asked
for by nobody is left alone.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections import deque
from collections.abc import Iterator, Mapping
from math import inf
from typing import Protocol

from providers import forks
from providers.errors import ErrorCode, ProviderError
from providers.evidence import concern
from providers.header_names import is_token
from providers.printable import printable
from providers.scrub import scrub
from providers.sources import LIMIT, CredentialState, Issued, NoCredential, Source
from providers.threads import in_thread
from providers.transport.headers import moment

PATIENCE = 10.0  # seconds of a fetch that a request waits, and so many after a failure:
_WARY = 2.0
_AHEAD = 0.75, 0.85  # of a credential's life: when it is renewed
_MARGIN = 0.05, 10.0  # of its life, and seconds at most: so long before its end it is no longer sent
_BACKOFF, _LONGEST_BACKOFF = 1.0, 60.0  # seconds
_FORCED = 60.0  # seconds between two fetches because a vendor refused
_REMEMBERED = 4  # credentials that are still blanked out of texts: a stream may have begun with an old one
_LONGEST_REASON = 500  # characters
_LARGE = 1024 * 1024  # bytes of a body that is signed beside the loop
_OF_TIME = re.compile(r"(?i)signature|skew|expired|request time")  # words of AWS about when a request was signed
_log = logging.getLogger("signalbox.credentials")


class Credential:
    """The credential of one connection. It belongs to the event loop of its last use; what it holds goes along to the
    next loop, and to a forked process.

    Args:
        source: where it comes from.
        provider: whose errors it raises.
    """

    def __init__(self, source: Source, provider: str) -> None:
        self.source = source
        self._provider = provider
        self._issued: Issued | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._offset = 0.0  # of the loop's clock to that of the machine
        self._renew = self._expires = self._forced = -inf  # the loop's time, like the next
        self._next = self._fetched = -inf
        self._began = -inf
        self._failures = 0
        self._why = ""
        self._asked = False  # since it was fetched
        self._is_refused = False  # by the vendor: it is sent no more, unless no other can be had
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._recent: deque[Issued] = deque(maxlen=_REMEMBERED)
        self.changes = 0  # how many were issued
        forks.tell(self, Credential._leave_loop)

    # --- for calls

    async def get(self) -> Issued:
        """What to send now.

        Raises:
            ProviderError: AUTHENTICATION with phase "credential": there is none; `retry_after` says when to ask again.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._enter(loop)
        self._asked = True
        now = loop.time()
        if now < self._renew and self._issued is not None:
            return self._issued
        return await self._renewed(loop, now)

    def refused(self, issued: Issued) -> bool:
        """Whether another one than that, which the vendor refused, may be had at once; it is fetched if need be."""
        loop = self._loop
        if loop is None:
            return False
        if issued is not self._issued:
            return True  # that was the one before
        now = loop.time()
        if self._task is None:
            if now < max(self._next, self._forced + _FORCED):
                return False
            self._begin(loop, now)
        self._forced, self._renew, self._is_refused = now, -inf, True
        return True

    def call(self, key_headers: KeyHeaders) -> Call:
        """What one call needs to say who asks."""
        return Call(self, key_headers)

    @property
    def secrets(self) -> Iterator[str]:
        """What texts must not show: of the newest credentials."""
        for issued in self._recent:
            yield issued.token
            yield from issued.secrets

    @property
    def sent(self) -> str | None:
        """What goes along in clear with a request; None where nothing does."""
        return None if self._issued is None else self._issued.token or None

    def state(self) -> CredentialState:
        """How it is now."""
        to_epoch = 0.0 if self._loop is None or self._loop.is_closed() else time.time() - self._loop.time()

        def moment_of(at: float) -> float | None:
            return round(at + to_epoch) if to_epoch and -inf < at < inf else None

        held = self._issued is not None
        return CredentialState(
            self.source.name,
            moment_of(self._fetched) if held else None,
            moment_of(self._expires) if held else None,
            self._failures,
            self._why,
            moment_of(self._next) if self._failures else None,
        )

    def close(self) -> None:
        """Fetch nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None and self._loop is not None and not self._loop.is_closed():
            self._task.cancel()
        self._task = self._timer = None

    def __repr__(self) -> str:
        return f"<Credential of {self._provider} by {self.source.name}>"

    # --- inside

    def _leave_loop(self) -> None:
        self._loop = self._task = self._timer = None

    def _enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """Go on, on another loop: what was fetched there is lost, what is held stays."""
        offset = loop.time() - time.monotonic()
        moved = offset - self._offset
        self._renew, self._expires = self._renew + moved, self._expires + moved
        self._forced, self._next = self._forced + moved, self._next + moved
        self._fetched += moved
        self._leave_loop()
        self._loop, self._offset = loop, offset

    async def _renewed(self, loop: asyncio.AbstractEventLoop, now: float) -> Issued:
        """The old credential while it holds, once a fetch is under way; else the new one, waited for."""
        if self._task is None and now >= self._next:
            self._begin(loop, now)
        if self._task is not None and (self._is_refused or now >= self._expires):
            patience = _WARY if self._failures else PATIENCE
            await asyncio.wait((self._task,), timeout=max(0.0, self._began + patience - now))
            now = loop.time()
        if self._issued is not None and now < self._expires:
            return self._issued
        why, wait = self._why, self._next - now
        if self._task is not None:
            why = f"no answer within {now - self._began:.3g} s" + (f"; before that: {why}" if why else "")
            wait = self._began + LIMIT - now
        raise ProviderError(
            ErrorCode.AUTHENTICATION,
            f"no credential from {self.source.name}: {why or 'it was closed'}",
            provider=self._provider,
            retry_after=max(0.0, wait) if wait < inf else None,
            phase="credential",
        )

    def _begin(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        self._began = now
        self._task = loop.create_task(self._fetch(loop))

    async def _fetch(self, loop: asyncio.AbstractEventLoop) -> None:
        me = asyncio.current_task()
        try:
            try:
                async with asyncio.timeout(LIMIT):
                    issued = _checked(await self.source.fetch())
            except TimeoutError:
                self._failed(loop, f"no answer within {LIMIT:.0f} s")
            except Exception as error:  # whatever an SDK, a program or an app's function raises
                self._failed(loop, self._reason(error))
            else:
                self._take(loop, issued)
        finally:
            if self._task is me:
                self._task = None

    def _take(self, loop: asyncio.AbstractEventLoop, issued: Issued) -> None:
        if self._failures:
            _log.warning("%s: %s gives credentials again", self._provider, self.source.name)
        self._issued, self._failures, self._why, self._next = issued, 0, "", -inf
        self._recent.append(issued)
        self.changes += 1
        now = loop.time()
        self._fetched, self._renew, self._expires = now, inf, inf
        if issued.lifetime is not None:
            share, most = _MARGIN
            self._renew = now + issued.lifetime * random.uniform(*_AHEAD)
            self._expires = now + issued.lifetime - min(issued.lifetime * share, most)
            self._look_again(loop, self._renew)
        self._asked = self._is_refused = False

    def _failed(self, loop: asyncio.AbstractEventLoop, why: str) -> None:
        if not self._failures:
            _log.warning("%s: no credential from %s: %s", self._provider, self.source.name, why)
        wait = min(_LONGEST_BACKOFF, _BACKOFF * 2.0 ** min(self._failures, 10)) * random.uniform(0.9, 1.1)
        self._failures += 1
        self._why = why
        self._next = loop.time() + wait
        self._is_refused = False
        self._look_again(loop, self._next)

    def _look_again(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(at, self._ahead, loop)

    def _ahead(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._asked and self._task is None and self._loop is loop:
            self._asked = False
            self._begin(loop, loop.time())

    def _reason(self, error: Exception) -> str:
        text = str(error).strip() or type(error).__name__
        if not isinstance(error, NoCredential):
            text = f"{type(error).__name__}: {text}" if str(error).strip() else text
        for secret in self.secrets:
            text = scrub(text, secret)
        text = printable(scrub(" ".join(text.split())))
        return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + "…"


class KeyHeaders(Protocol):
    """Gives the headers that carry a key, as a vendor wants it."""

    def __call__(self, key: str, *, bearer: bool = False) -> dict[str, str]: ...


class Call:
    """One call's use of a credential: gives its headers, and tells what its refusal means.

    Args:
        credential: of the connection.
        key_headers: how the vendor is told a key.
    """

    __slots__ = ("_credential", "_key_headers", "_used")

    def __init__(self, credential: Credential, key_headers: KeyHeaders) -> None:
        self._credential = credential
        self._key_headers = key_headers
        self._used: Issued | None = None

    async def __call__(self, method: str, url: str, body: bytes | None) -> dict[str, str]:
        """The headers of this request; raises like `Credential.get`."""
        issued = self._used = await self._credential.get()
        if issued.signer is None:
            return self._key_headers(issued.token, bearer=issued.bearer or is_token(issued.token))
        if body is not None and len(body) > _LARGE:
            return await in_thread(issued.signer, method, url, body)
        return issued.signer(method, url, body)

    def was_refused(self, error: ProviderError, headers: Mapping[str, str]) -> bool:
        """Whether the vendor refused the credential, and the same call may fare better at once.

        Args:
            headers: of the answer, whose `Date` tells by what clock signatures are read.
        """
        issued = self._used
        if issued is None or error.status not in (401, 403):
            return False
        date = None if issued.signer is None else moment(headers.get("date", ""))
        if issued.signer and date and _OF_TIME.search(error.message) and issued.signer.corrects(date):
            return True
        return (error.status == 401 or concern(error) == "key") and self._credential.refused(issued)


def _checked(issued: object) -> Issued:
    """What a source gave, if it can be sent and holds."""
    if not isinstance(issued, Issued):
        raise NoCredential(f"it gave {type(issued).__name__}, no credential")
    if issued.lifetime is not None and not issued.lifetime > 0:
        raise NoCredential(f"what it gave expired {abs(issued.lifetime):.0f} s ago by this machine's clock")
    if not issued.token and issued.signer is None:
        raise NoCredential("it gave an empty text")
    if not (issued.token.isascii() and issued.token.isprintable()) or " " in issued.token:
        raise NoCredential("what it gave is no token: only printable ASCII without spaces can be sent")
    return issued
