"""What the gateway is asked and what it answers, whatever server carries it: no type of an HTTP library is here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from providers.wire.writing import encode

JSON = "application/json"
READING = ("GET", "HEAD")  # the methods that change nothing


class Headers(Protocol):
    """A request's headers, by their names in lower case; `get` gives the first where a name came several times."""

    def get(self, name: str, /) -> str | None: ...

    def getall(self, name: str, default: Sequence[str], /) -> Sequence[str]: ...

    def __contains__(self, name: object, /) -> bool: ...


@dataclass(slots=True)
class Asked:
    """One HTTP request.

    `path` is decoded and has no query, `query` is as it came. `read` gives the body as it came, and raises
    `BodyTooLarge` when it has more than so many bytes. `peer` is the client's address; "" behind a Unix socket.
    """

    method: str
    path: str
    query: str
    headers: Headers
    read: Callable[[int], Awaitable[bytes]]
    peer: str = ""


class Body(Protocol):
    """A body that comes piece by piece. Whoever stops reading it closes it, which ends the vendor's call."""

    @property
    def ends(self) -> bool:
        """Whether the piece that came last is the end of it; it may end without saying so."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...

    def fail(self, error: Exception) -> None:
        """End it early: the client is told this error, as its protocol has it."""


@dataclass(slots=True)
class Answered:
    """One HTTP answer; `body` is whole, or comes piece by piece."""

    status: int
    body: bytes | Body = b""
    headers: dict[str, str] = field(default_factory=dict)


def json_answer(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answered:
    """Answer with JSON."""
    return Answered(status, encode(data), {"content-type": JSON, **(headers or {})})


def only_read() -> Answered:
    """Refuse another method than those of `READING`."""
    return Answered(405, b"only GET and HEAD here", {"content-type": "text/plain", "allow": ", ".join(READING)})
