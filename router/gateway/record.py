"""What is known of a request when it has ended, for those who keep or show it: no prompt, no answer, no key."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from providers.embeddings import AnyResponse
from providers.errors import ErrorCode
from router.gateway.exchange import Asked

CANCELLED = str(ErrorCode.CANCELLED)  # the client left
_AGENT = 120  # characters of what a client calls itself
_NAME = 200  # characters of a path or a model's name: many records may wait to be written


@dataclass(slots=True)
class Record:
    """One request.

    `at` is its beginning in seconds since 1970, `seconds` all that it took, `first` the time to a stream's first
    bytes. `code` is "" where all went well, "cancelled" where the client left, else the error's. `status` is what was
    answered: a stream that fails after its beginning has 200 and a code. `model` is what was asked for.
    """

    at: float
    ident: str
    method: str
    path: str
    peer: str
    agent: str
    client: str | None = None
    face: str = ""
    model: str | None = None
    route: str | None = None
    target: str | None = None
    attempts: int = 0
    cache: str = ""
    streamed: bool = False
    status: int = 0
    code: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    first: float | None = None
    seconds: float = 0.0
    began: float = field(default=0.0, repr=False)  # by the loop's clock

    def asks(self, model: str) -> None:
        """Note which model is asked for."""
        self.model = model[:_NAME]

    def take(self, response: AnyResponse) -> None:
        """Note what an answer tells."""
        self.route = response.route or self.route
        self.target = response.target
        self.input_tokens = response.usage.input_tokens
        self.output_tokens = response.usage.output_tokens
        self.cost = response.cost
        if response.trace is not None:
            self.cache = response.trace.cache
            self.attempts = len(response.trace.attempts)

    def take_error(self, error: BaseException) -> None:
        """Note what an error tells: its code, and what was tried before it."""
        self.code = str(getattr(error, "code", "") or "internal")
        trace = getattr(error, "trace", None)
        if trace is not None:
            self.attempts = len(trace.attempts)
            self.cache = trace.cache


Observer: TypeAlias = Callable[[Record], None]


def record_of(asked: Asked, ident: str, now: float) -> Record:
    """Begin the record of a request, at a time in seconds of the loop's clock."""
    agent = (asked.headers.get("user-agent") or "")[:_AGENT]
    return Record(time.time(), ident, asked.method, asked.path[:_NAME], asked.peer, agent, began=now)
