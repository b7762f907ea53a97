"""Lets a client's request in, as far as its limits and its budget go, and settles what came of it."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from providers.embeddings import AnyRequest
from providers.errors import ErrorCode
from providers.types import CompletionResponse, Usage
from router.engine.embedding import needs_of
from router.errors import RouteExhausted
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

    def __init__(self, permit: Permit | None, clients: ClientStates, client: Client, request: AnyRequest) -> None:
        self._permit = permit
        self._clients = clients
        self._client = client
        self._request = request

    def answered(self, usage: Usage) -> None:
        """It has its whole answer."""
        if self._permit is not None:
            self._permit.answered(usage, asyncio.get_running_loop().time())

    def failed(self, partial: CompletionResponse | None = None) -> None:
        """It failed, after so much of an answer."""
        if self._permit is not None:
            self._permit.failed(asyncio.get_running_loop().time(), partial)

    def cancelled(self, partial: CompletionResponse | None = None) -> None:
        """Its client left, after so much of an answer."""
        if self._permit is not None:
            self._permit.cancelled(asyncio.get_running_loop().time(), partial)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            self.failed()
            if isinstance(error, RouteExhausted) and error.code is ErrorCode.QUOTA_EXHAUSTED:
                # By what others of this client have taken meanwhile.
                skips = () if error.trace is None else error.trace.skips
                over = self._clients.over_budget(self._client, self._request, "; ".join(each.message for each in skips))
                if over is not None:
                    raise _refused(over) from None
        elif error is not None:
            self.cancelled()


async def admit(clients: ClientStates, client: Client, request: AnyRequest) -> Admitted:
    """Let a request in.

    Raises:
        Refused: a limit of the client's is against it, or its budget is used up.
    """
    if client.budget is None and client.limits == _FREE:
        return Admitted(None, clients, client, request)
    needs = needs_of(request)
    prompt, most = needs.prompt_tokens, needs.max_tokens
    permit = clients.admit(client, prompt, most, asyncio.get_running_loop().time(), request)
    if isinstance(permit, OverLimit):
        permit = await clients.admit_after(permit, client, prompt, most, request)
    if isinstance(permit, OverLimit):
        raise _refused(permit)
    return Admitted(permit, clients, client, request)


def _refused(over: OverLimit) -> Refused:
    if over.limit == "budget":
        return Refused(ErrorCode.QUOTA_EXHAUSTED, over.message, status=429, retry_after=over.wait)
    kind = "tokens" if over.limit == "tokens" else "requests"
    return Refused(ErrorCode.RATE_LIMITED, over.message, should_retry=True, retry_after=over.wait, kind=kind)
