"""The way of a request through a vendor that speaks its client's own protocol: the body as it came, the events back.

What a translation does for a model (its capabilities, its dialect, its schemas) is the client's own business here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from providers.envelope import open_body, without_reasoning
from providers.errors import ErrorCode, ProviderError
from providers.header_names import authenticates, belongs_to_connection
from providers.lenient_json import as_dict
from providers.refused_fields import Refusal
from providers.schemas.adapt import adapted
from providers.schemas.rules import VendorSchemas
from providers.scrub import HIDDEN, SHORTEST
from providers.server_tools import without_optional
from providers.stream_reading import StreamDecoder
from providers.transport.lines import SSEEvent
from providers.turns import made_at
from providers.types import (
    CompletionRequest,
    CompletionResponse,
    Message,
    Native,
    ServerTool,
    ServerToolPart,
    StreamChunk,
    ThinkingPart,
)

Encode = Callable[[CompletionRequest], tuple[str, dict[str, Any]]]  # path and body

_REFUSING = (400, 422)  # statuses by which a body is refused; within a stream it has none
_ALONE = (Message.user("."),)  # a conversation that every encoder takes
# What decides beside the fields that are added how these are written.
_BESIDE = ("tools", "max_tokens", "temperature", "top_p")
_CONVERSATION = frozenset({"messages", "input", "system"})
_UNSET = {field.name: field.default for field in msgspec.structs.fields(CompletionRequest)}
# The counts at the end of a chat stream come in a chunk without choices, for those who have asked for them.
_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_decode = msgspec.json.Decoder().decode
_OBJECT = ord("{")
_LINE_END = ord("\n")  # a search for a number is several times as fast as one for a byte


def translated(
    request: CompletionRequest,
    provider: str,
    rules: VendorSchemas,
    runs: Callable[[ServerTool, CompletionRequest], bool],
) -> tuple[CompletionRequest, tuple[str, ...]]:
    """The request as a vendor is asked who does not get its client's own body, and the names of what it is not told:
    tools that it does not have, and what those of others did.

    Args:
        runs: whether the vendor has a tool of its own.

    Raises:
        ProviderError: UNSUPPORTED, it holds what no other protocol can say.
    """
    if request.native is not None and request.native.only_there:
        raise ProviderError(ErrorCode.UNSUPPORTED, request.native.only_there)
    untold: tuple[str, ...] = ()
    if request.server_tools:
        request, untold = without_optional(request, runs)
    return adapted(request, rules), (*untold, *_used_elsewhere(request.messages, provider))


def _used_elsewhere(messages: Iterable[Message], provider: str) -> tuple[str, ...]:
    """What other vendors' own tools did in earlier turns, which no vendor but theirs is told."""
    return tuple(
        {
            f"{part.type} of earlier turns": None
            for message in messages
            if not isinstance(message.content, str)
            for part in message.content
            if isinstance(part, ServerToolPart) and not made_at(part.origin, provider)
        }
    )


def with_headers(request: CompletionRequest, own: Mapping[str, str]) -> CompletionRequest:
    """The request, whose headers are its client's as well.

    Args:
        own: the provider's headers. Lists of beta features are joined with the client's.
    """
    assert request.native is not None, "only native requests come here"
    own = {name.lower(): value for name, value in own.items()}
    extra = {name.lower(): value for name, value in (request.extra_headers or {}).items()}
    headers = {}
    for name, value in request.native.headers.items():
        name = name.lower()
        if authenticates(name) or belongs_to_connection(name):
            continue
        told = [extra.get(name, own.get(name)), value] if name.endswith("-beta") else [extra.get(name, value)]
        words = [word.strip() for words in told if words for word in words.split(",")]
        headers[name] = ",".join(dict.fromkeys(words)) if len(told) > 1 else told[0]
    return replace(request, extra_headers={**extra, **headers}) if headers else request


def native_body(request: CompletionRequest, encode: Encode, origin: str, *, stream: bool) -> dict[str, Any]:
    """The body to send: the client's own, with the model of this target and with what a router adds to it.

    Args:
        encode: writes a request that is not native in the same protocol.
        origin: for whom it is, as `provider/model`: whose reasoning is opened.

    Raises:
        ProviderError: UNSUPPORTED when what is added cannot be carried.
    """
    native = request.native
    assert native is not None, "only native requests come here"
    given = open_body(native.body, origin) if native.sealed else native.body
    body = {**(request.extra_body or {}), **given, "model": request.model}
    if native.added:
        _add(body, request, native.added, encode)
    streams = body.get("stream")
    if bool(native.protocol == "ollama.chat" if streams is None else streams) is not stream:
        body["stream"] = stream
    if not stream:
        body.pop("stream_options", None)
    return body


def _add(body: dict[str, Any], request: CompletionRequest, added: tuple[str, ...], encode: Encode) -> None:
    """Set what the client has not set, in the words of its protocol."""
    fields = {name: getattr(request, name) for name in (*_BESIDE, *added)}
    full = CompletionRequest(model=request.model, messages=_ALONE, native=request.native, **fields)
    _, with_it = encode(full)
    _, without_it = encode(replace(full, **{name: _UNSET[name] for name in added}))
    for key, value in with_it.items():
        if key not in _CONVERSATION and value != without_it.get(key):
            own = body.get(key)
            body[key] = (
                {**value, **own} if isinstance(own, dict) and isinstance(value, dict) else value if own is None else own
            )
    for key in without_it.keys() - with_it.keys():  # what cannot stand beside it
        body.pop(key, None)


def ours(refusals: Iterable[Refusal], body: Mapping[str, Any], native: Native) -> tuple[Refusal, ...]:
    """What is refused of the fields that we have added to a client's body: its own stay as they are."""
    return tuple(
        refusal
        for refusal in refusals
        if (field := refusal.field.partition(".")[0]) in body and field not in native.body
    )


def as_unsupported(error: ProviderError) -> None:
    """Let the next target be asked: what one vendor refuses of a body that nobody here has written another may take."""
    told = error.status in _REFUSING or (error.status is None and error.body_excerpt is not None)
    if told and error.code is ErrorCode.INVALID_REQUEST:
        error.code = ErrorCode.UNSUPPORTED


def without_thinking(request: CompletionRequest) -> CompletionRequest | None:
    """The request without the reasoning of earlier turns; None where there is none."""
    messages = tuple(map(_unthought, request.messages))
    native = request.native
    if native is not None:
        native = replace(native, body=without_reasoning(native.body))
    changed = replace(request, messages=messages, native=native)
    return None if changed == request else changed


def _unthought(message: Message) -> Message:
    content = message.content
    if not isinstance(content, str):
        content = tuple(part for part in content if not isinstance(part, ThinkingPart))
    return replace(message, content=content, thinking=())


def quotes(data: bytes, secret: str | None) -> bool:
    """Whether a vendor sends its key back."""
    return secret is not None and len(secret) >= SHORTEST and secret.encode() in data


class NativeDecoder:
    """A decoder whose chunks have the bytes of their events, for a client of the same protocol.

    Events that are no JSON are left out: with them servers keep a connection open. So is what comes before an answer
    that begins anew, and the counts of a chat that were not asked for.

    Args:
        secret: the provider's key, which no client gets to see.
    """

    __slots__ = (
        *("_bytes_of", "_bytes_of_all", "_decoder", "_feed", "_has_begun", "_raw", "_secret", "_swallows_counts"),
        "_text_of",
    )

    def __init__(self, decoder: StreamDecoder, native: Native, secret: str | None = None) -> None:
        self._decoder = decoder
        self._feed = decoder.feed
        self._text_of: Callable[[Any], str] = getattr(decoder, "text_of", _no_text)
        is_ndjson = native.protocol == "ollama.chat"
        self._bytes_of: Callable[[Any], bytes] = _line if is_ndjson else _event
        self._bytes_of_all: Callable[[list[Any]], bytes] = _lines if is_ndjson else _events
        self._secret = secret.encode() if secret is not None and len(secret) >= SHORTEST else None
        self._raw: list[bytes] = []  # of the events since the last chunk
        self._has_begun = False  # content was given
        wants = as_dict(native.body.get("stream_options")).get("include_usage") is True
        self._swallows_counts = native.protocol == "openai.chat" and not wants

    def feed(self, event: SSEEvent | bytes) -> StreamChunk | None:
        return next(iter([*self.feed_all((event,))]), None)

    def feed_all(self, events: Iterable[SSEEvent | bytes]) -> Iterator[StreamChunk]:
        """The chunks of events that came together: one for them all, once there was content, since each chunk costs
        its way to the client.

        Raises:
            ProviderError: what an event is, or carries, after the chunk of those before it.
        """
        together: list[StreamChunk] = []
        due = 0  # how many of the events' bytes are theirs; what comes behind is the next chunk's, or the end's
        failure: ProviderError | None = None
        feed, bytes_of, text_of = self._feed, self._bytes_of, self._text_of
        plain: list[Any] = []  # events in a row that bring nothing but text
        texts: list[str] = []
        for event in events:
            if self._has_begun and (text := text_of(event)):  # as nearly all
                plain.append(event)
                texts.append(text)
                continue
            due = self._take_plain(plain, texts, together) or due
            try:
                chunk = feed(event)
            except ProviderError as error:
                failure = error
                break
            raw = bytes_of(event)
            if chunk is None or not chunk.text:
                raw = b"" if self._swallows(raw) else raw
            if chunk is None:
                self._raw.append(raw)
            elif self._has_begun and not chunk.restarted:
                self._raw.append(raw)
                together.append(chunk)
                due = len(self._raw)
            else:
                if together:
                    yield self._joined(together, due)
                    together = []
                self._raw = [raw] if chunk.restarted else [*self._raw, raw]
                self._has_begun = self._has_begun or chunk.has_content
                yield self._joined([chunk], len(self._raw))
            if self._decoder.ended:
                break
        due = self._take_plain(plain, texts, together) or due
        if together:
            yield self._joined(together, due)
        if failure is not None:
            raise failure

    def _take_plain(self, events: list[Any], texts: list[str], together: list[StreamChunk]) -> int:
        """Make one chunk of events in a row that bring nothing but text; gives how many events' bytes are due with it,
        0 where there are none.
        """
        if not events:
            return 0
        self._raw.append(self._bytes_of_all(events))
        together.append(StreamChunk("".join(texts)))
        events.clear()
        texts.clear()
        return len(self._raw)

    def _swallows(self, raw: bytes) -> bool:
        return self._swallows_counts and _NO_CHOICES.search(raw) is not None and _has_counts(raw)

    def _joined(self, chunks: list[StreamChunk], due: int) -> StreamChunk:
        """One chunk in the place of some, with the bytes of so many events."""
        raw, last = self._kept(due), chunks[-1]
        if len(chunks) == 1:
            return replace(last, raw=raw)
        told = StreamChunk()  # beside text
        for chunk in chunks:
            if (
                chunk.thinking
                or chunk.tool_calls
                or chunk.usage
                or chunk.finish_reason
                or chunk.others
                or chunk.logprobs
            ):
                told = StreamChunk(
                    thinking=told.thinking + chunk.thinking,
                    tool_calls=told.tool_calls + chunk.tool_calls,
                    usage=chunk.usage or told.usage,
                    finish_reason=chunk.finish_reason or told.finish_reason,
                    others=told.others + chunk.others,
                    logprobs=told.logprobs + chunk.logprobs,
                )
        return replace(told, text="".join([chunk.text for chunk in chunks]), done=last.done, raw=raw)

    def _kept(self, count: int) -> bytes:
        raw = b"".join(self._raw[:count])
        del self._raw[:count]
        return raw.replace(self._secret, HIDDEN.encode()) if self._secret is not None and self._secret in raw else raw

    @property
    def ended(self) -> bool:
        """Whether the protocol's own end has come."""
        return self._decoder.ended

    @property
    def may_end(self) -> bool:
        """Whether the answer is whole, so that only counts and the end itself are still due."""
        return self._decoder.may_end

    def finish(self) -> StreamChunk:
        return replace(self._decoder.finish(), raw=self._kept(len(self._raw)))

    def response(self) -> CompletionResponse:
        return self._decoder.response()


def _event(event: SSEEvent) -> bytes:
    data = event.data
    if data[:1] != b"{":
        data = data.strip()
        if data[:1] != b"{" and data != b"[DONE]":
            return b""
    if _LINE_END in data:  # between the words of JSON, never in one
        data = data.replace(b"\n", b" ")
    if event.event is None:
        return b"data: %b\n\n" % data
    return b"event: %b\ndata: %b\n\n" % (event.event.encode(), data)


def _events(events: list[SSEEvent]) -> bytes:
    """The bytes of some events; by one join where they are alike, which takes a fifth of the time."""
    name = events[0].event
    for event in events:
        if event.event != name or event.data[0] != _OBJECT or _LINE_END in event.data:
            return b"".join(map(_event, events))
    begin = b"data: " if name is None else b"event: %b\ndata: " % name.encode()
    return begin + (b"\n\n" + begin).join([event.data for event in events]) + b"\n\n"


def _line(line: bytes) -> bytes:
    line = line.strip().removeprefix(b"data:").lstrip()  # of a gateway that speaks in server-sent events
    return line + b"\n" if line[:1] == b"{" else b""


def _lines(lines: list[bytes]) -> bytes:
    return b"".join(map(_line, lines))


def _no_text(event: object) -> str:
    """Of a decoder that does not tell text from all else."""
    return ""


def _has_counts(raw: bytes) -> bool:
    try:
        return bool(as_dict(_decode(raw[raw.index(b"{") :])).get("usage"))
    except (ValueError, UnicodeError, RecursionError):
        return False
