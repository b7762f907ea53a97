"""An httpx transport carried by aiohttp, whose pool costs a fraction of httpx's own CPU under concurrency.

Errors come out as httpx's exceptions, each for what really happened: a refused connection and a failed look-up are
`ConnectError`, a server that hangs up is `ReadError`, an answer that is no HTTP is `RemoteProtocolError`.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager

import aiohttp
import httpx
from aiohttp.http_exceptions import ContentEncodingError, TransferEncodingError
from yarl import URL

_READ_BUFFER = 256 * 1024
_MAX_HEADER = 64 * 1024
_LARGE = 1024 * 1024
_IDLE_CONNECTION = 30.0  # seconds a pooled connection is kept; many servers close theirs after 60


class AiohttpTransport(httpx.AsyncBaseTransport):
    """One pool of connections, made on first use and bound to the event loop of that use.

    The pool lives in an async generator, so that `asyncio.run` closes it with its loop (by
    `loop.shutdown_asyncgens`) and a dropped transport is closed when it is collected. On a new loop a new pool is made.

    Args:
        proxy: an HTTP proxy's URL.
        verify: check certificates; a string is the path of a CA bundle.
    """

    def __init__(self, *, proxy: str | None = None, verify: bool | str = True) -> None:
        self._proxy = proxy
        self._verify = verify
        self._loop: asyncio.AbstractEventLoop | None = None
        self._keeper: AsyncGenerator[aiohttp.ClientSession, None] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._urls: dict[httpx.URL, URL] = {}
        self._bodies: set[_Body] = set()  # that are being read

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        session = self._session
        if session is None or session.closed or asyncio.get_running_loop() is not self._loop:
            session = await self._open()
        connect = request.extensions.get("timeout", {}).get("connect")
        with _as_httpx(request):
            answer = await session.request(
                request.method,
                self._url(request.url),
                data=_body_of(request),
                headers=request.headers.multi_items(),
                allow_redirects=False,
                proxy=self._proxy,
                timeout=aiohttp.ClientTimeout(total=None, connect=connect, ceil_threshold=float("inf")),
            )
        return httpx.Response(
            answer.status,
            # The body arrives unpacked, so its encoding is no longer true.
            headers=[(name, value) for name, value in answer.raw_headers if name.lower() != b"content-encoding"],
            stream=_Body(answer, request, self._bodies),
        )

    async def aclose(self) -> None:
        keeper, self._keeper, self._session = self._keeper, None, None
        for body in tuple(self._bodies):
            body.abort()  # a closed session does not wake those who read from it
        if keeper is not None and self._loop is asyncio.get_running_loop():
            await keeper.aclose()

    async def _open(self) -> aiohttp.ClientSession:
        self._loop = asyncio.get_running_loop()
        self._keeper = _pool(self._ssl())
        self._session = await anext(self._keeper)
        return self._session

    def _ssl(self) -> ssl.SSLContext | bool:
        if not isinstance(self._verify, str):
            return self._verify
        try:
            return ssl.create_default_context(cafile=self._verify)
        except OSError as error:  # ssl.SSLError is one
            raise httpx.ConnectError(f"the CA bundle {self._verify} cannot be loaded: {error.strerror}") from error

    def _url(self, url: httpx.URL) -> URL:
        found = self._urls.get(url)
        if found is None:
            if len(self._urls) > 64:
                self._urls.clear()
            found = self._urls[url] = URL(str(url), encoded=True)
        return found


def _body_of(request: httpx.Request) -> bytes | io.BytesIO | None:
    """The body; a large one as a file, which aiohttp sends piece by piece in place of holding up the loop."""
    content = request.content
    return io.BytesIO(content) if len(content) > _LARGE else content or None


async def _pool(context: ssl.SSLContext | bool) -> AsyncGenerator[aiohttp.ClientSession, None]:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_CONNECTION, ssl=context)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=_READ_BUFFER,
        max_line_size=_MAX_HEADER,
        max_field_size=_MAX_HEADER,
    )
    try:
        yield session
    finally:
        await session.close()


class _Body(httpx.AsyncByteStream):
    """The answer's bytes as they come; closing before the end closes the connection at once."""

    def __init__(self, answer: aiohttp.ClientResponse, request: httpx.Request, others: set[_Body]) -> None:
        self._answer = answer
        self._request = request
        self._others = others
        others.add(self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx(self._request):
            async for data in self._answer.content.iter_any():
                yield data

    async def aclose(self) -> None:
        self._others.discard(self)
        self._answer.close()

    def abort(self) -> None:
        """Let the reader know that no more will come."""
        if not self._answer.content.is_eof():
            self._answer.content.set_exception(aiohttp.ClientConnectionError("this client was closed"))


@contextmanager
def _as_httpx(request: httpx.Request) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ServerTimeoutError, TimeoutError) as error:
        # aiohttp's text holds the whole URL, whose query may hold a secret.
        raise httpx.ConnectTimeout("no connection in time (timeout.connect)", request=request) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx.ConnectError(_text(error), request=request) from error
    except aiohttp.ClientPayloadError as error:
        raise _broken_body(error, request) from error
    except aiohttp.ServerDisconnectedError as error:
        raise httpx.ReadError("the server closed the connection without an answer", request=request) from error
    except aiohttp.ClientHttpProxyError as error:
        raise httpx.ProxyError(f"the proxy answers {error.status} {error.message}", request=request) from error
    except aiohttp.ClientResponseError as error:
        raise httpx.RemoteProtocolError(f"the answer is not HTTP: {error.message}", request=request) from error
    except (aiohttp.ClientConnectionError, OSError) as error:
        raise httpx.ReadError(_text(error), request=request) from error
    except RuntimeError as error:
        if "closed" not in str(error):  # aiohttp's word for a session that was closed meanwhile
            raise
        raise httpx.ReadError("this client was closed", request=request) from error
    except (aiohttp.NonHttpUrlClientError, ValueError) as error:  # aiohttp.InvalidURL is a ValueError
        raise httpx.UnsupportedProtocol("the URL is no URL of http or https", request=request) from error


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _broken_body(error: aiohttp.ClientPayloadError, request: httpx.Request) -> httpx.HTTPError:
    cause = error.__cause__
    if isinstance(cause, ContentEncodingError):
        return httpx.DecodingError("the answer is not packed as its content-encoding says", request=request)
    if isinstance(cause, TransferEncodingError) and "Not enough data" not in str(cause):
        return httpx.RemoteProtocolError("the answer's chunked encoding is broken", request=request)
    return httpx.ReadError("the connection broke before the answer was complete", request=request)
