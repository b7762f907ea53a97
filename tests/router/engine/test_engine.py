"""The engine on scripted providers in virtual time: what happens when things go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from providers.errors import ErrorCode, ProviderError
from providers.fake import Fail, FakeProvider, Hang, Reply
from router import RouteExhausted, Router, UnknownRoute, WrongLoop
from router.testing import Deadlock, run

FILE = """
providers:
  a: {kind: fake}
  b: {kind: fake}
  c: {kind: fake}
models:
  one: {provider: a, id: m1, context_window: 1000}
  two: {provider: b, id: m2, context_window: 1000}
  big: {provider: c, id: m3, context_window: 1M, price: {input: 1, output: 2}}
routes:
  chat: {targets: [one], fallbacks: [two, big]}
  solo: one
  split: {targets: {one: 3, two: 1}}
  first: {targets: [one, two], balance: ordered}
  gated:
    targets: [one]
    fallbacks:
      - {to: big, on: [context_length_exceeded, content_filtered]}
"""


class World:
    """A router over three scripted providers."""

    def __init__(self, a: Any = None, b: Any = None, c: Any = None, text: str = FILE) -> None:
        steps = {"a": a, "b": b, "c": c}
        self.fakes = {
            name: FakeProvider.scripted(*(script or [Reply(f"from {name}")]), name=name)
            for name, script in steps.items()
        }
        self.router = Router.from_text(text, env={}, seed=1, providers=self.fakes)

    def calls(self) -> dict[str, int]:
        return {name: len(fake.requests) for name, fake in self.fakes.items()}

    def time(self) -> float:
        return asyncio.get_running_loop().time()


def story(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run an async test in virtual time."""

    def runner() -> None:
        run(test())

    runner.__doc__, runner.__name__ = test.__doc__, test.__name__
    return runner


@story
async def test_the_first_target_answers() -> None:
    """A healthy first target answers, and the reply says who it was."""
    world = World()
    reply = await world.router.complete("chat", "hi")
    assert (reply.text, reply.target, reply.provider, reply.route) == ("from a", "one", "a", "chat")
    assert world.calls() == {"a": 1, "b": 0, "c": 0}


@pytest.mark.parametrize(
    "code",
    [
        ErrorCode.SERVER_ERROR,
        ErrorCode.OVERLOADED,
        ErrorCode.RATE_LIMITED,
        ErrorCode.AUTHENTICATION,
        ErrorCode.PERMISSION_DENIED,
        ErrorCode.MODEL_NOT_FOUND,
        ErrorCode.QUOTA_EXHAUSTED,
        ErrorCode.TIMEOUT,
        ErrorCode.CONNECTION_FAILED,
        ErrorCode.PROTOCOL_ERROR,
        ErrorCode.UNSUPPORTED,
        ErrorCode.REQUEST_TOO_LARGE,
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_codes_that_fall_back(code: ErrorCode, streamed: bool) -> None:
    """These codes go to the next target at once, without a wait, plain and streamed alike."""

    async def body() -> None:
        world = World(a=[Fail(code)])
        if streamed:
            async with world.router.stream("chat", "hi") as stream:
                text = "".join([chunk.text async for chunk in stream])
            reply = stream.response
            assert text == reply.text
        else:
            reply = await world.router.complete("chat", "hi")
        assert (reply.text, world.time()) == ("from b", 0.0)
        assert [attempt.code for attempt in reply.trace.attempts] == [code, None]

    run(body())


@pytest.mark.parametrize("code", [ErrorCode.INVALID_REQUEST, ErrorCode.CONTENT_FILTERED, ErrorCode.CANCELLED])
def test_codes_that_do_not_fall_back(code: ErrorCode) -> None:
    """The caller's own mistakes are raised at once and cost one call."""

    async def body() -> None:
        world = World(a=[Fail(code)])
        with pytest.raises(ProviderError) as caught:
            await world.router.complete("chat", "hi")
        assert caught.value.code is code
        assert world.calls() == {"a": 1, "b": 0, "c": 0}
        assert len(caught.value.trace.attempts) == 1

    run(body())


@story
async def test_context_length_goes_only_to_a_larger_window() -> None:
    """A prompt that was too long skips targets with the same window."""
    world = World(a=[Fail(ErrorCode.CONTEXT_LENGTH_EXCEEDED)])
    reply = await world.router.complete("chat", "hi")
    assert reply.target == "big"
    assert [(skip.target, skip.reason) for skip in reply.trace.skips] == [("two", "too_small")]


@story
async def test_a_window_is_learned_from_an_error() -> None:
    """Numbers in a context error teach the window: the next such prompt never reaches that target."""
    world = World(a=[Fail(ErrorCode.CONTEXT_LENGTH_EXCEEDED, context_window=10)])
    await world.router.complete("chat", "hi")
    await world.router.complete("chat", "word " * 60)
    assert world.calls()["a"] == 1


@story
async def test_a_prompt_too_long_for_every_target() -> None:
    """When no window is large enough, the error says so without one call."""
    world = World()
    with pytest.raises(RouteExhausted) as caught:
        await world.router.complete("solo", "word " * 10_000)
    assert caught.value.code is ErrorCode.CONTEXT_LENGTH_EXCEEDED
    assert world.calls() == {"a": 0, "b": 0, "c": 0}


@story
async def test_on_gates_a_fallback() -> None:
    """A fallback with `on` serves only after the codes it names."""
    world = World(a=[Fail(ErrorCode.QUOTA_EXHAUSTED)])
    with pytest.raises(RouteExhausted) as caught:
        await world.router.complete("gated", "hi")
    assert (caught.value.code, world.calls()["c"]) == (ErrorCode.QUOTA_EXHAUSTED, 0)
    world = World(a=[Fail(ErrorCode.CONTENT_FILTERED)])
    assert (await world.router.complete("gated", "hi")).text == "from c"


@story
async def test_a_refusal_goes_to_the_tier_that_names_it() -> None:
    """A 200 with a refusal falls back where `on` names content_filtered, and is an answer elsewhere."""
    refusal = Reply("I can't", finish_reason="content_filter")
    assert (await World(a=[refusal]).router.complete("gated", "hi")).text == "from c"
    assert (await World(a=[refusal]).router.complete("chat", "hi")).finish_reason == "content_filter"


@story
async def test_retry_on_the_only_target_waits_with_jitter() -> None:
    """With nothing else to try, the same target is tried again after a backoff of at most 250 ms."""
    world = World(a=[Fail(ErrorCode.SERVER_ERROR), Reply("second")])
    reply = await world.router.complete("solo", "hi")
    assert reply.text == "second"
    assert 0 < world.time() <= 0.25
    assert world.calls()["a"] == 2


@story
async def test_no_wait_after_the_last_attempt() -> None:
    """A dead only target costs same_target + 1 attempts, one backoff between them and none after."""
    world = World(a=[Fail(ErrorCode.SERVER_ERROR, delay=1.0)])
    with pytest.raises(RouteExhausted) as caught:
        await world.router.complete("solo", "hi")
    assert len(caught.value.attempts) == 2
    last = caught.value.attempts[-1]
    assert world.time() == pytest.approx(last.at + last.seconds)


@story
async def test_retry_after_beats_the_backoff() -> None:
    """A short Retry-After is waited for exactly; one longer than max_wait is not waited for at all."""
    world = World(a=[Fail(ErrorCode.RATE_LIMITED, retry_after=3.0), Reply("later")])
    assert (await world.router.complete("solo", "hi")).text == "later"
    assert world.time() == pytest.approx(3.0)
    world = World(a=[Fail(ErrorCode.RATE_LIMITED, retry_after=60.0)])
    with pytest.raises(RouteExhausted) as caught:
        await world.router.complete("solo", "hi")
    assert (caught.value.retry_after, world.calls()["a"]) == (60.0, 1)


@story
async def test_an_old_connection_that_was_closed_is_renewed_at_once() -> None:
    """The same target is called again before any other, without a wait; that is no further attempt of the request."""
    stale = Fail(ErrorCode.CONNECTION_FAILED, phase="read", stale_connection=True)
    text = FILE + "defaults: {retry: {max_attempts: 1, same_target: 0}}\n"
    world = World(a=[stale, Reply("again")], text=text)
    reply = await world.router.complete("chat", "hi")
    assert (reply.text, world.time(), world.calls()["b"]) == ("again", 0.0, 0)

    world = World(a=[stale], text=text)
    with pytest.raises(RouteExhausted):  # once: the next is a failure as any other
        await world.router.complete("chat", "hi")
    assert world.calls()["a"] == 2


@story
async def test_an_answer_that_broke_goes_to_the_next_target() -> None:
    """The vendor may have made it, and is not asked to make it again while another can."""
    world = World(a=[Fail(ErrorCode.CONNECTION_FAILED, phase="read"), Reply("again")])
    reply = await world.router.complete("chat", "hi")
    assert (reply.text, world.calls()["a"], world.calls()["b"]) == ("from b", 1, 1)


@story
async def test_the_attempt_cap_holds_over_the_whole_chain() -> None:
    """retry.max_attempts bounds one request over all its targets."""
    dead = [Fail(ErrorCode.CONNECTION_FAILED, phase="read")]
    world = World(a=dead, b=dead, c=dead, text=FILE + "defaults: {retry: {max_attempts: 4}}\n")
    with pytest.raises(RouteExhausted) as caught:
        await world.router.complete("chat", "hi")
    assert len(caught.value.attempts) == 4
    assert "max_attempts" in str(caught.value)


@story
async def test_a_hanging_target_costs_its_answer_timeout() -> None:
    """No answer within `answer` is a timeout; the next target answers."""
    world = World(a=[Hang()], text=FILE + "defaults: {timeout: {answer: 30s}}\n")
    reply = await world.router.complete("chat", "hi")
    assert (reply.text, world.time()) == ("from b", 30.0)
    assert world.fakes["a"].cancelled == 1


@story
async def test_the_deadline_bounds_everything() -> None:
    """timeout.total ends the request, whatever is still to be tried."""
    world = World(a=[Hang()], b=[Hang()], c=[Hang()], text=FILE + "defaults: {timeout: {answer: 30s, total: 45s}}\n")
    with pytest.raises(RouteExhausted) as caught:
        await world.router.complete("chat", "hi")
    assert world.time() == pytest.approx(45.0)
    assert [attempt.code for attempt in caught.value.attempts] == [ErrorCode.TIMEOUT] * 2
    assert "timeout.total" in str(caught.value)


@story
async def test_no_backoff_reaches_past_the_deadline() -> None:
    """A retry that could not start before the deadline is not waited for."""
    fail = [Fail(ErrorCode.RATE_LIMITED, retry_after=8.0)]
    world = World(a=fail, text=FILE + "defaults: {timeout: {total: 5s}}\n")
    with pytest.raises(RouteExhausted):
        await world.router.complete("solo", "hi")
    assert world.time() == 0.0


@story
async def test_a_stream_breaks_after_content() -> None:
    """After its first content a broken stream raises stream_interrupted with the partial answer."""
    world = World(a=[Reply("half of it and more", break_after=2, break_with=ErrorCode.CONNECTION_FAILED)])
    got = ""
    with pytest.raises(ProviderError) as caught:
        async with world.router.stream("chat", "hi") as stream:
            async for chunk in stream:
                got += chunk.text
    assert caught.value.code is ErrorCode.STREAM_INTERRUPTED
    assert caught.value.partial is not None
    assert (got, caught.value.partial.text, world.calls()["b"]) == ("half of ", "half of ", 0)


@story
async def test_a_stream_breaks_before_content() -> None:
    """Before any content a broken stream fails over unseen."""
    world = World(a=[Reply("never seen", break_after=0)])
    async with world.router.stream("chat", "hi") as stream:
        assert "".join([chunk.text async for chunk in stream]) == "from b"


@story
async def test_an_idle_stream_times_out() -> None:
    """A stream that says no more for `idle` (a minute) is interrupted."""
    world = World(a=[Reply("starts and stalls", delay=5.0, hang_after=2)])
    with pytest.raises(ProviderError) as caught:
        async with world.router.stream("chat", "hi") as stream:
            async for _ in stream:
                pass
    assert (caught.value.code, world.time()) == (ErrorCode.STREAM_INTERRUPTED, 65.0)


@story
async def test_a_slow_consumer_is_not_idle() -> None:
    """Time that the consumer takes between two chunks is not the vendor's idleness."""
    world = World(a=[Reply("abcdefgh", chunk_size=1)], text=FILE + "defaults: {timeout: {idle: 1s, total: 1h}}\n")
    async with world.router.stream("chat", "hi") as stream:
        text = ""
        async for chunk in stream:
            text += chunk.text
            await asyncio.sleep(20)
    assert text == "abcdefgh"


@story
async def test_leaving_a_stream_closes_it_upstream() -> None:
    """Leaving the context in mid-answer cancels the vendor's call, and leaves no task behind."""
    world = World(a=[Reply("a long answer", every=1.0)])
    async with world.router.stream("chat", "hi") as stream:
        async for _ in stream:
            break
    assert world.fakes["a"].cancelled == 1
    assert len(asyncio.all_tasks()) == 1


@story
async def test_cancelling_a_call_cancels_it_upstream() -> None:
    """A cancelled call is not tried elsewhere."""
    world = World(a=[Hang()])
    task = asyncio.create_task(world.router.complete("chat", "hi"))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.fakes["a"].cancelled == 1
    assert world.calls()["b"] == 0


@story
async def test_weights_are_kept_exactly() -> None:
    """Weights 3 and 1 give 75 and 25 of 100 calls, evenly spread."""
    world = World()
    targets = [(await world.router.complete("split", "hi")).target for _ in range(100)]
    assert (targets.count("one"), targets.count("two")) == (75, 25)
    assert all(targets[i : i + 4].count("two") == 1 for i in range(0, 100, 4))


@story
async def test_ordered_takes_the_first() -> None:
    """`ordered` always starts with the first as written."""
    world = World()
    assert {(await world.router.complete("first", "hi")).target for _ in range(5)} == {"one"}


@story
async def test_names_that_a_call_may_use() -> None:
    """A route, a model and provider/model-id all answer; anything else is named with the nearest."""
    world = World()
    assert (await world.router.complete("two", "hi")).target == "two"
    reply = await world.router.complete("c/some/model:tag", "hi")
    assert (reply.provider, world.fakes["c"].requests[0].model) == ("c", "some/model:tag")
    with pytest.raises(UnknownRoute, match='did you mean "chat"'):
        await world.router.complete("chta", "hi")


@story
async def test_cost_follows_the_price() -> None:
    """10 tokens in at 1 USD and 5 out at 2 USD a million cost 20 millionths of a dollar."""
    reply = await World().router.complete("big", "hi")
    assert reply.cost == pytest.approx(20e-6)


@story
async def test_an_unknown_parameter_is_named() -> None:
    """A misspelled parameter is an error that says the right one, not silently dropped."""
    with pytest.raises(TypeError, match='did you mean "temperature"'):
        await World().router.complete("chat", "hi", temprature=1)


@story
async def test_params_of_the_file_are_defaults() -> None:
    """A model's params hold where the call says nothing, and extra_body reaches the vendor as it is."""
    text = FILE.replace("id: m1,", "id: m1, params: {max_tokens: 7, temperature: 0.5, extra_body: {top_k: 3}},")
    world = World(text=text)
    await world.router.complete("chat", "hi", temperature=0)
    sent = world.fakes["a"].requests[0]
    assert (sent.max_tokens, sent.temperature, sent.extra_body) == (7, 0, {"top_k": 3})


def test_a_router_moves_to_a_new_loop_when_the_old_is_closed() -> None:
    """One router serves one asyncio.run after another."""
    world = World()
    for _ in range(2):
        assert run(world.router.complete("chat", "hi")).text == "from a"


def test_a_second_running_loop_is_refused() -> None:
    """Use from a second loop at the same time is an error that names SyncRouter."""
    world = World()

    async def outer() -> None:
        await world.router.complete("chat", "hi")
        with pytest.raises(WrongLoop, match="SyncRouter"):
            await asyncio.to_thread(lambda: asyncio.run(world.router.complete("chat", "hi")))

    asyncio.run(outer())


def test_virtual_time_sees_a_deadlock() -> None:
    """Waiting for what never comes is an error in virtual time, not a hanging test."""

    async def forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run(forever())


def test_the_trace_reads_well() -> None:
    """RouteExhausted lists every attempt on a line with target, code, milliseconds and the vendor's words."""

    async def body() -> None:
        fail = [Fail(ErrorCode.OVERLOADED, "come back later", delay=0.2, status=503)]
        world = World(a=fail, b=[Fail(ErrorCode.QUOTA_EXHAUSTED, "no money")], c=[Fail(ErrorCode.TIMEOUT)])
        with pytest.raises(RouteExhausted) as caught:
            await world.router.complete("chat", "hi")
        lines = str(caught.value).splitlines()
        assert lines[0].startswith('route "chat" is exhausted after 4 attempts')
        assert lines[1] == "  one  overloaded HTTP 503  200 ms  come back later"
        assert caught.value.code is ErrorCode.QUOTA_EXHAUSTED

    run(body())
