"""Reasoning that goes to a client comes back in its next request, and must reach its maker alone.

`providers.envelope` has the envelopes; here is when they are closed and opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from providers.envelope import is_sealed, may_hold, open_request, seal_body, seal_chunk, seal_raw, seal_response
from providers.sealed_ids import SealedIds, digest_of
from providers.types import CompletionRequest, CompletionResponse, StreamChunk, ThinkingPart
from providers.wire.writing import encode
from router.plan.plan import Chain, Plan
from router.plan.target import Target


class Envelopes:
    """Opens what clients bring back.

    Args:
        clock: the loop's time, in seconds: ids of tool calls in which something rides are remembered for an hour.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.ids = SealedIds(clock)
        self._plan: Plan | None = None
        self._origins: dict[str, str] = {}

    def restored(self, body: dict[str, Any], raw: bytes) -> tuple[dict[str, Any], bool]:
        """The body with the ids that were shortened as they were, and whether an envelope is in it."""
        restored = self.ids.restored(body)
        return restored, restored is not body or is_sealed(raw)

    def opened(self, request: CompletionRequest, plan: Plan, chain: Chain) -> CompletionRequest:
        """The request with its envelopes opened; `chain` is its own, which may be none of the plan's routes."""
        if plan is not self._plan:
            self._plan, self._origins = plan, _origins(plan.targets)
        return open_request(request, {**self._origins, **_origins(chain.everybody)})


def _origins(targets: Iterable[Target]) -> dict[str, str]:
    names = {f"{target.provider}/{target.model}" for target in targets}
    return {digest_of(name): name for name in names}


class Sealing:
    """Closes the envelopes of one answer.

    Args:
        target: who answers, by its name in the plan.
    """

    def __init__(self, plan: Plan, target: str | None, ids: SealedIds) -> None:
        self._plan = plan
        self._target = target or ""
        self._ids = ids
        self._calls: dict[int, str] = {}  # the ids of the stream's calls, by their index

    @cached_property
    def _origin(self) -> str:
        """Who answers, as `provider/model`; most answers have no envelopes that would tell."""
        called = self._plan.called(self._target) if self._target else None
        return self._target if called is None else "/".join(called)

    def body(self, body: dict[str, Any]) -> bytes:
        """A vendor's whole answer, as JSON."""
        data = encode(body)
        return encode(seal_body(body, self._origin, self._ids)) if may_hold(data) else data

    def raw(self, raw: bytes) -> bytes:
        """Events of a stream as the vendor sent them."""
        return seal_raw(raw, self._origin, self._ids) if may_hold(raw) else raw

    def response(self, response: CompletionResponse) -> CompletionResponse:
        """A whole answer, to be written."""
        if not response.thinking and not response.tool_calls:
            return response
        return seal_response(response, self._ids)

    def thinking(self, response: CompletionResponse) -> tuple[ThinkingPart, ...]:
        """The thinking of an answer so far."""
        return seal_response(response).thinking

    def chunk(self, chunk: StreamChunk) -> StreamChunk:
        """A chunk with tool calls. What belongs to a call is remembered by its id, which has gone out already."""
        for delta in chunk.tool_calls:
            if delta.id:
                self._calls[delta.index] = delta.id
            if delta.opaque and delta.index in self._calls:
                self._ids.keep(self._calls[delta.index], delta.opaque, self._origin)
        return seal_chunk(chunk, self._origin)
