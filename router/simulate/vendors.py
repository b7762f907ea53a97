"""The vendors of a simulation: providers in this process that answer, are slow and fail as the scenario says."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

from providers import made_up
from providers.accumulate import Accumulator
from providers.base import ChunkStream
from providers.embeddings import FLOAT, EmbeddingRequest, EmbeddingResponse, RerankRequest, RerankResponse
from providers.errors import CONSEQUENCES, PLAIN_WORDS, ErrorCode, ProviderError
from providers.transport.token_bucket import TokenBucket
from providers.types import (
    CompletionRequest,
    CompletionResponse,
    Message,
    ModelCapabilities,
    Price,
    StreamChunk,
    TokenCount,
    Usage,
)
from router.config.units import Allowance
from router.engine.stream import GO_ON
from router.plan.plan import Plan
from router.plan.pricing import cost, is_known
from router.plan.target import Target
from router.simulate.counters import Bill, PromptCount
from router.simulate.prompt_caches import NOTHING, Cached, Keeping, keeping_of
from router.simulate.samples import Sample, code_of
from router.simulate.scenario import names_of
from router.simulate.schema import MANNERS, Behaviour, Event, Scenario, Times, VendorLimits

LoggedCalls: TypeAlias = Callable[[tuple[str, str], int], Sample | None]  # by (provider, model id) and the request

_JSON = '{"text": "', '"}'  # around a text where JSON is asked for
CHARACTERS = 4  # of simulated text for a token
FIRST_TOKEN = Times.model_validate({"p50": "500ms", "p95": "1.5s"})
SPEED = 80.0  # tokens a second
ERROR_AFTER = Times.model_validate({"p50": "50ms", "p95": "150ms"})
_ROUNDING = 1e-6  # tokens
_SLOWEST_GAP = 0.5  # of the idle timeout, between two pieces of a healthy stream

# Failures that no HTTP answer tells.
_UNANSWERED = frozenset(
    {ErrorCode.CONNECTION_FAILED, ErrorCode.TIMEOUT, ErrorCode.STREAM_INTERRUPTED, ErrorCode.PROTOCOL_ERROR}
    | {ErrorCode.INVALID_OUTPUT}
)


@dataclass(slots=True)
class _Model:
    """One model at one vendor, as the scenario has it."""

    first_token: Times
    speed: float
    errors: float
    error: ErrorCode
    events: list[Event]
    limits: list[tuple[str, VendorLimits]]  # each with who shares it
    price: Price | None
    step: float  # seconds between two pieces of a stream, where its tokens are not slower
    rng: Random
    keeping: Keeping | None
    bills: dict[str, Bill] = field(default_factory=dict)  # by route


class SimulatedVendors:
    """All vendors of a plan under a scenario.

    Args:
        seed: of their chance; each model draws its own, so that what one does changes nothing for another.
        logged: how calls went by a log, where it says so.
    """

    def __init__(
        self, plan: Plan, chains: Iterable[str], scenario: Scenario, seed: int, logged: LoggedCalls | None = None
    ) -> None:
        self.logged = logged
        self._models: dict[tuple[str, str], _Model] = {}
        self._buckets: dict[tuple[str, str], tuple[list[TokenBucket], list[TokenBucket]]] = {}
        targets = [target for name in chains if (chain := plan.chain(name)) for target in chain.everybody]
        same: dict[tuple[str, str], list[Target]] = {}
        for target in targets:
            same.setdefault((target.provider, target.model), []).append(target)
        for place, each in same.items():
            self._models[place] = _model(each, scenario, Random(f"{seed}/{'/'.join(place)}"))
        self.providers = {
            key.identity: SimulatedProvider(self, target.provider, key.identity)
            for target in targets
            for key in target.keys
        }

    def bills(self) -> dict[tuple[str, str], dict[str, Bill]]:
        """What each (provider, model id) charged for each route."""
        return {place: model.bills for place, model in self._models.items()}

    def priced(self) -> set[tuple[str, str]]:
        """The (provider, model id) pairs whose price is known."""
        return {place for place, model in self._models.items() if is_known(model.price)}

    def model(self, provider: str, model: str) -> _Model:
        return self._models[provider, model]

    def allowed(self, model: _Model, key: str, tokens: int, now: float) -> float:
        """Seconds until the vendor allows the call; 0 takes it from the key's allowance."""
        buckets: list[tuple[TokenBucket, int]] = []
        for shared_by, limits in model.limits:
            place = key, shared_by
            if place not in self._buckets:
                self._buckets[place] = _buckets(limits.requests), _buckets(limits.tokens)
            for same, amount in zip(self._buckets[place], (1, tokens), strict=True):
                buckets += [(bucket, amount) for bucket in same]
        wait = max((bucket.wait_for(amount, now) for bucket, amount in buckets), default=0.0)
        if wait <= 0:
            for bucket, amount in buckets:
                bucket.take(amount, now)
        return wait


def _buckets(rates: tuple[Allowance, ...] | None) -> list[TokenBucket]:
    """Buckets that hold what a whole period allows."""
    return [TokenBucket(rate.per_second, rate.amount) for rate in rates or ()]


def _model(same: list[Target], scenario: Scenario, rng: Random) -> _Model:
    """What is written for the model itself first, by any of its names, then for its provider, then for all."""
    target = same[0]
    _, place, provider = names_of(target)
    names = [place, *(each.name for each in same), provider]
    said = {level: scenario.targets.get(level, Behaviour()) for level in (*names, "default")}
    levels = list(said.values())

    def first(key: str, default: object) -> object:
        return next((value for level in levels if (value := getattr(level, key)) is not None), default)

    first_token, speed = first("first_token", FIRST_TOKEN), first("speed", SPEED)
    errors, error = first("errors", 0.0), first("error", ErrorCode.SERVER_ERROR)
    assert isinstance(first_token, Times)
    assert isinstance(speed, float)
    assert isinstance(errors, float)
    return _Model(
        first_token=first_token,
        speed=speed,
        errors=errors,
        error=ErrorCode(str(error)),
        events=[event for event in scenario.events if not set(event.who).isdisjoint(names)],
        limits=_limited(said, place),
        price=target.capabilities.price,
        step=_SLOWEST_GAP * min(math.inf if each.timeout.idle is None else each.timeout.idle for each in same),
        rng=rng,
        keeping=keeping_of(target),
    )


def _limited(said: Mapping[str, Behaviour], place: str) -> list[tuple[str, VendorLimits]]:
    """The levels that say limits; one said by default is each model's own."""
    found = {level: each.limits for level, each in said.items() if each.limits is not None}
    own = [(level, limits) for level, limits in found.items() if level != "default"]
    return own or [(place, limits) for limits in found.values()]


@dataclass(slots=True)
class _Call:
    """One call that the vendor took on: at `start` on the loop's clock, its first token `first` seconds later.

    `limit` is where its answer ends, in tokens; `fault` is how, None is well.
    """

    model: _Model
    route: str
    prompt: int
    limit: int
    start: float
    first: float
    speed: float
    fault: str | None
    cached: Cached = NOTHING
    whole: bool = False

    def charge(self, now: float) -> None:
        """What was read and made until now is paid for, whether anybody got it or not."""
        bill = self.model.bills.setdefault(self.route, Bill())
        made = self.limit
        if not self.whole:  # whoever went away did so in the middle of a piece
            made = min(made, self._made_after(now - self.start - self.first))
        usd = cost(self.model.price, self._usage(made)) or 0.0
        bill.prompts.add(self._prompts(made, usd))
        bill.input_tokens += self.prompt
        bill.output_tokens += made
        bill.usd += usd
        if not self.whole or self.fault is not None:
            bill.wasted += usd

    def _made_after(self, seconds: float) -> int:
        """Tokens made so long after the first, which counts among them."""
        return 0 if seconds < 0 else int(seconds * self.speed + _ROUNDING) + 1

    def _prompts(self, made: int, usd: float) -> PromptCount:
        read, written, _ = self.cached
        without = cost(self.model.price, Usage(self.prompt, made))
        saved = 0.0 if not (read or written) else None if without is None else without - usd
        return PromptCount(self.prompt, read, written, saved)

    def _usage(self, made: int) -> Usage:
        usage = Usage(self.prompt, made)
        return usage if self.cached == NOTHING else self.cached.within(usage)

    @property
    def usage(self) -> Usage:
        """The tokens of the whole answer."""
        return self._usage(self.limit)


class SimulatedProvider:
    """One key at one vendor."""

    def __init__(self, vendors: SimulatedVendors, name: str, key: str) -> None:
        self.name = name
        self._vendors = vendors
        self._key = key

    async def complete(self, request: CompletionRequest) -> CompletionResponse:
        call = await self._taken_on(request)
        try:
            await asyncio.sleep(call.first + (call.limit - 1) / call.speed)
            await self._ends(call, request.model)
        finally:
            call.charge(asyncio.get_running_loop().time())
        text = _text(call.limit, request, is_first=True, is_last=True)
        return CompletionResponse(
            text=text, finish_reason="stop", usage=call.usage, model=request.model, provider=self.name
        )

    async def embed(self, request: EmbeddingRequest) -> EmbeddingResponse:
        size = request.dimensions or request.width or made_up.DIMENSIONS
        usage = await self._made(request)
        data = bytes(FLOAT * size * len(request.inputs))
        return EmbeddingResponse(data=data, dimensions=size, usage=usage, model=request.model, provider=self.name)

    async def rerank(self, request: RerankRequest) -> RerankResponse:
        usage = await self._made(request)
        results = made_up.rank(request.query, request.documents, request.top_n)
        return RerankResponse(results=results, usage=usage, model=request.model, provider=self.name)

    async def _made(self, request: EmbeddingRequest | RerankRequest) -> Usage:
        """What no answer of tokens was made for, once it has come."""
        sizes = {**(request.extra_body or {}), "answer": 1}
        call = await self._taken_on(CompletionRequest(model=request.model, messages=(), metadata=sizes))
        try:
            await asyncio.sleep(call.first)
            call.limit = 0
            await self._ends(call, request.model)
            return call.usage
        finally:
            call.charge(asyncio.get_running_loop().time())

    def stream(self, request: CompletionRequest) -> ChunkStream:
        gathered = Accumulator(self.name, request.model)
        return ChunkStream(self._chunks(request, gathered), gathered.response)

    async def _chunks(self, request: CompletionRequest, gathered: Accumulator) -> AsyncIterator[StreamChunk]:
        call = await self._taken_on(request)
        at_once = call.limit if call.model.step == math.inf else max(1, int(call.speed * call.model.step))
        given = 0
        try:
            await asyncio.sleep(call.first)
            tokens = 1
            while True:
                given += tokens
                last = given == call.limit and call.fault is None
                chunk = StreamChunk(
                    text=_text(tokens, request, is_first=given == tokens, is_last=last),
                    finish_reason="stop" if last else None,
                    usage=call.usage if last else None,
                    done=last,
                )
                call.whole = last
                gathered.add(chunk)
                yield chunk
                if given == call.limit:
                    break
                tokens = min(call.limit - given, at_once)
                await asyncio.sleep(tokens / call.speed)
            await self._ends(call, request.model)
        finally:
            call.charge(asyncio.get_running_loop().time())

    async def _taken_on(self, request: CompletionRequest) -> _Call:
        """The call as it will go; raises what it fails with before any content."""
        model = self._vendors.model(self.name, request.model)
        rng = model.rng
        sizes = request.metadata or {}
        # Where it does not, what there is of an answer was not accepted.
        goes_on = bool(request.messages) and request.messages[-1].text == GO_ON
        given = sum(len(message.text) for message in request.messages if message.role == "assistant") // CHARACTERS
        given = given if goes_on else 0
        prompt, answer = int(sizes.get("prompt", 1)) + given, max(1, int(sizes.get("answer", 1)) - given)
        if self._vendors.logged is not None:
            sample = self._vendors.logged((self.name, request.model), int(sizes.get("logged", 0)))
            if sample is not None:
                return await self._as_logged(sample, model, request, prompt, answer)
        slow, event = _fate(model, asyncio.get_running_loop().time())
        fault = None if event is None else event.fault
        if fault == "hang":
            await asyncio.get_running_loop().create_future()
        elif fault == "refused":
            raise self._error(ErrorCode.CONNECTION_FAILED, request.model, phase="connect")
        elif event is not None and fault not in MANNERS and fault != ErrorCode.INVALID_OUTPUT:
            await self._fail(ErrorCode(event.fault), model, request.model, slow, event.retry_after)
        wait = self._vendors.allowed(model, self._key, prompt + answer, asyncio.get_running_loop().time())
        if wait > 0:
            await self._fail(ErrorCode.RATE_LIMITED, model, request.model, slow, float(math.ceil(wait)))
        if model.errors and rng.random() < model.errors:
            if model.error is not ErrorCode.INVALID_OUTPUT:
                await self._fail(model.error, model, request.model, slow, None)
            fault = fault or str(model.error)
        is_whole = fault is None or fault == ErrorCode.INVALID_OUTPUT
        limit = answer if is_whole else rng.randint(1, max(1, answer - 1))
        first = model.first_token.draw(rng) * slow
        now = asyncio.get_running_loop().time()
        call = _Call(model, str(sizes.get("route", "")), prompt, limit, now, first, model.speed / slow, fault)
        if model.keeping is not None and "line" in sizes:
            call.cached = model.keeping.read(self._key, sizes, prompt, request.prompt_cache, now)
        return call

    async def _as_logged(
        self, sample: Sample, model: _Model, request: CompletionRequest, prompt: int, answer: int
    ) -> _Call:
        """The call as one went that a log has; raises what that failed with."""
        code = None if sample.code is None else code_of(sample.code)
        if code is not None and code is not ErrorCode.INVALID_OUTPUT:
            await asyncio.sleep(sample.seconds)
            raise self._error(code, request.model, phase="answer" if code is ErrorCode.TIMEOUT else None)
        now, route = asyncio.get_running_loop().time(), str((request.metadata or {}).get("route", ""))
        first, speed = (sample.seconds, SPEED) if code is not None else (sample.first, sample.speed)
        return _Call(model, route, prompt, answer, now, first, speed, None if code is None else str(code))

    async def _fail(self, code: ErrorCode, model: _Model, name: str, slow: float, retry_after: float | None) -> None:
        await asyncio.sleep(ERROR_AFTER.draw(model.rng) * slow)
        raise self._error(code, name, retry_after=retry_after)

    async def _ends(self, call: _Call, model: str) -> None:
        """How the answer ends, after all content that comes."""
        if call.fault == "stall":
            await asyncio.get_running_loop().create_future()
        elif call.fault == ErrorCode.INVALID_OUTPUT:
            call.whole = True  # for nothing
            error = self._error(ErrorCode.INVALID_OUTPUT, model)
            error.partial = CompletionResponse(usage=call.usage)
            raise error
        elif call.fault is not None:
            raise self._error(ErrorCode.STREAM_INTERRUPTED, model)
        call.whole = True

    def _error(
        self, code: ErrorCode, model: str, *, phase: str | None = None, retry_after: float | None = None
    ) -> ProviderError:
        return ProviderError(
            code,
            f"simulated: {PLAIN_WORDS[code]}" if code in PLAIN_WORDS else "simulated",
            provider=self.name,
            model=model,
            status=None if code in _UNANSWERED else CONSEQUENCES[code].http_status,
            phase=phase or ("read" if code is ErrorCode.CONNECTION_FAILED else None),
            retry_after=retry_after,
        )

    def count_tokens(self, messages: Sequence[Message], model: str) -> TokenCount:
        return TokenCount(sum(len(message.text) for message in messages) // CHARACTERS, True, "simulation")

    def capabilities(self, model: str) -> ModelCapabilities:
        return ModelCapabilities()

    async def aclose(self) -> None:
        """There is nothing to close."""


def _text(tokens: int, request: CompletionRequest, *, is_first: bool, is_last: bool) -> str:
    if request.response_format is None:
        return "word" * tokens
    return f"{_JSON[0] if is_first else ''}{'word' * tokens}{_JSON[1] if is_last else ''}"


def _fate(model: _Model, now: float) -> tuple[float, Event | None]:
    """How many times slower a call is that begins now, and what else befalls it."""
    slow = 1.0
    for event in model.events:
        if event.is_on(now) and (event.share >= 1 or model.rng.random() < event.share):
            if event.fault != "slow":
                return slow, event
            slow *= event.times
    return slow, None
