"""Micro-batching: inputs of requests that come at about the same time share a call.

Each request gets its own vectors, and its share of tokens and cost; what its caller may spend is counted apart.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from providers.embeddings import FLOAT, EmbeddingRequest, EmbeddingResponse
from providers.errors import SignalboxError
from providers.types import Usage
from router.cleanup import to_the_end
from router.engine.splitting import apportioned, bounds_of, weight
from router.plan.plan import Chain
from router.telemetry.parts import Answered
from router.telemetry.recorder import RequestRecorder
from router.views.trace import Trace


class Share(NamedTuple):
    """What calls made for one request, and who made it at what cost."""

    response: EmbeddingResponse
    parts: list[Answered]


Call: TypeAlias = Callable[[Chain, EmbeddingRequest, Trace, RequestRecorder, float], Awaitable[Share]]


class _Waiting(NamedTuple):
    request: EmbeddingRequest
    trace: Trace
    share: asyncio.Future[Share]


class _Batch:
    """Requests that will share a call, or do."""

    def __init__(self, chain: Chain, recorder: RequestRecorder, began: float) -> None:
        self.chain = chain
        self.recorder = recorder
        self.began = began
        self.waiting: list[_Waiting] = []
        self.timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def inputs(self) -> int:
        return sum(len(each.request.inputs) for each in self.waiting)


class Batches:
    """Gathers requests of the same chain and parameters.

    Args:
        call: makes the calls of a request.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._open: dict[object, _Batch] = {}

    def on_new_loop(self) -> None:
        """Forget who waits, which went with the old loop."""
        self._open.clear()

    async def join(
        self,
        chain: Chain,
        request: EmbeddingRequest,
        trace: Trace,
        recorder: RequestRecorder,
        *,
        apart: tuple[str, ...],
    ) -> Share:
        """Wait for others, and for what the call makes; raises what the call raised.

        Args:
            recorder: counts what comes to nothing, where this request is the first.
            apart: whose requests share no call with those of others.
        """
        loop = asyncio.get_running_loop()
        key = (id(chain), apart, *_parameters(request))
        batch = self._open.get(key)
        most = min(chain.batch.most, bounds_of(chain).inputs)
        if batch is not None and batch.inputs + len(request.inputs) > most:
            self._send(key)
            batch = None
        if batch is None:
            batch = self._open[key] = _Batch(chain, recorder, loop.time())
            batch.timer = loop.call_later(chain.batch.wait or 0.0, self._send, key)
        waiting = _Waiting(request, trace, loop.create_future())
        batch.waiting.append(waiting)
        if batch.inputs >= most:
            self._send(key)
        try:
            return await waiting.share
        finally:
            if not waiting.share.done() or waiting.share.cancelled():
                await self._leave(key, batch, waiting)

    async def _leave(self, key: object, batch: _Batch, waiting: _Waiting) -> None:
        """Go on without one who went away; the last one ends the call."""
        if batch.task is None:
            batch.waiting.remove(waiting)
            if not batch.waiting:
                self._open.pop(key, None)
                if batch.timer is not None:
                    batch.timer.cancel()
        elif all(each.share.cancelled() for each in batch.waiting):
            batch.task.cancel()
            await to_the_end(asyncio.wait([batch.task]))

    def _send(self, key: object) -> None:
        batch = self._open.pop(key)
        if batch.timer is not None:
            batch.timer.cancel()
        batch.task = asyncio.get_running_loop().create_task(self._run(batch))

    async def _run(self, batch: _Batch) -> None:
        waiting = list(batch.waiting)
        first = waiting[0]
        trace = Trace(first.trace.route, first.trace.revision)
        inputs = tuple(text for each in waiting for text in each.request.inputs)
        request = replace(first.request, inputs=inputs)
        try:
            whole = await self._call(batch.chain, request, trace, batch.recorder, batch.began)
            made = shares(whole, [each.request for each in waiting])
        except Exception as error:  # whatever it was, it is for those who wait
            for each in waiting:
                each.trace.entries += trace.entries
                if not each.share.done():  # each adds its own trace
                    each.share.set_exception(copy.copy(error) if isinstance(error, SignalboxError) else error)
            return
        for each, its in zip(waiting, made, strict=True):
            each.trace.entries += trace.entries
            if not each.share.done():
                each.share.set_result(Share(replace(its.response, trace=each.trace), its.parts))


def shares(whole: Share, requests: list[EmbeddingRequest]) -> list[Share]:
    """Divide what a call has made among those who asked for it, its tokens and cost by the size of their inputs."""
    response = whole.response
    weights = [sum(map(weight, request.inputs)) for request in requests]
    tokens = apportioned(response.usage.input_tokens, weights)
    total, place, found = sum(weights) or 1, 0, []
    for request, own, its in zip(requests, weights, tokens, strict=True):
        size = FLOAT * response.dimensions * len(request.inputs)
        cost = None if response.cost is None else response.cost * own / total
        usage = Usage(its, 0)
        data = response.data[place : place + size]
        last = whole.parts[-1]
        found.append(
            Share(replace(response, data=data, usage=usage, cost=cost), [last._replace(usage=usage, cost=cost)])
        )
        place += size
    return found


def _parameters(request: EmbeddingRequest) -> tuple[object, ...]:
    """What has to be the same for a call to be shared."""
    told = (request.dimensions, request.input_type, request.truncate, request.user, request.affinity)
    return (*told, *(repr(each) for each in (request.extra_body, request.extra_headers, request.timeout)))
