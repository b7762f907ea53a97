"""The response cache as an app sees it: hits, expiry, stale answers, sharing calls, and what is not kept."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from msgspec.structs import replace

from providers import ErrorCode, FakeProvider, ProviderError, ProviderSettings
from providers.fake import Fail, Hang, Reply, Step
from providers.types import CompletionResponse, ToolCall, Usage
from router import RouteExhausted, Router
from router.testing import run
from tests.router.engine.test_cancellation import AtAwait, settled
from tests.router.engine.test_resilience import now

FILE = """
providers: {a: {kind: fake}, b: {kind: fake}}
models: {m: {provider: a, id: m, price: {input: 1, output: 1}}}
routes:
  chat: {targets: [m], cache: {ttl: 1hMORE}}
  plain: {targets: [m]}
cache: {path: memory}
"""
ANSWER = Reply(
    "It scatters. " * 5,
    thinking="hm",
    tool_calls=(ToolCall("1", "look", {"a": 1}, '{"a": 1}'),),
    finish_reason="tool_calls",
    usage=Usage(10, 20),
)


class Shop:
    """A router whose wall clock is the loop's, over one fake."""

    def __init__(self, *steps: Step, more: str = "") -> None:
        steps = steps or (Reply("fine", usage=Usage(10, 5)),)
        left = list(steps)
        script = {"script": lambda _: left.pop(0) if len(left) > 1 else left[0]}
        self.fake = FakeProvider(ProviderSettings(name="a", kind="fake", options=script))
        text = FILE.replace("MORE", f", {more}" if more else "")
        self.router = Router.from_text(text, env={}, seed=1, providers={"a": self.fake}, wall_clock=now)

    @property
    def calls(self) -> int:
        return len(self.fake.requests)

    async def ask(self, streamed: bool = False, prompt: str = "hi", **params: Any) -> CompletionResponse:
        if not streamed:
            return await self.router.complete("chat", prompt, **params)
        async with self.router.stream("chat", prompt, **params) as stream:
            self.chunks = [chunk async for chunk in stream]
        return stream.response


def bare(response: CompletionResponse) -> CompletionResponse:
    return replace(response, trace=None, cached=False, raw=None)


@pytest.mark.parametrize("second", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("first", [False, True], ids=["plain", "streamed"])
def test_a_hit_equals_the_miss(first: bool, second: bool) -> None:
    """All that the answer had is there again, whichever way it came and is asked for; the chunks add up to it."""

    async def main() -> None:
        shop = Shop(ANSWER)
        miss, hit = await shop.ask(first), await shop.ask(second)
        assert shop.calls == 1
        assert bare(hit) == bare(miss)
        assert (miss.cached, hit.cached, hit.stale) == (False, True, False)
        assert (miss.trace.cache, hit.trace.cache) == ("stored", "hit")
        if second:
            assert "".join(chunk.text for chunk in shop.chunks) == miss.text
            assert "".join(chunk.thinking for chunk in shop.chunks) == "hm"
            assert [delta.name for chunk in shop.chunks for delta in chunk.tool_calls] == ["look"]
            assert shop.chunks[-1].done
            assert (shop.chunks[-1].usage, shop.chunks[-1].finish_reason) == (Usage(10, 20), "tool_calls")

    run(main())


def test_what_hits_save_is_counted() -> None:
    async def main() -> None:
        shop = Shop(ANSWER)
        for _ in range(3):
            await shop.ask()
        stats = shop.router.cache.stats
        assert (stats.hits, stats.misses, stats.stored) == (2, 1, 1)
        assert (stats.input_tokens_saved, stats.output_tokens_saved) == (20, 40)
        assert stats.cost_saved == pytest.approx(2 * 30 / 1e6)

    run(main())


def test_it_expires() -> None:
    async def main() -> None:
        shop = Shop()
        await shop.ask()
        await asyncio.sleep(3600)
        assert (await shop.ask()).cached
        await asyncio.sleep(1)
        assert not (await shop.ask()).cached
        assert shop.calls == 2

    run(main())


def test_only_routes_that_say_so() -> None:
    """Another route, or the model by its own name, is called each time; nothing is said of a cache."""

    async def main() -> None:
        shop = Shop()
        for name in ("plain", "m"):
            for _ in range(2):
                reply = await shop.router.complete(name, "hi")
                assert (reply.cached, reply.trace.cache) == (False, "")
        assert shop.calls == 4

    run(main())


@pytest.mark.parametrize("streamed", [False, True])
def test_control(streamed: bool) -> None:
    """skip neither looks nor stores, refresh stores anew, only never calls."""

    async def main() -> None:
        shop = Shop(*(Reply(f"answer {number}") for number in range(9)))
        with pytest.raises(RouteExhausted, match='the cache has no answer to this \\(cache="only"\\)'):
            await shop.ask(streamed, cache="only")
        skipped = await shop.ask(streamed, cache="skip")
        assert (skipped.text, skipped.trace.cache) == ("answer 0", "skipped, as asked")
        assert (await shop.ask(streamed)).text == "answer 1"
        assert (await shop.ask(streamed, cache="skip")).text == "answer 2"
        assert (await shop.ask(streamed, cache="only")).text == "answer 1"
        assert (await shop.ask(streamed, cache="refresh")).text == "answer 3"
        assert (await shop.ask(streamed)).text == "answer 3"
        with pytest.raises(ValueError, match="one of use, skip, refresh, only"):
            await shop.ask(streamed, cache="of course")
        with pytest.raises(RouteExhausted, match="the route keeps no answers"):
            await shop.router.complete("plain", "hi", cache="only")

    run(main())


@pytest.mark.parametrize(
    ("step", "more", "why"),
    [
        (Reply("no", finish_reason="content_filter"), "", "it ended with content_filter"),
        (Reply("no", finish_reason="unknown"), "", "it ended with unknown"),
        (ANSWER, "store_tool_calls: false", "it has tool calls (cache.store_tool_calls)"),
        (Reply("x" * 2000), "max_entry: 1KB", "larger than cache.max_entry"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_not_kept(step: Step, more: str, why: str, streamed: bool) -> None:
    """The trace says why."""

    async def main() -> None:
        shop = Shop(step, more=more)
        for _ in range(2):
            reply = await shop.ask(streamed)
            assert reply.trace.cache == f"not stored: {why}"
        assert shop.calls == 2

    run(main())


def test_an_answer_that_ended_by_length_is_complete() -> None:
    async def main() -> None:
        shop = Shop(Reply("so far", finish_reason="length"))
        assert [(await shop.ask()).cached for _ in range(2)] == [False, True]

    run(main())


def test_a_broken_stream_is_not_kept() -> None:
    async def main() -> None:
        shop = Shop(Reply("abcdefgh", break_after=1), Reply("whole"))
        with pytest.raises(ProviderError) as caught:
            await shop.ask(True)
        assert caught.value.code is ErrorCode.STREAM_INTERRUPTED
        assert caught.value.partial is not None
        assert (await shop.ask(True)).text == "whole"

    run(main())


def test_what_can_not_be_a_key_is_called() -> None:
    async def main() -> None:
        shop = Shop()
        for streamed in (False, True):
            reply = await shop.ask(streamed, extra_body={"x": float("nan")})
            assert reply.trace.cache.startswith("not cacheable: ")
        assert shop.calls == 2

    run(main())


def test_namespaces_do_not_share() -> None:
    async def main() -> None:
        shop = Shop()
        for namespace in (None, "a", "b"):
            assert not (await shop.ask(namespace=namespace)).cached
            assert (await shop.ask(namespace=namespace)).cached
        assert await shop.router.cache.clear(namespace="a") == 1
        assert [(await shop.ask(namespace=name, cache="use")).cached for name in (None, "a", "b")] == [
            True,
            False,
            True,
        ]
        assert await shop.router.cache.clear(route="other") == 0
        assert await shop.router.cache.clear(route="chat") == 3
        assert await shop.router.cache.volume() == (0, 0)

    run(main())


# --- when everything is down


@pytest.mark.parametrize("streamed", [False, True])
def test_hits_and_stale_answers_while_all_is_down(streamed: bool) -> None:
    """A fresh one is served without a call; an expired one when the chain is exhausted, marked as stale."""

    async def main() -> None:
        shop = Shop(Reply("fine"), Fail(ErrorCode.AUTHENTICATION), more="stale_if_error: 2h")
        await shop.ask(streamed)
        await asyncio.sleep(1800)
        assert (await shop.ask(streamed)).cached
        await asyncio.sleep(3600)
        reply = await shop.ask(streamed)
        assert (reply.text, reply.cached, reply.stale, reply.trace.cache) == ("fine", True, True, "stale")
        assert reply.trace.attempts or reply.trace.skips
        assert shop.router.cache.stats.stale == 1
        await asyncio.sleep(7200)
        with pytest.raises(RouteExhausted):
            await shop.ask(streamed)

    run(main())


def test_the_callers_own_mistake_is_not_hidden() -> None:
    async def main() -> None:
        shop = Shop(Reply("fine"), Fail(ErrorCode.INVALID_REQUEST), more="stale_if_error: true")
        await shop.ask()
        await asyncio.sleep(4000)
        with pytest.raises(ProviderError):
            await shop.ask()

    run(main())


# --- identical requests at the same time


@pytest.mark.parametrize("kinds", ["plain", "streamed", "both"])
def test_a_hundred_at_once_make_one_call(kinds: str) -> None:
    """Early and late ones: all get the same, and it is stored."""

    async def main() -> None:
        shop = Shop(Reply("It scatters.", delay=1.0, every=0.5, chunk_size=2))

        async def one(number: int) -> CompletionResponse:
            await asyncio.sleep(number * 0.02)
            return await shop.ask(kinds == "streamed" or (kinds == "both" and number % 2 == 0))

        replies = await asyncio.gather(*(one(number) for number in range(100)))
        assert shop.calls == 1
        assert len({repr(bare(reply)) for reply in replies}) == 1
        assert [reply.trace.cache for reply in replies].count("joined") == shop.router.cache.stats.joined >= 99
        assert (await shop.ask()).cached

    run(main())


def test_late_joiners_get_the_beginning_at_once() -> None:
    async def main() -> None:
        shop = Shop(Reply("abcdefgh", every=10.0, chunk_size=1))
        first = asyncio.create_task(shop.ask(True))
        await asyncio.sleep(45)
        async with shop.router.stream("chat", "hi") as late:
            began = now()
            assert [(await anext(late)).text for _ in range(5)] == ["a", "b", "c", "d", "e"]
            assert now() == began
            rest = [chunk.text async for chunk in late]
        assert rest[:3] == ["f", "g", "h"]
        assert (await first).text == late.response.text == "abcdefgh"

    run(main())


def test_all_get_the_error_and_the_next_one_tries_again() -> None:
    async def main() -> None:
        shop = Shop(Fail(ErrorCode.MODEL_NOT_FOUND, delay=1.0), Reply("fine"))
        results = await asyncio.gather(*(shop.ask(number % 2 == 0) for number in range(6)), return_exceptions=True)
        assert all(isinstance(result, RouteExhausted) for result in results)
        assert shop.calls == 1
        shop.router.breaker("m", "reset")
        assert (await shop.ask()).text == "fine"

    run(main())


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_leader_may_leave_at_any_point(streamed: bool, late: bool) -> None:
    """The others go on undisturbed, with no further call; nothing is left behind."""

    async def one(strike: int) -> bool:
        shop = Shop(Reply("abcdef", delay=1.0, every=0.1, chunk_size=2))
        leader = AtAwait(shop.ask(streamed), strike, late=late)
        leading = asyncio.create_task(settled(leader))
        await asyncio.sleep(0)
        others = [asyncio.create_task(shop.ask(number == 0)) for number in range(2)]
        assert [reply.text for reply in await asyncio.gather(*others)] == ["abcdef"] * 2
        await leading
        assert shop.calls <= 2
        assert len(asyncio.all_tasks()) == 1
        return leader.awaits >= strike

    strike = 1
    while run(one(strike)):
        strike += 1
    assert strike > 1


@pytest.mark.parametrize("streamed", [False, True])
def test_the_last_one_to_leave_ends_the_call(streamed: bool) -> None:
    async def main() -> None:
        shop = Shop(Hang())
        tasks = [asyncio.create_task(shop.ask(streamed)) for _ in range(3)]
        await asyncio.sleep(1)
        for number, task in enumerate(tasks):
            assert shop.fake.cancelled == 0, number
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        assert shop.fake.cancelled == 1
        assert len(asyncio.all_tasks()) == 1
        target = shop.router.chain("chat").targets[0]
        assert shop.router.states.in_flight(target) == 0

    run(main())


def test_a_slow_consumer_slows_the_upstream() -> None:
    """It is read ahead by some chunks, not to its end."""

    async def main() -> None:
        shop = Shop(Reply("x" * 1000, chunk_size=1))
        async with shop.router.stream("chat", "hi") as stream:
            await anext(stream)
            await asyncio.sleep(100)
            assert len(stream.response.text) < 100  # of what came so far, whoever has had it
            assert len([chunk async for chunk in stream]) == 1000
        assert (await shop.ask(True)).cached

    run(main())


def test_closing_the_router_ends_shared_calls() -> None:
    async def main() -> None:
        shop = Shop(Hang())
        tasks = [asyncio.create_task(shop.ask(number == 0)) for number in range(2)]
        await asyncio.sleep(1)
        await shop.router.aclose()
        for task in tasks:
            with pytest.raises(ProviderError, match="the router was closed"):
                await task
        assert len(asyncio.all_tasks()) == 1

    run(main())
