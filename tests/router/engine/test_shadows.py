"""Copies of requests for somebody else: callers never wait for them, see them, or pay for what becomes of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from providers import FakeProvider, ProviderError, ProviderSettings
from providers.errors import ErrorCode
from providers.fake import Fail, Hang, Reply, Step
from providers.types import CompletionRequest, Usage
from router import Router
from router.config import load_text
from router.plan.compile import compile_plan
from router.testing import run
from router.views.figures import ShadowFigures
from router.views.shadows import compared

FILE = """
providers: {a: {kind: fake}, b: {kind: fake, limits: LIMITS, budget: $9/d}}
models:
  stable: {provider: a, id: m, price: {input: 5, output: 5}}
  other: {provider: b, id: m, price: {input: 1, output: 1}, breaker: {consecutive: 3}}
routes:
  chat: {targets: [stable], shadow: SHADOW, budget: $9/d, MORE}
  direct: {targets: [other], retry: {max_wait: 0s}}
"""
ANSWER = Reply("four words are here", usage=Usage(input_tokens=1000, output_tokens=1000), delay=1.0)
COPY = Reply("two words", usage=Usage(input_tokens=1000, output_tokens=500), delay=3.0)


def provider(name: str, script: Callable[[CompletionRequest], Step]) -> FakeProvider:
    return FakeProvider(ProviderSettings(name=name, kind="fake", options={"script": script}))


class Shop:
    def __init__(
        self,
        shadow: str = "{to: other, share: 100%}",
        *,
        copy: Callable[[], Step] = lambda: COPY,
        answer: Callable[[], Step] = lambda: ANSWER,
        limits: str = "{}",
        more: str = "",
    ) -> None:
        text = FILE.replace("SHADOW", shadow).replace("LIMITS", limits).replace(", MORE", f", {more}" if more else "")
        self.a, self.b = provider("a", lambda _: answer()), provider("b", lambda _: copy())
        plan = compile_plan(load_text(text, env={}))
        loop = asyncio.get_running_loop()
        self.router = Router(plan, seed=1, providers={"a": self.a, "b": self.b}, wall_clock=lambda: 1e9 + loop.time())

    @property
    def shadow(self) -> ShadowFigures:
        (figures,) = self.router.snapshot().shadows
        return figures

    async def ask(self, **params: Any) -> str:
        return (await self.router.complete("chat", "hi", **params)).text


def test_callers_get_their_own_answer_in_their_own_time() -> None:
    async def main() -> None:
        shop = Shop()
        assert await shop.ask() == ANSWER.text
        assert asyncio.get_running_loop().time() == pytest.approx(1.0)
        assert not shop.b.requests, "a copy begins when the caller has the whole answer"
        await asyncio.sleep(10)
        assert len(shop.b.requests) == 1
        assert shop.b.requests[0].messages == shop.a.requests[0].messages

    run(main())


def test_streams_are_copied_when_they_have_ended() -> None:
    async def main() -> None:
        shop = Shop()
        async with shop.router.stream("chat", "hi") as stream:
            async for _ in stream:
                assert not shop.b.requests
        await asyncio.sleep(10)
        assert shop.shadow.answered == 1
        async with shop.router.stream("chat", "hi") as stream:
            await anext(stream)
        await asyncio.sleep(10)
        assert shop.shadow.answered == 1, "what its caller left is not copied: there is nothing to compare"

    run(main())


def test_the_difference_is_told() -> None:
    async def main() -> None:
        shop = Shop()
        for _ in range(4):
            await shop.ask()
        await asyncio.sleep(10)
        found = shop.shadow
        assert (found.route, found.to, found.answered, found.failed, found.dropped) == ("chat", "other", 4, 0, 0)
        assert (found.each("seconds"), found.each("of_callers")) == (pytest.approx(3.0), pytest.approx(1.0))
        assert (found.each("cost"), found.each("cost_of_callers")) == (pytest.approx(0.0015), pytest.approx(0.01))
        assert (found.each("tokens"), found.each("tokens_of_callers")) == (500, 1000)

    run(main())


def test_refusals_and_errors_are_counted() -> None:
    steps = iter([Reply("no", finish_reason="content_filter"), Fail(ErrorCode.SERVER_ERROR), COPY])

    async def main() -> None:
        shop = Shop(copy=lambda: next(steps))
        for _ in range(3):
            await shop.ask()
            await asyncio.sleep(10)
        found = shop.shadow
        assert (found.answered, found.refused, found.refused_of_callers, found.failed) == (2, 1, 0, 1)
        assert found.codes == {"server_error": 1}

    run(main())


def test_only_a_share_is_copied() -> None:
    async def main() -> None:
        shop = Shop("{to: other, share: 20 %, in_flight: 500}")
        for _ in range(500):
            await shop.ask()
        await asyncio.sleep(10)
        assert 70 <= len(shop.b.requests) <= 130

    run(main())


def test_its_failures_open_no_breaker_that_callers_see() -> None:
    async def main() -> None:
        shop = Shop(copy=lambda: Fail(ErrorCode.SERVER_ERROR))
        for _ in range(10):
            await shop.ask()
            await asyncio.sleep(1)
        assert shop.shadow.failed >= 3
        sent = len(shop.b.requests)
        assert sent <= 5, "a breaker of its own spares the vendor"
        target = shop.router.chain("other").targets[0]
        assert shop.router.states.target(target).breaker.state == "closed"
        assert not [event for event in shop.router.telemetry.events if event.kind in ("breaker", "hold")]
        assert shop.router.snapshot().figures.totals.failed == 0
        with pytest.raises(Exception, match="server_error"):
            await shop.router.complete("direct", "hi")
        assert len(shop.b.requests) > sent, "callers are let through"

    run(main())


def test_a_vendors_wait_for_a_copy_holds_no_caller() -> None:
    steps = iter([Fail(ErrorCode.RATE_LIMITED, retry_after=60.0), COPY, COPY])

    async def main() -> None:
        shop = Shop(copy=lambda: next(steps))
        await shop.ask()
        await asyncio.sleep(5)
        assert (await shop.router.complete("direct", "hi")).text == COPY.text
        await shop.ask()
        await asyncio.sleep(5)
        assert (shop.shadow.failed, shop.shadow.dropped) == (1, 1)

    run(main())


def test_it_has_its_own_budget_and_counts_in_no_other() -> None:
    async def main() -> None:
        shop = Shop("{to: other, share: 100%, budget: $0.003/d}")
        for _ in range(5):
            await shop.ask(caller="ann")
            await asyncio.sleep(10)
        assert len(shop.b.requests) == 2
        assert shop.shadow.dropped == 3
        spent = {each.owner: each.usd for each in shop.router.spending}
        assert spent == {"provider b": 0, "route chat": pytest.approx(0.05), "shadow chat": pytest.approx(0.003)}

    run(main())


def test_the_rules_of_a_route_that_gets_the_copies_hold_for_them() -> None:
    async def main() -> None:
        text = FILE.replace("LIMITS", "{}").replace("SHADOW", "{to: ruled, share: 100%}").replace(", MORE", "")
        text += "  ruled: {when: [{if: {tags: {tier: paid}}, to: other}], targets: [a/n]}\n"
        fakes = {name: provider(name, lambda _: COPY) for name in "ab"}
        router = Router(compile_plan(load_text(text, env={})), seed=1, providers=fakes)
        await router.complete("chat", "hi", tags={"tier": "paid"})
        await asyncio.sleep(10)
        assert [len(fakes[name].requests) for name in "ab"] == [1, 1]
        await router.complete("chat", "hi")
        await asyncio.sleep(10)
        assert [len(fakes[name].requests) for name in "ab"] == [3, 1]

    run(main())


def test_its_budget_may_be_one_for_each_user() -> None:
    async def main() -> None:
        shop = Shop("{to: other, share: 100%, budget: {usd: 0.001/d, by: user}}")
        for user in ("ann", "ann", "bob", "ann"):
            await shop.ask(user=user)
            await asyncio.sleep(10)
        assert [request.user for request in shop.b.requests] == ["ann", "bob"]

    run(main())


def test_half_of_a_vendors_limit_is_left_to_callers() -> None:
    async def main() -> None:
        shop = Shop(limits="{requests: 10/h}")
        for _ in range(10):
            await shop.ask()
            await asyncio.sleep(10)
        assert len(shop.b.requests) == 6, "up to half, and the one that crosses it"
        assert shop.shadow.dropped == 4
        for _ in range(4):
            await shop.router.complete("direct", "hi")

    run(main())


def test_those_at_a_time_are_bounded_and_the_rest_is_left_out() -> None:
    async def main() -> None:
        shop = Shop("{to: other, share: 100%, in_flight: 2}", copy=lambda: Hang())
        for _ in range(5):
            await shop.ask()
        assert len(shop.b.requests) == 2
        assert shop.shadow.dropped == 3

    run(main())


def test_the_end_does_not_wait_for_copies() -> None:
    async def main() -> None:
        shop = Shop(copy=lambda: Hang())
        async with shop.router:
            await shop.ask()
            await asyncio.sleep(1)
            assert len(shop.b.requests) == 1
            before = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - before < 1
        assert shop.b.cancelled == 1

    run(main())


def test_what_failed_or_came_out_of_the_cache_is_not_copied() -> None:
    steps: list[Step] = [Fail(ErrorCode.INVALID_REQUEST), ANSWER]

    async def main() -> None:
        shop = Shop(answer=lambda: steps.pop(0), more="cache: 1h")
        with pytest.raises(ProviderError):
            await shop.ask()
        await shop.ask()
        assert (await shop.router.complete("chat", "hi")).cached
        await asyncio.sleep(10)
        assert len(shop.b.requests) == 1

    run(main())


def test_a_whole_route_may_get_the_copies() -> None:
    async def main() -> None:
        shop = Shop("{to: direct, share: 100%}")
        await shop.ask(only="stable", timeout={"answer": 2.0})
        await asyncio.sleep(10)
        assert shop.shadow.answered == 1, "what the caller says of who is asked, and how long, is not meant for it"

    run(main())


def test_an_edit_takes_it_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path))
    path = tmp_path / "routes.yaml"
    text = FILE.replace("LIMITS", "{}").replace(", MORE", "").replace(", budget: $9/d", "")
    path.write_text(text.replace("SHADOW", "{to: other, share: 100%}"))

    async def main() -> None:
        fakes = {name: provider(name, lambda _: Reply("hi")) for name in "ab"}
        async with Router.from_yaml(path, env={}, watch=False, providers=fakes, monitor=False) as router:
            await router.complete("chat", "hi")
            while not fakes["b"].requests:
                await asyncio.sleep(0)
            path.write_text(text.replace(", shadow: SHADOW", ""))
            assert (await router.reload()).changes == ("chat: shadow 100% to other→none",)
            assert not router.snapshot().shadows
            await router.complete("chat", "hi")
            await asyncio.sleep(0.05)
            assert len(fakes["b"].requests) == 1

    asyncio.run(main())


def test_the_log_marks_copies(tmp_path: Path) -> None:
    text = FILE.replace("SHADOW", "{to: other, share: 100%}").replace("LIMITS", "{}").replace(", MORE", "")
    text += f"telemetry: {{capture: full, log: {{path: {tmp_path}}}}}\n"
    usage = Usage(input_tokens=10, output_tokens=10)

    async def main() -> None:
        fakes = {name: FakeProvider.scripted(Reply(f"by {name}", usage=usage), name=name) for name in "ab"}
        async with Router.from_text(text, env={}, providers=fakes, monitor=False) as router:
            await router.complete("chat", "hi", tags={"team": "red"})
            async with asyncio.timeout(60):
                while not (shadows := router.snapshot().shadows) or not shadows[0].answered:
                    await asyncio.sleep(0)

    asyncio.run(main())
    (log,) = tmp_path.glob("*.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["route"], line["target"], line.get("shadow", False)) for line in lines] == [
        ("chat", "stable", False),
        ("chat", "other", True),
    ]
    assert len({line["id"] for line in lines}) == 2
    assert lines[1]["tags"] == {"team": "red"}
    assert [line["captured"]["answer"] for line in lines] == ["by a", "by b"]


def test_what_is_shown_says_both_sides() -> None:
    figures = ShadowFigures(
        "chat", "other", answered=4, failed=2, dropped=3, refused=1, seconds=12.0, of_callers=4.0,
        cost=0.004, cost_of_callers=0.04, tokens=400, tokens_of_callers=800, codes={"timeout": 2},
    )  # fmt: skip
    assert ", ".join(compared(figures)) == (
        "4 of 6 answered (timeout 2), refused 1 (callers 0), 3 s (callers 1 s), $0.001 (callers $0.01), "
        "100 tokens (callers 200 tokens), 3 left out"
    )
    assert compared(ShadowFigures("chat", "other")) == ["0 of 0 answered"]
