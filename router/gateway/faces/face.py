"""What a protocol says of itself, so that one path serves them all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from providers.errors import ProviderError
from providers.types import CompletionRequest, CompletionResponse, ThinkingPart, WireProtocol
from providers.wire.reading import Body
from providers.wire.writing import Head, StreamWriter

Protocol: TypeAlias = WireProtocol
Thinking: TypeAlias = Callable[[], Sequence[ThinkingPart]]


class Face(ABC):
    """One protocol. It has no state: one instance serves all requests.

    Attributes:
        name: for logs and figures.
        protocol: whose bodies go through unread to a vendor of the same; None where they never do.
        keepalive: what tells a client that waits that the answer still comes; nothing where it may not be told.
        stream_type: the content type of its streams.
        keeps_name: whether answers have the model's name that was asked for, a vendor's own answers as well.
        begins_errors: whether a stream has to begin before an error in it can be told.
        counts_first: whether a stream begins with what the prompt costs.
        draws: whether its answers may hold pictures.
    """

    name: ClassVar[str]
    protocol: ClassVar[Protocol | None] = None
    keepalive: ClassVar[bytes] = b": keep-alive\n\n"
    stream_type: ClassVar[str] = "text/event-stream; charset=utf-8"
    keeps_name: ClassVar[bool] = False
    begins_errors: ClassVar[bool] = False
    counts_first: ClassVar[bool] = False
    draws: ClassVar[bool] = False

    @abstractmethod
    def read(self, body: Body) -> CompletionRequest:
        """Read a request; raises BadRequest."""

    @abstractmethod
    def wants_stream(self, body: Body) -> bool: ...

    @abstractmethod
    def plain(self, body: Body, response: CompletionResponse, head: Head, seconds: float) -> dict[str, Any]:
        """The body of a plain answer, which took so many seconds."""

    @abstractmethod
    def writer(self, body: Body, head: Head, thinking: Thinking) -> StreamWriter:
        """What writes a stream's chunks; `thinking` gives the thinking of the answer so far."""

    @abstractmethod
    def error(self, error: ProviderError, request_id: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Status, headers and body of an error."""

    def model_told(self, body: Body, vendors: str) -> str:
        """The model's name in the answer: what the vendor calls it, unless `keeps_name`."""
        asked = str(body.get("model") or "")
        return asked if self.keeps_name else vendors or asked

    def ident_of(self, raw: bytes) -> str | None:
        """What an answer is called whose first events are a vendor's own; None where its end does not say so again."""
        return None

    def without_model(self, body: Body, head: Head) -> dict[str, Any] | None:
        """The answer to a request that asks no model anything; None for all others."""
        return None

    def id_headers(self, request_id: str) -> Mapping[str, str]:
        """The headers that name the request."""
        return {"x-request-id": request_id}
