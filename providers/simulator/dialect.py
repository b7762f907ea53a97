"""What the simulated protocols have in common: a request read, an answer made up, and the frames of a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, ClassVar, NamedTuple

from msgspec.structs import replace

from providers.errors import ErrorCode, ProviderError
from providers.simulator import text
from providers.simulator.extras import NOTHING as NO_EXTRAS
from providers.simulator.extras import Extras, extras, spoken
from providers.simulator.prompt_cache import NOTHING, Cached, PromptCache
from providers.simulator.vendor import ErrorKind, ToolAnswer, VendorKnobs
from providers.types import (
    AudioPart,
    Citation,
    CompletionRequest,
    CompletionResponse,
    FinishReason,
    ImagePart,
    Message,
    ServerToolPart,
    StreamChunk,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from providers.wire.writing import Head, StreamWriter, encode

ANY_OBJECT = {"type": "object", "properties": {"answer": {"type": "string"}}}
SECONDS_PER_TOKEN = 0.016
CODES: Mapping[ErrorKind, ErrorCode] = {
    "server_error": ErrorCode.SERVER_ERROR,
    "bad_gateway": ErrorCode.CONNECTION_FAILED,
    "overloaded": ErrorCode.OVERLOADED,
    "timeout504": ErrorCode.TIMEOUT,
    "rate_limited": ErrorCode.RATE_LIMITED,
    "quota": ErrorCode.QUOTA_EXHAUSTED,
    "authentication": ErrorCode.AUTHENTICATION,
    "permission": ErrorCode.PERMISSION_DENIED,
    "model_not_found": ErrorCode.MODEL_NOT_FOUND,
    "context_length": ErrorCode.CONTEXT_LENGTH_EXCEEDED,
    "content_filtered": ErrorCode.CONTENT_FILTERED,
    "invalid_request": ErrorCode.INVALID_REQUEST,
}


class Answer(NamedTuple):
    """What the model says: text, or the arguments of its calls one after the other, token by token."""

    pieces: list[str]
    calls: tuple[ToolAnswer, ...]
    thinking: tuple[ThinkingPart, ...]
    finish: FinishReason
    input_tokens: int
    cached: Cached = NOTHING
    extras: Extras = NO_EXTRAS

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def usage(self) -> Usage:
        read, written, hour, _ = self.cached
        usage = Usage(self.input_tokens, len(self.pieces), cache_read_tokens=read, reasoning_tokens=0)
        return replace(usage, cache_write_tokens=written, cache_write_1h_tokens=hour) if written else usage

    def with_cached(self, cached: Cached) -> Answer:
        """The same, with what the vendor read of the prompt from its cache and wrote to it."""
        return self._replace(cached=cached, input_tokens=max(self.input_tokens, cached.tokens))

    def response(self, call_id: str) -> CompletionResponse:
        calls = tuple(
            ToolCall(_nth(call_id, place), call.name, call.arguments, encode(call.arguments).decode())
            for place, call in enumerate(self.calls)
        )
        said = "" if calls or self.speaks else self.text
        more = self.extras
        return CompletionResponse(
            text=said,
            thinking=self.thinking,
            tool_calls=calls,
            citations=more.citations,
            others=more.placed(said, len(self.thinking)),
            logprobs=more.logprobs or None,
            finish_reason=self.finish,
            usage=self.usage,
        )

    @property
    def speaks(self) -> bool:
        """Whether the text is spoken: then it stands with the audio alone."""
        return any(isinstance(part, AudioPart) for part in self.extras.after)


class Frame(NamedTuple):
    """Some bytes of a stream; `content` when they carry a piece of the answer, which takes its time."""

    data: bytes
    content: bool


class Dialect(ABC):
    """One vendor protocol: where it listens, how it reads requests, and the shape of all it says."""

    base: ClassVar[str] = ""
    """What a client's base URL ends with."""
    chat: str
    """The chat endpoint's path."""
    faults: ClassVar[Mapping[ErrorKind, str]]
    """The vendor's text of each error; `{model}` is the model asked for."""
    call_prefix: ClassVar[str] = "call"
    whole_calls: ClassVar[bool] = False
    """Whether a stream gives tool calls in one piece."""
    cites_files: ClassVar[bool] = False
    """Whether answers cite the documents of a request that wants them cited."""

    @abstractmethod
    def read(self, body: Mapping[str, Any], headers: Mapping[str, str], knobs: VendorKnobs) -> CompletionRequest:
        """Read a chat request; raises BadRequest, also on what the vendor refuses."""

    @abstractmethod
    def wants_stream(self, body: Mapping[str, Any]) -> bool: ...

    @abstractmethod
    def plain(
        self, body: Mapping[str, Any], request: CompletionRequest, response: CompletionResponse, head: Head
    ) -> dict[str, Any]:
        """The body of a plain answer."""

    @abstractmethod
    def writer(self, body: Mapping[str, Any], head: Head, answer: Answer) -> StreamWriter: ...

    @abstractmethod
    def render_error(self, error: ProviderError, ident: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Status, headers and body of an error."""

    @abstractmethod
    def headers(self, ident: str, in_flight: int) -> dict[str, str]:
        """The request id and the rate limits, of which each request in flight uses one."""

    @abstractmethod
    def other(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Answer the endpoints beside chat; None where there is no such thing. Raises BadRequest."""

    @abstractmethod
    def not_found(self, method: str, path: str) -> ProviderError:
        """What the vendor says of a path that it does not have."""

    def cached(self, body: Mapping[str, Any], cache: PromptCache, key: str, now: float) -> Cached:
        """What the vendor reads of a prompt from its cache, and writes to it; raises BadRequest."""
        return NOTHING

    def searched(self, asked: str, found: Sequence[Citation]) -> tuple[ServerToolPart, ...]:
        """What an answer shows of a search of the web: nothing, where the vendor tells its sources alone."""
        return ()

    def cited(self, citation: Citation) -> Citation:
        """A source as this vendor tells it."""
        return citation

    def fault(self, kind: ErrorKind, model: str) -> ProviderError:
        """The error that a knob asks for."""
        return ProviderError(CODES[kind], self.faults[kind].replace("{model}", model))

    def thought(self, text: str) -> ThinkingPart:
        """What the model thought, as this vendor seals it."""
        return ThinkingPart(text)

    def call_id(self, ident: str) -> str:
        return f"{self.call_prefix}_{ident}"

    def frames(self, request: CompletionRequest, writer: StreamWriter, answer: Answer, ident: str) -> Iterator[Frame]:
        """The stream of an answer, cut where it takes its time."""
        yield Frame(writer.start(), False)
        for part in answer.thinking:
            for piece in text.split(part.text):
                yield Frame(writer.chunk(StreamChunk(thinking=piece)), True)
        for place, call in enumerate(answer.calls):
            begun = ToolCallDelta(place, _nth(self.call_id(ident), place), call.name)
            yield Frame(writer.chunk(StreamChunk(tool_calls=(begun,))), False)
            said = encode(call.arguments).decode()
            for piece in [said] if self.whole_calls else text.split(said):
                yield Frame(writer.chunk(StreamChunk(tool_calls=(ToolCallDelta(place, arguments=piece),))), True)
        yield from self._said(writer, answer)
        writer.chunk(StreamChunk(finish_reason=answer.finish, usage=answer.usage, done=True))
        yield Frame(writer.end(seconds=seconds_of(answer.usage)), False)

    def _said(self, writer: StreamWriter, answer: Answer) -> Iterator[Frame]:
        """The text in pieces, and what goes with it."""
        more = answer.extras
        for part in more.before:
            yield Frame(writer.chunk(StreamChunk(others=(part,))), True)
        pieces = () if answer.calls else answer.pieces
        if answer.speaks:
            yield from (Frame(writer.chunk(StreamChunk(others=(part,))), True) for part in spoken(more.after, pieces))
        else:
            for place, piece in enumerate(pieces):
                chunk = StreamChunk(piece, logprobs=more.logprobs[place : place + 1])
                yield Frame(writer.chunk(chunk), True)
        if more.citations:
            yield Frame(writer.chunk(StreamChunk(others=more.citations)), False)
        for made in more.after:
            if isinstance(made, ImagePart):
                yield Frame(writer.chunk(StreamChunk(others=(made,))), True)


def _nth(call_id: str, place: int) -> str:
    """The id of a call: the answer's, and from the second on with a number."""
    return f"{call_id}_{place}" if place else call_id


def seconds_of(usage: Usage) -> float:
    """How long the vendor says that an answer took."""
    return 0.15 + SECONDS_PER_TOKEN * (usage.output_tokens or 0)


def input_tokens(request: CompletionRequest) -> int:
    """About how many tokens a prompt has: four characters each, and a few for every message."""
    said = sum(len(message.text) for message in request.messages)
    tools = sum(len(encode(tool)) for tool in request.tools)
    return (said + tools + 3) // 4 + 4 * len(request.messages)


def think(
    request: CompletionRequest, knobs: VendorKnobs, dialect: Dialect, thinking: tuple[ThinkingPart, ...] = ()
) -> Answer:
    """What the simulated model answers, after it thought so."""
    tokens = input_tokens(request)
    calls = _calls(request, knobs)
    if calls:
        pieces = [piece for call in calls for piece in text.split(encode(call.arguments).decode())]
        return Answer(pieces, calls, thinking, knobs.finish or "tool_calls", tokens)
    wanted = request.response_format
    if knobs.answer is not None:
        said = knobs.answer
    elif wanted is not None:
        schema = wanted.get("schema", ANY_OBJECT) if isinstance(wanted, dict) else ANY_OBJECT
        said = encode(text.sample(schema)).decode()
    else:
        said = text.answer(_prompt(request), knobs.output_tokens)
    pieces = text.split(said)
    limit = request.max_tokens
    is_cut = limit is not None and len(pieces) > limit
    finish = knobs.finish or ("length" if is_cut else "stop")
    pieces = pieces[:limit] if is_cut else pieces
    more = extras(request, knobs, pieces, dialect.searched, cites_files=dialect.cites_files)
    more = more._replace(citations=tuple(map(dialect.cited, more.citations)))
    return Answer(pieces, (), thinking, finish, tokens, extras=more)


def _prompt(request: CompletionRequest) -> str:
    return next((_said(message) for message in reversed(request.messages) if message.role == "user"), "")


def _said(message: Message) -> str:
    """The text of a message, a line for each of its parts."""
    if isinstance(message.content, str):
        return message.content
    return "\n".join(part.text for part in message.content if isinstance(part, TextPart))


def _calls(request: CompletionRequest, knobs: VendorKnobs) -> tuple[ToolAnswer, ...]:
    # After a tool's result comes text, or a caller's loop of tool calls would never end.
    turn = list(takewhile(lambda message: message.role != "assistant", reversed(request.messages)))
    asked = next((message for message in turn if message.role == "user"), None)
    if asked is None or any(message.role == "tool" for message in turn):
        return ()
    if knobs.tool_call is not None:
        return knobs.tool_call if isinstance(knobs.tool_call, tuple) else (knobs.tool_call,)
    choice = request.tool_choice
    named: Tool | None = next((tool for tool in request.tools if tool.name == choice), None)
    if choice == "none" or not request.tools:
        return ()
    tool = named or request.tools[0]
    said = _said(asked).lower()
    if not (named or choice == "required" or "?" in said or tool.name.lower() in said):
        return ()
    arguments = text.sample(tool.parameters)
    return (ToolAnswer(tool.name, arguments if isinstance(arguments, dict) else {}),)
