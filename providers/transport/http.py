"""The HTTP client of one provider: prebuilt URLs and headers, exact errors, and retries for use without a router.

aiohttp carries the requests (`providers.transport.aiohttp_engine`), or a transport of httpx's interface that is handed
in by `options={"transport": …}`.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias
from urllib.parse import urlsplit

from providers.addresses import basic_auth, check_url
from providers.errors import ErrorCode, ProviderError
from providers.header_names import belongs_to_connection
from providers.settings import ProviderSettings
from providers.transport.aiohttp_engine import AiohttpEngine
from providers.transport.base_url import BaseUrl
from providers.transport.engine import CarrierError, ClientClosed, StaleConnection
from providers.transport.environment import proxy_of
from providers.transport.headers import retry_after
from providers.transport.response import HttpResponse

if TYPE_CHECKING:
    from httpx import AsyncBaseTransport

_JSON = {"content-type": "application/json"}
_RETRIED = frozenset({408, 409, 429})
_LONGEST_WAIT = 60.0  # seconds: a vendor that asks for more is not waited for here
_REDIRECTS = range(300, 400)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.1
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


Authorize: TypeAlias = Callable[[str, str, bytes | None], Awaitable[dict[str, str]]]
"""Of a method, a URL and a body: the headers, with lower-case names, by which the vendor knows who asks."""


class HttpEngine(Protocol):
    """A pool of connections."""

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, connect: float | None
    ) -> HttpResponse:
        """Send a request; returns when the answer's headers are here.

        Args:
            connect: seconds that a new connection may take.

        Raises:
            CarrierError: what failed.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class HttpClient:
    """One pooled client for one provider.

    Args:
        settings: base URL, proxy, certificates, connect timeout, `options` (`transport`, `max_retries`: default 2).
        default_base_url: where the settings name none.
        headers: sent with every request, the key among them.

    Raises:
        ProviderError: AUTHENTICATION when a header cannot be sent, such as a key with a line end behind it;
            CONNECTION_FAILED when the base URL, or the proxy that a variable names, is none of http or https;
            INVALID_REQUEST for a header of the
            connection, such as Content-Length.
    """

    def __init__(
        self,
        settings: ProviderSettings,
        *,
        default_base_url: str,
        headers: Mapping[str, str],
        transport: AsyncBaseTransport | None = None,
    ) -> None:
        self._name = settings.name
        self._base, login = _base_url(settings.base_url or default_base_url, settings.name)
        own = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": "signalbox"}
        self._headers = own | ({} if settings.credential is not None else login)
        for more in (headers, settings.headers):
            _check(more, ErrorCode.AUTHENTICATION, self._name)
            self._headers |= _by_name(more)
        self._with_body = self._headers | _JSON
        self._retries = int(settings.options.get("max_retries", 2))
        self._connect = settings.timeout.connect
        given = transport or settings.options.get("transport")
        self._carrier: HttpEngine = self._made(settings) if given is None else _handed_in(given)
        self._urls: dict[str, str] = {}
        self._where = f"{self._base.host}:{self._base.port}" if self._base.port else self._base.host

    def _made(self, settings: ProviderSettings) -> HttpEngine:
        path = settings.unix_socket
        if path is not None and self._base.scheme == "https":
            what = "unix_socket takes plain HTTP: base_url must begin with http://, such as http://localhost/v1"
            raise ProviderError(ErrorCode.CONNECTION_FAILED, what, provider=self._name, phase="connect")
        return AiohttpEngine(
            proxy=None if path else self._proxy(settings.proxy),
            verify=settings.verify,
            client_cert=settings.client_cert,
            unix_socket=path,
        )

    def _proxy(self, given: str | bool | None) -> str | None:
        if isinstance(given, str):
            found: tuple[str, str] | None = "proxy", given
        else:
            asked = self._base.scheme, self._base.host, self._base.port
            found = None if given is False else proxy_of(*asked, os.environ)
        if found is None:
            return None
        name, proxy = found
        if not _is_url(proxy):  # the text is not shown: it may hold a password
            what = (
                f"{name} names no HTTP proxy; give one by proxy: http://… "
                "(in a password / ? # @ are written %2F %3F %23 %40), or say proxy: off"
            )
            raise ProviderError(ErrorCode.CONNECTION_FAILED, what, provider=self._name, phase="connect")
        return proxy

    async def open(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        connect: float | Literal["off"] | None = None,
        authorize: Authorize | None = None,
    ) -> HttpResponse:
        """Send a request and return when the answer's headers are here.

        Args:
            path: under the base URL, with a query or none; with two slashes at its beginning, under the host.
            body: JSON.
            connect: seconds that a new connection may take, or "off"; None takes the settings' own.
            authorize: gives the headers that say who asks, anew for each try, in the place of a key that every request
                has; those of the settings and of this call come before them.

        Raises:
            ProviderError: CONNECTION_FAILED, TIMEOUT (phase "connect") or PROTOCOL_ERROR; also for a redirect, which
                is never followed, because the key is for this host alone. INVALID_REQUEST for a header of this
                call that cannot be sent.
        """
        sent = self._headers if body is None else self._with_body
        within = self._connect if connect is None else None if connect == "off" else connect
        if headers:
            _check(headers, ErrorCode.INVALID_REQUEST, self._name)
            sent = {**self._headers, **_by_name(headers), **({} if body is None else _JSON)}
        url = self._urls.get(path) or self._url(path)
        for retry in range(self._retries + 1):
            last = retry == self._retries
            try:
                signed = sent
                if authorize is not None:
                    who = await authorize(method, url, body)
                    _check(who, ErrorCode.AUTHENTICATION, self._name)
                    signed = {**who, **sent}
                answer = await self._carrier.send(method, url, signed, body, within)
            except (CarrierError, ProviderError) as error:
                failure = self._failure(error) if isinstance(error, CarrierError) else error
                if last or failure.code is not ErrorCode.CONNECTION_FAILED or isinstance(error, ClientClosed):
                    raise failure from failure.__cause__  # and not from what the carrier says
                await asyncio.sleep(_backoff(retry))
                continue
            if answer.status in _REDIRECTS:
                await answer.aclose()
                raise self._redirected(answer)
            wait = None if last else _wait(answer, retry)
            if wait is None:
                return answer
            await answer.aclose()
            await asyncio.sleep(wait)
        raise AssertionError("unreachable: the last try returns or raises")

    async def aclose(self) -> None:
        """Close all connections; calls under way fail at once."""
        await self._carrier.aclose()

    def _failure(self, error: CarrierError) -> ProviderError:
        text, is_stale = f"{self._where}: {error}", isinstance(error, StaleConnection)
        return ProviderError(error.code, text, provider=self._name, phase=error.phase, stale_connection=is_stale)

    def _redirected(self, response: HttpResponse) -> ProviderError:
        try:
            host = urlsplit(response.headers.get("location", "")).hostname
        except ValueError:
            host = None
        target = host if host and host.isprintable() else "nowhere"
        return ProviderError(
            ErrorCode.PROTOCOL_ERROR,
            f"{self._where} redirects to {target}, which is not followed; correct base_url",
            provider=self._name,
            status=response.status,
        )

    def _url(self, path: str) -> str:
        made = self._urls[path] = self._base.with_path(path)
        return made


def _handed_in(transport: AsyncBaseTransport) -> HttpEngine:
    from providers.transport.httpx_engine import HttpxEngine  # here: few hand one in, and httpx takes long to import

    return HttpxEngine(transport)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _base_url(text: str, name: str) -> tuple[BaseUrl, dict[str, str]]:
    """The URL without a user and password, and the header that they are sent in."""
    try:
        parts = check_url(text)
        login = basic_auth(parts)
        url = BaseUrl.of(parts)
    except ValueError:  # the text is not shown: it may hold a password
        what = "base_url is no URL of http or https"
        raise ProviderError(ErrorCode.CONNECTION_FAILED, what, provider=name, phase="connect") from None
    return url, {} if login is None else {"authorization": login}


def _by_name(headers: Mapping[str, str]) -> dict[str, str]:
    """In lower case, so that a header replaces the one of its name however that is spelled (RFC 9110, section 5.1)."""
    return {name.lower(): value for name, value in headers.items()}


def _check(headers: Mapping[str, str], code: ErrorCode, name: str) -> None:
    """Refuse what would break the request, or smuggle a header into it; the value, perhaps a key, is not shown."""
    for header, value in headers.items():
        named = isinstance(header, str) and _HEADER_NAME.fullmatch(header)
        if isinstance(header, str) and belongs_to_connection(header):
            what = f"the header {header!r} cannot be set: it belongs to the connection"
            raise ProviderError(ErrorCode.INVALID_REQUEST, what, provider=name)
        if not (named and isinstance(value, str) and _HEADER_VALUE.fullmatch(value)):
            raise ProviderError(
                code, f"the header {header!r} cannot be sent: only printable ASCII is allowed", provider=name
            )


def _wait(answer: HttpResponse, retry: int) -> float | None:
    """Seconds before the next try, None when there is to be none (the vendors' SDKs do the same)."""
    told = answer.headers.get("x-should-retry")
    wanted = answer.status in _RETRIED or answer.status >= 500
    if told == "false" or not (wanted or told == "true"):
        return None
    asked = retry_after(answer.headers, time.time())
    if asked is None:
        return _backoff(retry)
    return asked if asked <= _LONGEST_WAIT else None


def _backoff(retry: int) -> float:
    return random.uniform(0.0, min(8.0, 0.5 * 2.0**retry))
