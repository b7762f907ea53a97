"""Requests for embeddings and ranks, on the engine that answers chats: split where a call can't take all, each part a
chain of attempts of its own, and put together again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from providers.embeddings import EmbeddingRequest, EmbeddingResponse, RerankRequest, RerankResponse
from providers.errors import ErrorCode, ProviderError, SignalboxError
from providers.threads import in_thread
from providers.tokens import ESTIMATE_MARGIN, estimate
from providers.types import Message, Usage
from router.engine.batching import Batches, Share
from router.engine.context import RequestContext
from router.engine.embedding import Widths, embed_once, needs_of_documents, needs_of_inputs, rerank_once
from router.engine.engine import Engine
from router.engine.failover import FailOver
from router.engine.splitting import bounds_of, check_dimensions, split
from router.errors import give_trace
from router.plan.plan import Chain, Plan
from router.telemetry.parts import Answered, PartRecorder, answered_in_parts
from router.telemetry.recorder import RequestRecorder
from router.views.trace import Attempt, Trace

# Makes the vectors of some inputs of a request, by calls.
_LARGE = 500_000  # characters of a request that are looked through in a thread
Make: TypeAlias = Callable[[EmbeddingRequest], Awaitable[Share]]


class Embedder:
    """Runs the requests of one router that make embeddings or rank documents."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._widths: Widths = {}
        self._batches = Batches(self._calls)
        engine.adopters.append(self.adopt)
        engine.on_new_loop.append(self._batches.on_new_loop)

    def adopt(self, plan: Plan) -> None:
        """Forget how long vectors were: the file may name other models."""
        self._widths.clear()

    def width(self, chain: Chain, request: EmbeddingRequest) -> int | None:
        """Return how many numbers a vector of this request has; None where nobody knows yet."""
        rules = chain.targets[0].embeds
        if request.dimensions is not None or rules is None:
            return request.dimensions
        return rules.dimensions or self._widths.get((rules.space, None))

    async def embed(
        self,
        chain: Chain,
        request: EmbeddingRequest,
        trace: Trace,
        around: Callable[[Make], Awaitable[EmbeddingResponse | Share]] | None = None,
    ) -> EmbeddingResponse:
        """Make a vector of each input.

        Args:
            around: answers the request by what it knows, and by the calls that it is given the way to make.

        Raises:
            RouteExhausted; ProviderError: CONTEXT_LENGTH_EXCEEDED for an input that no target takes.
        """
        try:
            clock = self._engine.enter_loop().time
            began = clock()
            check_dimensions(chain, request)
            if chain.input_tokens is not None and not request.truncate:
                await self._check_lengths(request, chain, chain.input_tokens)
        except SignalboxError as error:
            give_trace(error, trace)
            raise
        if around is None and len(request.inputs) == 1 and chain.batch.wait is None:
            return await self._deliver(self._engine.context_of(chain, request, needs_of_inputs(request), trace))
        recorder = self._engine.telemetry.recorder(trace, request, began)
        make = partial(self._make, chain, trace=trace, recorder=recorder, began=began)
        try:
            done = await (make(request) if around is None else around(make))
            trace.seconds = clock() - began
            if isinstance(done, EmbeddingResponse):
                recorder.answered_from_cache(done, clock())
                return done
            answered_in_parts(recorder, done.parts, done.response)
            return done.response
        except BaseException as error:
            trace.seconds = clock() - began
            give_trace(error, trace)
            recorder.failed(error, clock())
            raise

    async def rerank(self, chain: Chain, request: RerankRequest, trace: Trace) -> RerankResponse:
        """Rank documents by how well they answer a query; raises RouteExhausted, ProviderError."""
        context = self._engine.context_of(chain, request, needs_of_documents(request), trace)
        with FailOver(context, rerank_once) as failover:
            return failover.answered(await failover.deliver())

    # --- before anything is sent

    async def _check_lengths(self, request: EmbeddingRequest, chain: Chain, most: int) -> None:
        """Refuse what no target takes. What is surely short enough is not counted, and most is."""
        for place, each in enumerate(request.inputs):
            if len(each) * 4 <= most or (isinstance(each, str) and each.isascii() and len(each) <= most):
                continue  # no character has more tokens than bytes
            tokens = len(each) if not isinstance(each, str) else await self._count(chain, each, most)
            if tokens > most:
                raise ProviderError(
                    ErrorCode.CONTEXT_LENGTH_EXCEEDED,
                    f"input[{place}] has {'about ' if isinstance(each, str) else ''}{tokens} tokens, and this model "
                    f"takes {most} in one input",
                    context_window=most,
                    prompt_tokens=tokens,
                )

    async def _count(self, chain: Chain, text: str, most: int) -> int:
        """Return the least tokens that a text can have: by an estimate, near the limit by a tokenizer."""
        about = estimate(text)
        if about * (1 + ESTIMATE_MARGIN) <= most:
            return about
        target = chain.targets[0]
        provider = self._engine.providers.of(target)

        def count() -> int:
            with_it, without = (provider.count_tokens([Message.user(each)], target.model) for each in (text, ""))
            return int((with_it.tokens - without.tokens) * (1 - with_it.margin))

        return await in_thread(count)

    # --- calls

    async def _make(
        self, chain: Chain, request: EmbeddingRequest, *, trace: Trace, recorder: RequestRecorder, began: float
    ) -> Share:
        if chain.batch.wait is not None and len(request.inputs) < chain.batch.most:
            return await self._batches.join(chain, request, trace, recorder, apart=self._paid_by(chain, request))
        return await self._calls(chain, request, trace, recorder, began)

    def _paid_by(self, chain: Chain, request: EmbeddingRequest) -> tuple[str, ...]:
        """Return whose budgets pay for a request and not for all: who has others shares no call with it."""
        engine = self._engine
        budgets = [target.budget for target in chain.targets] if engine.spending.values else []
        budgets += [chain.budget, engine.plan.serving.budgets.get(request.caller or "")]
        return tuple(sorted({each.owner for each in engine.spending.of(budgets, request) if each is not None}))

    async def _calls(
        self, chain: Chain, request: EmbeddingRequest, trace: Trace, recorder: RequestRecorder, began: float
    ) -> Share:
        """Make as many calls as the inputs need; one that fails fails all."""
        extra = len(msgspec.json.encode(request.extra_body, enc_hook=repr)) if request.extra_body else 0
        cut = partial(split, request.inputs, bounds_of(chain), extra)
        parts = await in_thread(cut) if sum(map(len, request.inputs)) > _LARGE else cut()
        if len(parts) == 1:
            response, answered = await self._call(chain, request, trace, recorder, began)
            return Share(response, [answered])
        turns = asyncio.Semaphore(chain.batch.parallel)
        clock = self._engine.enter_loop().time
        traces = [Trace(trace.route, trace.revision, caller=trace.caller, tags=trace.tags) for _ in parts]
        starts = [0.0] * len(parts)

        async def part(number: int) -> tuple[EmbeddingResponse, Answered]:
            async with turns:
                starts[number] = clock() - began
                some = replace(request, inputs=tuple(request.inputs[place] for place in parts[number]))
                return await self._call(chain, some, traces[number], recorder, began)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(part(number)) for number in range(len(parts))]
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            for number, (its, start) in enumerate(zip(traces, starts, strict=True), 1):
                trace.entries += [
                    replace(entry, at=entry.at + start, **({"part": number} if isinstance(entry, Attempt) else {}))
                    for entry in its.entries
                ]
        done = [task.result() for task in tasks]
        return Share(joined([response for response, _ in done], trace), [answered for _, answered in done])

    async def _call(
        self, chain: Chain, request: EmbeddingRequest, trace: Trace, recorder: RequestRecorder, began: float
    ) -> tuple[EmbeddingResponse, Answered]:
        part = PartRecorder.of(recorder)
        context = self._engine.context_of(chain, request, needs_of_inputs(request), trace, part)
        context.deadline = began + context.total  # of the request, of which this is a part
        response = await self._deliver(context)
        assert part.done is not None, "what was answered was recorded"
        return response, part.done

    async def _deliver(self, context: RequestContext) -> EmbeddingResponse:
        with FailOver(context, partial(embed_once, widths=self._widths)) as failover:
            return failover.answered(await failover.deliver())


def joined(responses: list[EmbeddingResponse], trace: Trace) -> EmbeddingResponse:
    """Return the answers of several calls as one, in their order.

    Raises:
        ProviderError: PROTOCOL_ERROR where their vectors differ in length.
    """
    first, last = responses[0], responses[-1]
    widths = {response.dimensions for response in responses}
    if len(widths) > 1:
        text = f"embeddings of {' and '.join(map(str, sorted(widths)))} numbers came for one request"
        raise ProviderError(ErrorCode.PROTOCOL_ERROR, text, provider=first.provider, model=first.model)
    counts = [response.usage.input_tokens for response in responses]
    costs = [response.cost for response in responses]
    return replace(
        last,
        data=b"".join(response.data for response in responses),
        usage=Usage(None if None in counts else sum(count for count in counts if count), 0),
        cost=None if None in costs else sum(cost for cost in costs if cost),
        left_out=tuple(dict.fromkeys(name for response in responses for name in response.left_out)),
        trace=trace,
    )
