"""What the writers of answers share: events, the shape of a stream, and what all error answers have in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from providers.accumulate import parse_arguments
from providers.answer_parts import Other
from providers.errors import CONSEQUENCES, ErrorCode, ProviderError
from providers.surrogates import encode_json
from providers.types import (
    AudioPart,
    FinishReason,
    StreamChunk,
    ThinkingPart,
    TokenLogprob,
    ToolCall,
    ToolCallDelta,
    Usage,
)

encode = encode_json  # halves of characters, which vendors may send, are replaced
_MARK = "\0"


class Head(msgspec.Struct, frozen=True):
    """What an answer says of itself, plain and streamed alike.

    `ident` is what the ids of the answer are made from: letters and digits, another for each answer. `created` is in
    seconds since 1970. `input_tokens` are those of the prompt where they are known before the answer: Anthropic's
    streams begin with them.
    """

    ident: str
    model: str
    created: float
    input_tokens: int | None = None


class Upstream(ProviderError):
    """A failure behind a gateway that is none of its client's: of a vendor, its key, or the way to it.

    Args:
        what: failed, such as `authentication`: it is told as `upstream_authentication`.
    """

    def __init__(self, what: str, message: str) -> None:
        super().__init__(ErrorCode.SERVER_ERROR, message, status=502)
        self.what = what


def event(data: dict[str, Any], name: str | None = None) -> bytes:
    """A server-sent event."""
    line = b"data: " + encode(data) + b"\n\n"
    return line if name is None else b"event: " + name.encode() + b"\n" + line


def template(render: Callable[[str], bytes]) -> tuple[bytes, bytes]:
    """What stands before and after a piece of text in an event: made once, so that a chunk costs only its own text."""
    before, _, after = render(_MARK).rpartition(encode(_MARK))
    return before, after


def filled(template: tuple[bytes, bytes], text: str) -> bytes:
    return template[0] + encode(text) + template[1]


def arguments_of(call: ToolCall) -> str:
    """The arguments as JSON text; the model's own where it is known."""
    return call.raw_arguments or encode(call.arguments or {}).decode()


def status_of(error: ProviderError, own: dict[ErrorCode, int]) -> int:
    """The HTTP status; `own` has those in which a protocol differs from the table of all."""
    if isinstance(error, Upstream):
        return 502
    return own.get(error.code) or CONSEQUENCES[error.code].http_status


def retry_headers(error: ProviderError) -> dict[str, str]:
    """How long to wait, in whole seconds (RFC 9110), and in milliseconds as the official SDKs read it."""
    if error.retry_after is None:
        return {}
    return {
        "retry-after": str(math.ceil(error.retry_after)),
        "retry-after-ms": str(math.ceil(error.retry_after * 1000)),
    }


class StreamWriter(ABC):
    """One streamed answer: `start()`, a `chunk()` for each chunk, then `end()` or `error()`; each gives bytes to send.

    A chunk with `restarted` cannot be told by any of the protocols.

    Attributes:
        content_type: of the HTTP answer.
        head: as given.
        cost: USD that the answer is told to have cost, beside its counts; None where nothing is told.
    """

    content_type = "text/event-stream; charset=utf-8"

    def __init__(self, head: Head) -> None:
        self.head = head
        self.cost: float | None = None
        self._finish: FinishReason = "unknown"
        self._usage = Usage()
        self._halves: dict[
            str, str
        ] = {}  # of characters with which thinking or text ended: the next piece has the other

    def chunk(self, chunk: StreamChunk) -> bytes:
        """Raises ValueError on a chunk with which the answer begins anew."""
        thinking, text = chunk.thinking, chunk.text
        if self._halves or "\ud800" <= text[-1:] <= "\udbff" or "\ud800" <= thinking[-1:] <= "\udbff":
            thinking, text = self._whole("thinking", thinking, chunk), self._whole("text", text, chunk)
        out = self._think(thinking) if thinking else b""
        if chunk.logprobs:
            out += self._likely(text, chunk.logprobs)
        elif text:
            out += self._say(text)
        for part in chunk.others:
            out += self._other(part)
        for delta in chunk.tool_calls:
            if delta.id or delta.name or delta.arguments or delta.opaque is None:
                out += self._call(delta)
            if delta.opaque is not None:
                out += self._opaque(delta.index, delta.opaque)
        if chunk.finish_reason is not None:
            self._finish = chunk.finish_reason
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.restarted:
            raise ValueError("a stream cannot tell its client that the answer begins anew")
        return out

    def _whole(self, name: str, piece: str, chunk: StreamChunk) -> str:
        """A piece without the half of a character at its end, which waits for the next piece of the answer."""
        if not (chunk.thinking or chunk.text or chunk.tool_calls or chunk.done):
            return ""
        text = self._halves.pop(name, "") + piece
        if not piece or chunk.done or not "\ud800" <= text[-1:] <= "\udbff":
            return text
        self._halves[name] = text[-1]
        return text[:-1]

    @abstractmethod
    def start(self) -> bytes: ...

    @abstractmethod
    def end(self, *, seconds: float | None = None, raw_finish_reason: str | None = None) -> bytes:
        """The answer is whole; the finish reason and the usage are those that chunks told.

        Args:
            seconds: how long the answer took, which only Ollama's protocol tells.
            raw_finish_reason: the vendor's own word, which alone tells Anthropic's clients of a stop sequence.
        """

    @abstractmethod
    def error(self, error: ProviderError) -> bytes:
        """The stream ends with an error, in the place of `end()`."""

    @abstractmethod
    def _think(self, text: str) -> bytes: ...

    @abstractmethod
    def _say(self, text: str) -> bytes: ...

    @abstractmethod
    def _call(self, delta: ToolCallDelta) -> bytes: ...

    def _other(self, part: Other) -> bytes:
        """A source, an image, audio or a use of a vendor's tool; of audio every protocol can tell the words."""
        return self._say(part.transcript) if isinstance(part, AudioPart) and part.transcript else b""

    def _likely(self, text: str, tokens: Sequence[TokenLogprob]) -> bytes:
        """A piece of the text, and how likely its tokens were; a protocol without a place for that tells the text."""
        return self._say(text) if text else b""

    def _opaque(self, index: int, opaque: dict[str, Any]) -> bytes:
        """What goes back with a call; a protocol without a place for it tells nothing."""
        return b""


class Block:
    """One part of an answer that is being written: the thinking, the text or a call; `place` counts all parts."""

    __slots__ = ("call_id", "key", "name", "pieces", "place")

    def __init__(self, key: str | int, place: int, delta: ToolCallDelta | None) -> None:
        self.key = key  # "thinking", "text", or a call's index
        self.place = place
        self.pieces: list[str] = []
        self.call_id = (delta.id if delta else None) or ""
        self.name = (delta.name if delta else None) or ""

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it can be missing: a call's arguments end where their JSON does."""
        if isinstance(self.key, str):
            return True
        return bool(self.pieces) and self.pieces[-1].rstrip().endswith("}") and parse_arguments(self.text) is not None


class BlockWriter(StreamWriter):
    """A stream whose parts come one after the other, each opened and closed.

    Calls may come interleaved: what belongs to a later part waits until the one before it is whole.

    Args:
        thinking: gives the thinking of the answer so far: signatures and sealed reasoning, which chunks have no field
            for, are taken from it when a part of thinking ends.
    """

    def __init__(self, head: Head, thinking: Callable[[], Sequence[ThinkingPart]] = tuple) -> None:
        super().__init__(head)
        self._thinking = thinking
        self._open: Block | None = None
        self._places = 0
        self._ended: set[str | int] = set()  # calls
        self._waiting: list[tuple[str | int, str, ToolCallDelta | None]] = []
        self._sealed_told = 0
        self._template = (b"", b"")

    def _think(self, text: str) -> bytes:
        return self._piece("thinking", text, None)

    def _say(self, text: str) -> bytes:
        return self._piece("text", text, None)

    def _call(self, delta: ToolCallDelta) -> bytes:
        return self._piece(delta.index, delta.arguments, delta)

    def _piece(self, key: str | int, text: str, delta: ToolCallDelta | None) -> bytes:
        out = b""
        block = self._open
        if block is None or block.key != key:
            if key in self._ended:
                return b""  # white space after a call that is whole
            if block is not None and not block.is_whole:
                self._waiting.append((key, text, delta))
                return b""
            out = self._close()
            if key != "thinking":
                out += self._tell_sealed()
            block = self._open = Block(key, self._places, delta)
            self._places += 1
            out += self._opened(block)
        if text:
            block.pieces.append(text)
            out += self._piece_of(text)
        if self._waiting and block.is_whole:
            out += self._release()
        return out

    def _piece_of(self, text: str) -> bytes:
        return filled(self._template, text)

    def _release(self) -> bytes:
        waiting, self._waiting = self._waiting, []
        return b"".join(self._piece(*piece) for piece in waiting)

    def _close(self) -> bytes:
        block, self._open = self._open, None
        if block is None:
            return b""
        if not isinstance(block.key, str):
            self._ended.add(block.key)
        return self._closed(block)

    def _close_all(self) -> bytes:
        """At the end of the answer nothing more can come to the open part."""
        out = self._close()
        while self._waiting:
            out += self._release() + self._close()
        return out + self._tell_sealed()

    def _sealed(self, block: Block) -> ThinkingPart | None:
        """The part of the answer's thinking that a block of thinking is: of two that are alike the newer."""
        return next((part for part in reversed(self._thinking()) if part.text == block.text), None)

    def _tell_sealed(self) -> bytes:
        """The parts of thinking that have no text, and so came in no chunk."""
        hidden = [part for part in self._thinking() if not part.text and (part.opaque or part.signature)]
        parts = hidden[self._sealed_told :]
        self._sealed_told += len(parts)
        return b"".join(self._sealed_block(part) for part in parts)

    @abstractmethod
    def _opened(self, block: Block) -> bytes:
        """Begin a part, and set the template of its pieces."""

    @abstractmethod
    def _closed(self, block: Block) -> bytes: ...

    @abstractmethod
    def _sealed_block(self, part: ThinkingPart) -> bytes:
        """A whole part without text; nothing where the protocol has no such thing."""
