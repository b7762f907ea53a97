"""Lets a client's request in, as far as its limits and its budget go, and settles what came of it."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from providers.errors import ErrorCode
from providers.types import CompletionRequest, CompletionResponse, Usage
from router.engine.request import requirements_of
from router.gateway.errors import Refused
from router.plan.rules import Limits
from router.plan.serving import Client
from router.state.clients import ClientStates, OverLimit, Permit

_FREE = Limits()


class Admitted:
    """A request that was let in. As a context manager it ends with what the block raises.

    Args:
        permit: None where the client has no limits.
    """

    def __init__(self, permit: Permit | None, loop: asyncio.AbstractEventLoop) -> None:
        self._permit = permit
        self._loop = loop

    def answered(self, usage: Usage) -> None:
        """It has its whole answer."""
        if self._permit is not None:
            self._permit.answered(usage, self._loop.time())

    def failed(self, partial: CompletionResponse | None = None) -> None:
        """It failed, after so much of an answer."""
        if self._permit is not None:
            self._permit.failed(self._loop.time(), partial)

    def cancelled(self, partial: CompletionResponse | None = None) -> None:
        """Its client left, after so much of an answer."""
        if self._permit is not None:
            self._permit.cancelled(self._loop.time(), partial)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            self.failed()
        elif error is not None:
            self.cancelled()


def admit(clients: ClientStates, client: Client, request: CompletionRequest) -> Admitted:
    """Let a request in.

    Raises:
        Refused: a limit of the client's is against it, or its budget is used up.
    """
    loop = asyncio.get_running_loop()
    if client.budget is None and client.limits == _FREE:
        return Admitted(None, loop)
    prompt = requirements_of(request, streaming=False).prompt_tokens
    permit = clients.admit(client, prompt, request.max_tokens, loop.time())
    if not isinstance(permit, OverLimit):
        return Admitted(permit, loop)
    if permit.limit == "budget":
        raise Refused(ErrorCode.QUOTA_EXHAUSTED, permit.message, status=429, retry_after=permit.wait)
    kind = "tokens" if permit.limit == "tokens" else "requests"
    raise Refused(ErrorCode.RATE_LIMITED, permit.message, should_retry=True, retry_after=permit.wait, kind=kind)
