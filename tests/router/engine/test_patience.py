"""How long a request is waited for: what makes progress is never cut, and one's haste is no evidence for others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest

from providers import CompletionResponse, ErrorCode, ProviderError, StreamChunk
from providers.fake import Fail, Hang, Reply
from router import Router
from router.errors import RouteExhausted
from tests.support.world import World, now, story

ONE = "routes: {chat: a/m}\n"
SSE = {"content-type": "text/event-stream"}


async def read(router: Router, route: str = "chat", *, pause: float = 0.0, **more: Any) -> CompletionResponse:
    async with router.stream(route, "hi", **more) as stream:
        async for _ in stream:
            await asyncio.sleep(pause)
    return stream.response


class Slowly(httpx.AsyncBaseTransport):
    """A vendor that says so many seconds later what is written, after its headers."""

    def __init__(self, *steps: tuple[float, bytes]) -> None:
        self.steps = steps

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async def body() -> AsyncIterator[bytes]:
            for wait, data in self.steps:
                await asyncio.sleep(wait)
                yield data

        return httpx.Response(200, headers=SSE, content=body())


def over(kind: str, *steps: tuple[float, bytes], more: str = "") -> Router:
    """A router over one vendor that speaks so."""
    from providers.registry import create
    from providers.settings import ProviderSettings
    from providers.types import Timeout

    off = Timeout(first_token=None, idle=None, answer=None, total=None)
    options = {"transport": Slowly(*steps), "max_retries": 0}
    vendor = create(ProviderSettings(name="a", kind=kind, api_key="k", timeout=off, options=options))
    text = f"providers: {{a: {{kind: {kind}, api_key: key-of-a-test}}}}\n{ONE}{more}"
    return Router.from_text(text, env={}, providers={"a": vendor})


def said(text: str) -> bytes:
    return b'data: {"choices": [{"index": 0, "delta": {"content": "%s"}}]}\n\n' % text.encode()


END = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


# --- what makes progress


@story
async def test_a_stream_of_a_chunk_a_second_for_an_hour_is_whole() -> None:
    """Nothing of the defaults bounds a stream that goes on."""
    world = World(ONE, a=lambda _: Reply("x" * 3600, chunk_size=1, every=1.0))
    assert (await read(world.router)).text == "x" * 3600
    assert now() >= 3599


@story
async def test_a_chunk_a_minute_is_progress() -> None:
    """As long as it comes within `idle`."""
    world = World(ONE, a=lambda _: Reply("x" * 60, chunk_size=1, delay=59.0, every=59.0))
    assert (await read(world.router)).text == "x" * 60


@pytest.mark.parametrize("minutes", [1, 5, 9])
def test_a_plain_answer_of_some_minutes_arrives(minutes: int) -> None:
    """Models think; a plain call is not bounded by what a stream's beginning may take."""

    @story
    async def test() -> None:
        world = World(ONE, a=lambda _: Reply("at last", delay=60.0 * minutes))
        assert (await world.router.complete("chat", "hi")).text == "at last"

    test()


PINGS = {
    "comment": ("openai", b": OPENROUTER PROCESSING\n\n"),
    "blank line": ("openai", b"\n"),
    "empty delta": ("openai", b'data: {"choices": [{"index": 0, "delta": {}}]}\n\n'),
    "role": ("openai", b'data: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}\n\n'),
    "ping": ("anthropic", b'event: ping\ndata: {"type": "ping"}\n\n'),
}


def of_anthropic(name: str, body: str) -> bytes:
    return f'event: {name}\ndata: {{"type": "{name}", {body}}}\n\n'.encode()


ANTHROPIC_START = of_anthropic(
    "message_start",
    '"message": {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], '
    '"usage": {"input_tokens": 1, "output_tokens": 1}}',
)
ANTHROPIC_TEXT = of_anthropic(
    "content_block_start", '"index": 0, "content_block": {"type": "text", "text": ""}'
) + of_anthropic("content_block_delta", '"index": 0, "delta": {"type": "text_delta", "text": "well"}')
ANTHROPIC_END = (
    of_anthropic("content_block_stop", '"index": 0')
    + of_anthropic("message_delta", '"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}')
    + b'event: message_stop\ndata: {"type": "message_stop"}\n\n'
)


@pytest.mark.parametrize("name", PINGS)
@pytest.mark.parametrize("before", [True, False], ids=["before the first content", "after it"])
def test_a_model_that_thinks_in_silence_is_waited_for(name: str, before: bool) -> None:
    """Nine minutes with a keep-alive now and then, in whatever form the vendor has; ten are too many."""
    kind, ping = PINGS[name]
    if kind == "openai":
        start, text, end = b"", said("well"), END
    else:
        start, text, end = ANTHROPIC_START, ANTHROPIC_TEXT, ANTHROPIC_END
    silence = [(20.0, ping)] * 27

    @story
    async def patient() -> None:
        steps = [*silence, (1.0, text), (1.0, end)] if before else [(1.0, text), *silence, (1.0, end)]
        assert (await read(over(kind, (0.0, start + ping), *steps))).text == "well"

    @story
    async def too_long() -> None:
        steps = [*silence * 2, (1.0, text)] if before else [(1.0, text), *silence * 2]
        with pytest.raises(ProviderError if not before else RouteExhausted, match="timeout"):
            await read(over(kind, (0.0, start + ping), *steps))
        assert now() == pytest.approx(600, abs=2)

    patient()
    too_long()


@story
async def test_a_byte_now_and_then_is_no_life() -> None:
    """A line that never ends says nothing."""
    router = over("openai", (0.0, b"data: {"), *[(1.0, b" ")] * 999)
    with pytest.raises(RouteExhausted):
        await read(router)
    assert now() == 60.0


@story
async def test_a_hasty_first_token_is_kept_to_the_second() -> None:
    """Who writes less than a minute wants to go on, whatever the vendor pings."""
    steps = [(1.0, b": wait\n\n")] * 99
    with pytest.raises(RouteExhausted):
        await read(over("openai", *steps, more="defaults: {timeout: {first_token: 8s}}\n"))
    assert now() == 8.0


@story
async def test_a_slow_reader_is_not_hurried() -> None:
    """What the reader takes between two chunks counts for nothing, `total` included."""
    world = World(ONE, a=lambda _: Reply("abcdefgh", chunk_size=1, every=1.0))
    assert (await read(world.router, pause=300.0)).text == "abcdefgh"


@story
async def test_a_slow_reader_of_the_cache_is_not_hurried() -> None:
    """Neither of a stored answer nor of a call that is shared."""
    text = "cache: {path: memory}\nroutes: {chat: {targets: [a/m], cache: {ttl: 1d}}}\n"
    world = World(text, a=lambda _: Reply("x" * 400, chunk_size=1, every=0.5))
    slow = asyncio.create_task(read(world.router, pause=30.0))
    joined = asyncio.create_task(read(world.router, pause=60.0))
    for reader in (slow, joined):
        assert (await reader).text == "x" * 400
    assert (await read(world.router, pause=60.0)).text == "x" * 400
    assert world.calls("a") == 1


@story
async def test_a_stream_that_broke_late_may_begin_anew() -> None:
    """The time that it ran is not the time that is waited: after an hour another target still has the whole `total`."""
    text = "routes: {chat: {targets: [a/m], fallbacks: [b/m], on_stream_break: restart}}\n"
    long = Reply("x" * 3600, chunk_size=1, every=1.0, break_after=3599)
    world = World(text, a=lambda _: long, b=lambda _: Reply("whole", delay=50.0))
    assert (await read(world.router)).text == "whole"


# --- what does not


@pytest.mark.parametrize(
    ("written", "step", "streamed", "until"),
    [
        ("first_token: 5s", Hang(), True, 5.0),
        ("idle: 5s", Reply("stalls", hang_after=1), True, 5.0),
        ("answer: 5s", Hang(), False, 5.0),
        ("total: 5s", Hang(), True, 5.0),
        ("total: 5s", Hang(), False, 5.0),
        ("first_token: 5s", Hang(), False, 600.0),
        ("answer: 5s", Hang(), True, 60.0),
        ("idle: 5s", Hang(), False, 600.0),
    ],
)
def test_each_bounds_what_it_says(written: str, step: Any, streamed: bool, until: float) -> None:
    """In the file, and as the word of one call."""
    name, _, limit = written.partition(": ")

    for text, own in ((ONE + f"defaults: {{timeout: {{{written}}}}}\n", None), (ONE, {name: limit})):

        @story
        async def test(text: str = text, own: dict[str, str] | None = own) -> None:
            world = World(text, a=lambda _: step)
            more = {} if own is None else {"timeout": own}
            with pytest.raises((RouteExhausted, ProviderError)):
                await (read(world.router, **more) if streamed else world.router.complete("chat", "hi", **more))
            assert now() == until
            assert world.fakes["a"].cancelled == 1

        test()


@pytest.mark.parametrize(
    ("name", "step", "streamed"),
    [
        ("first_token", Reply("late", delay=7200.0), True),
        ("idle", Reply("lazy", chunk_size=1, every=7200.0), True),
        ("answer", Reply("late", delay=7200.0), False),
    ],
)
def test_off_is_off(name: str, step: Any, streamed: bool) -> None:
    """With `total` off as well, where that would end it before."""
    limits = {name: "off", "total": "off"}
    written = ", ".join(f"{key}: {value}" for key, value in limits.items())
    for text, own in ((ONE + f"defaults: {{timeout: {{{written}}}}}\n", {}), (ONE, {"timeout": limits})):

        @story
        async def test(text: str = text, own: dict[str, Any] = own) -> None:
            world = World(text, a=lambda _: step)
            answer = await (read(world.router, **own) if streamed else world.router.complete("chat", "hi", **own))
            assert answer.text == step.text

        test()


@story
async def test_total_bounds_tries_and_waits_before_the_first_content() -> None:
    """Of a stream as of a plain call."""
    text = ONE + "defaults: {timeout: {total: 20s}, retry: {same_target: 99, max_attempts: 99, backoff: 4s}}\n"
    world = World(text, a=lambda _: Fail(ErrorCode.SERVER_ERROR, delay=3.0))
    with pytest.raises(RouteExhausted, match=r"timeout\.total"):
        await read(world.router)
    assert now() <= 20.0


# --- evidence

HASTY = (
    "routes:\n"
    "  hasty: {targets: [a/m], timeout: {LIMIT}}\n"
    "  patient: {targets: [a/m]}\n"
    "defaults: {breaker: {consecutive: 5}, retry: {same_target: 0}}\n"
)


async def _fails(router: Router, route: str, streamed: bool, times: int, own: dict[str, Any] | None) -> None:
    for _ in range(times):
        with pytest.raises((RouteExhausted, ProviderError)):
            await (read(router, route, timeout=own) if streamed else router.complete(route, "hi", timeout=own))


@pytest.mark.parametrize(
    ("limit", "streamed"),
    [("first_token", True), ("idle", True), ("answer", False), ("total", True), ("total", False)],
)
@pytest.mark.parametrize("per_call", [False, True], ids=["route", "call"])
def test_an_impatient_route_is_no_evidence_for_a_patient_one(limit: str, streamed: bool, per_call: bool) -> None:
    """Slow answers that it did not wait for leave the breaker closed, and no latency of the target behind."""
    slow = Reply("slowly", chunk_size=1, delay=20.0, every=20.0)

    @story
    async def test() -> None:
        text = HASTY.replace("LIMIT", "" if per_call else f"{limit}: 2s")
        world = World(text, a=lambda _: slow)
        state = world.router.states.target(world.router.chain("hasty").targets[0])
        await _fails(world.router, "hasty", streamed, 12, {limit: 2} if per_call else None)
        assert state.breaker.state == "closed"
        assert state.latency.known == (limit == "idle")  # which cuts a stream after its first content
        answer = await (read(world.router, "patient") if streamed else world.router.complete("patient", "hi"))
        assert answer.text == "slowly"

    test()


@pytest.mark.parametrize(("limit", "streamed"), [("first_token", True), ("idle", True), ("answer", False)])
@pytest.mark.parametrize("level", ["defaults", "target", "longer route"])
def test_a_targets_own_timeout_is_evidence(limit: str, streamed: bool, level: str) -> None:
    """And so is that of a route which waits even longer."""
    step = Hang() if limit != "idle" else Reply("stalls", hang_after=1)

    @story
    async def test() -> None:
        own = f"timeout: {{{limit}: 2s}}"
        text = HASTY.replace("LIMIT", f"{limit}: 3s" if level == "longer route" else "")
        if level == "defaults":
            text = text.replace("defaults: {", f"defaults: {{{own}, ")
        else:
            text += f"# a: {own}\n"
        world = World(text, a=lambda _: step)
        state = world.router.states.target(world.router.chain("hasty").targets[0])
        await _fails(world.router, "hasty", streamed, 5, None)
        assert state.breaker.state == "open"

    test()


@pytest.mark.parametrize(("limit", "state"), [("1s", "closed"), ("3s", "open"), ("off", "open")])
def test_a_route_that_does_not_wait_for_connections(limit: str, state: str) -> None:
    """The same, for target and key."""

    @story
    async def test() -> None:
        world = World(HASTY.replace("LIMIT", f"connect: {limit}"), a=lambda _: Fail(ErrorCode.TIMEOUT, phase="connect"))
        target = world.router.chain("hasty").targets[0]
        await _fails(world.router, "hasty", False, 5, None)
        states = {guard.breaker.state for guard in world.router.states.guards(target, target.keys[0])}
        assert states == {state}

    test()


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_total_is_never_evidence(streamed: bool) -> None:
    """What was left of it when a call began is chance, whoever has written it."""

    @story
    async def test() -> None:
        text = HASTY.replace("LIMIT", "").replace("defaults: {", "defaults: {timeout: {total: 2s}, ")
        world = World(text, a=lambda _: Hang())
        state = world.router.states.target(world.router.chain("hasty").targets[0])
        await _fails(world.router, "hasty", streamed, 12, None)
        assert state.breaker.state == "closed"

    test()


@story
async def test_a_probe_that_was_not_waited_for_leaves_the_place_to_others() -> None:
    """A half-open breaker neither opens again nor stays blocked for it."""
    text = HASTY.replace("LIMIT", "answer: 2s") + "# a: breaker: {open_for: 10s}\n"
    failing: Iterable[int] = range(5)
    steps = [Fail(ErrorCode.SERVER_ERROR) for _ in failing] + [Reply("slowly", delay=20.0)]
    world = World(text, a=lambda _: steps[min(world.calls("a"), len(steps)) - 1])
    state = world.router.states.target(world.router.chain("patient").targets[0])
    await _fails(world.router, "patient", False, 5, None)
    assert state.breaker.state == "open"
    await asyncio.sleep(15)
    await _fails(world.router, "hasty", False, 1, None)
    assert state.breaker.state == "half_open"
    assert (await world.router.complete("patient", "hi")).text == "slowly"


@story
async def test_ones_haste_does_not_fail_those_who_ask_the_same() -> None:
    """Requests that share a call share their timeouts."""
    text = "cache: {path: memory}\nroutes: {chat: {targets: [a/m], cache: {ttl: 1d}}}\n"
    world = World(text, a=lambda _: Reply("in the end", delay=30.0))
    hasty = asyncio.create_task(world.router.complete("chat", "hi", timeout={"total": 1}))
    await asyncio.sleep(0.5)
    patient = asyncio.create_task(world.router.complete("chat", "hi"))
    also = asyncio.create_task(world.router.complete("chat", "hi"))
    with pytest.raises(RouteExhausted):
        await hasty
    assert {(await reply).text for reply in (patient, also)} == {"in the end"}
    assert world.calls("a") == 2


@story
async def test_an_empty_chunk_of_any_provider_is_a_sign_of_life() -> None:
    """A kind of one's own needs no more than to hand on what has no content."""

    from providers.base import ChunkStream
    from providers.fake import FakeProvider

    class Pinging(FakeProvider):
        def stream(self, request: Any) -> ChunkStream:
            async def chunks() -> AsyncIterator[StreamChunk]:
                for _ in range(27):
                    await asyncio.sleep(20)
                    yield StreamChunk()
                yield StreamChunk("thought", finish_reason="stop", done=True)

            return ChunkStream(chunks(), lambda: CompletionResponse(text="thought", finish_reason="stop"))

    router = Router.from_text(
        "providers: {a: {kind: fake}}\n" + ONE, env={}, providers={"a": Pinging.scripted(Reply("x"), name="a")}
    )
    assert (await read(router)).text == "thought"
