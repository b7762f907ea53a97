"""Reading a streamed body: whether it is one, its chunks in order, where it ends, and what a break means.

`HttpProvider` sends the request and uses this for the answer; the wire formats are the decoders' business.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from providers.answers import checked
from providers.classify import classify
from providers.errors import ErrorCode, ProviderError
from providers.parts import LARGE
from providers.threads import in_thread
from providers.transport.lines import SSEDecoder
from providers.types import CompletionRequest, CompletionResponse, StreamChunk

if TYPE_CHECKING:
    from providers.transport.response import HttpResponse

# How a stream of server-sent events begins: with a field or a comment.
_EVENTS = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?::|(?:data|event|id|retry|error)[ ]*:)")
_BOM = b"\xef\xbb\xbf"
MAX_STREAM = 512 * 1024 * 1024  # bytes; a token takes some 300 of them, so that is over a million tokens
LATE = 5.0  # seconds that the end of a whole answer is waited for
_TELLING = 256  # bytes that are enough to tell
_UNSURE = re.compile(rb"\xef?\xbb?|(?:\xef\xbb\xbf)?\s*(?:[a-z]{1,5}[ ]*)?")  # with more of it, one may tell


class StreamDecoder(Protocol):
    """Turns one stream's events into chunks; see `ChatStreamDecoder` for what each method promises.

    One may have `feed_all` besides, which gives the chunks of events that came together (`NativeDecoder`).
    """

    @property
    def ended(self) -> bool:
        """Whether the protocol's own end came: nothing after it is read."""
        ...

    @property
    def may_end(self) -> bool:
        """Whether the answer is whole, so that only counts and the end itself are still due."""
        ...

    def feed(self, event: Any) -> StreamChunk | None: ...

    def finish(self) -> StreamChunk: ...

    def response(self) -> CompletionResponse: ...


class LineDecoder(Protocol):
    """Cuts bytes into events (server-sent events, or lines of JSON)."""

    def feed(self, data: bytes) -> Any: ...

    def flush(self) -> Any: ...


class StreamState:
    """What is known of a stream while it runs."""

    __slots__ = ("_heard", "_model", "_provider", "committed", "decoder", "left_out", "whole")

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model
        self._heard = -inf
        self.decoder: StreamDecoder | None = None
        self.whole: CompletionResponse | None = None
        self.committed = False
        self.left_out: tuple[str, ...] = ()

    def response(self) -> CompletionResponse:
        """The answer so far."""
        if self.whole is not None:
            return with_left_out(self.whole, self.left_out)
        if self.decoder is not None:
            return with_left_out(self.decoder.response(), self.left_out)
        return CompletionResponse(model=self._model, provider=self._provider)

    def note_life(self, data: bytes) -> None:
        """Take note of a line that came whole, a keep-alive or whatever it says; a byte now and then is no life."""
        if b"\n" in data or b"\r" in data:
            self._heard = asyncio.get_running_loop().time()

    def heard(self) -> float:
        """The loop's time of the vendor's last sign of life."""
        return self._heard

    def failure(self, error: ProviderError) -> ProviderError:
        """After content was given out every failure is an interrupted stream, with what came so far."""
        if not self.committed:
            return error
        if error.code is not ErrorCode.STREAM_INTERRUPTED:
            error.message = f"the stream broke: {error.code}: {error.message}"
            error.code = ErrorCode.STREAM_INTERRUPTED
        error.partial = self.response()
        return error


def is_stream(
    response: HttpResponse, start: bytes, line_decoder: Callable[[], LineDecoder], whole_types: frozenset[str]
) -> bool:
    """Whether a body that begins so is a stream: told by its beginning, where that and the content type disagree.

    Args:
        whole_types: content types of answers that are no stream.
    """
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in whole_types:
        return _EVENTS.match(start) is not None
    return line_decoder is not SSEDecoder or start.removeprefix(_BOM)[:1] not in (b"{", b"[", b"<")


async def beginning(response: HttpResponse, state: StreamState) -> bytes:
    """The first bytes of a body that tell what it is; some servers send blank lines while they prepare an answer."""
    start = b""
    while data := await response.read_some():
        state.note_life(data)
        start = (start + data).lstrip()
        if len(start) > _TELLING or not _UNSURE.fullmatch(start):
            break
    return start


async def read_chunks(
    data: bytes, lines: LineDecoder, response: HttpResponse, request: CompletionRequest, state: StreamState
) -> AsyncGenerator[StreamChunk, None]:
    """The chunks of a stream whose first bytes are `data`; `state.decoder` reads them.

    Raises:
        ProviderError: what the stream failed with, as it is; see `StreamState.failure`.
    """
    decoder = state.decoder
    assert decoder is not None, "the caller sets it"
    feed_all = getattr(decoder, "feed_all", None) or partial(_fed, decoder)
    broken: ProviderError | None = None
    size = held = 0
    while data:
        size += len(data)
        if size > MAX_STREAM:
            raise ProviderError(ErrorCode.PROTOCOL_ERROR, "the stream is larger than 512 MiB")
        held += len(data)  # bytes of which there was no event yet
        events = lines.feed(data)
        data = b""  # nobody needs it while its chunks are given out, as slowly as they are taken
        if not events or held <= LARGE:  # as nearly always
            chunks: Iterable[StreamChunk] = feed_all(events)
        else:  # one of them may hold a picture
            chunks, broken = await in_thread(_at_once, feed_all(events))
        held = 0 if events else held
        for chunk in chunks:
            state.committed = state.committed or chunk.has_content
            yield chunk
        events = chunks = ()  # nor these while more is waited for
        if broken is not None:
            raise broken
        if decoder.ended:  # servers that keep the connection are not waited for, whether or not its end was a chunk
            break
        try:
            data = await (_late(response) if decoder.may_end else response.read_some())
            state.note_life(data)
        except TimeoutError:  # some servers keep the connection and say nothing more
            data = b""
        except ProviderError as error:
            broken, data = error, b""
    rest, failure = _rest(decoder, lines, response, request, broken)
    for chunk in rest:
        state.committed = state.committed or chunk.has_content
        yield chunk
    if failure is not None:
        raise failure


def _at_once(chunks: Iterator[StreamChunk]) -> tuple[list[StreamChunk], ProviderError | None]:
    """All of them, and what failed after them."""
    taken: list[StreamChunk] = []
    try:
        taken.extend(chunks)  # it keeps those before a failure
    except ProviderError as error:
        return taken, error
    return taken, None


def _fed(decoder: StreamDecoder, events: Iterable[Any]) -> Iterator[StreamChunk]:
    """The chunks of events that came together, up to the protocol's own end."""
    for event in events:
        chunk = decoder.feed(event)
        if chunk is not None:
            yield chunk
        if decoder.ended:
            return


async def _late(response: HttpResponse) -> bytes:
    """What comes after a whole answer: its counts and its end; raises TimeoutError where nothing does."""
    async with asyncio.timeout(LATE):
        return await response.read_some()


def _rest(
    decoder: StreamDecoder,
    lines: LineDecoder,
    response: HttpResponse,
    request: CompletionRequest,
    broken: ProviderError | None,
) -> tuple[list[StreamChunk], ProviderError | None]:
    """The last chunks of a stream whose bytes are over, and what it failed with.

    A connection that broke after the protocol's own end, or after a finish reason, is no failure.
    """
    rest: list[StreamChunk] = []
    try:
        if not decoder.ended:
            # One event at most: some servers leave out the blank line after it.
            rest = [chunk for event in lines.flush() if (chunk := decoder.feed(event)) is not None]
        last = decoder.finish()
        response.finish()
        checked(decoder.response(), request)
    except ProviderError as error:
        return rest, broken or error
    return [*rest, last], None


def with_left_out(answer: CompletionResponse, left_out: tuple[str, ...]) -> CompletionResponse:
    """The answer, which tells the names of what was not sent."""
    return msgspec.structs.replace(answer, left_out=left_out) if left_out else answer


def no_json(data: bytes, status: int, request_id: str | None) -> ProviderError:
    """The error of a whole answer that cannot be read."""
    what = "empty" if not data.strip() else "no JSON"
    excerpt = classify(status, data, provider="", model="").body_excerpt
    message = f"the answer is {what} (HTTP {status})"
    return ProviderError(ErrorCode.PROTOCOL_ERROR, message, request_id=request_id, body_excerpt=excerpt)
