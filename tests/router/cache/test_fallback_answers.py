"""What a fallback answered because a target before it failed is kept for a short time only."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from providers import ErrorCode, FakeProvider, ProviderSettings
from providers.fake import Fail, Reply, Step
from providers.types import CompletionResponse, ToolCall
from router import RouteExhausted, Router
from router.config import load_text
from router.testing import run
from tests.support.command import signalbox
from tests.support.world import now

MINUTE = 60.0
FILE = """
providers: {a: {kind: fake}, b: {kind: fake}, c: {kind: fake}}
models:
  small: {provider: a, id: small, context_window: 100, capabilities: {tools: false}}
routes:
  chat:
    targets: [small, c/other]
    balance: ordered
    fallbacks: [{to: b/m, on: any}]
    retry: {same_target: 0, max_wait: 0s}
    cache: {ttl: 1hMORE}
cache: {path: memory}
"""
DOWN = Fail(ErrorCode.OVERLOADED)


class Shop:
    """A route with a fallback; what each vendor does can be changed while it runs."""

    def __init__(self, more: str = "", file: str = FILE) -> None:
        self.does: dict[str, Step] = {"a": Reply("from a"), "b": Reply("from b"), "c": DOWN}
        fakes = self.fakes = {name: self._fake(name) for name in self.does}
        text = file.replace("MORE", f", {more}" if more else "")
        self.router = Router.from_text(text, env={}, seed=1, providers=fakes, wall_clock=now)

    def _fake(self, name: str) -> FakeProvider:
        script = {"script": lambda _: self.does[name]}
        return FakeProvider(ProviderSettings(name=name, kind="fake", options=script))

    async def ask(self, streamed: bool = False, prompt: str = "hi", **params: Any) -> CompletionResponse:
        if not streamed:
            return await self.router.complete("chat", prompt, **params)
        async with self.router.stream("chat", prompt, **params) as stream:
            async for _ in stream:
                pass
        return stream.response


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_it_outlives_an_outage_by_five_minutes_at_most(streamed: bool) -> None:
    """Meanwhile it spares the fallback the herd; then the first target is asked again, and its answer lasts."""

    async def main() -> None:
        shop = Shop()
        shop.does["a"] = DOWN
        assert (await shop.ask(streamed)).trace.cache == "stored for 5m: a fallback made it"
        shop.does["a"] = Reply("from a")
        await asyncio.sleep(4.9 * MINUTE)
        hit = await shop.ask(streamed)
        assert (hit.text, hit.cached) == ("from b", True)
        await asyncio.sleep(0.2 * MINUTE)
        assert [(reply.text, reply.cached) for reply in (await shop.ask(streamed), await shop.ask())] == [
            ("from a", False),
            ("from a", True),
        ]
        await asyncio.sleep(50 * MINUTE)
        assert (await shop.ask(streamed)).cached

    run(main())


@pytest.mark.parametrize(
    ("more", "lasts", "says"),
    [
        ("fallback_ttl: 30s", 30, "stored for 30s: a fallback made it"),
        ("fallback_ttl: 2h", 3600, "stored"),
        ("fallback_ttl: 1h", 3600, "stored"),
        ("fallback_ttl: 0", 0, "not stored: a fallback made it (cache.fallback_ttl)"),
        ("fallback_ttl: 0s, stale_if_error: true", 0, "not stored: a fallback made it (cache.fallback_ttl)"),
    ],
)
def test_the_file_says_for_how_long(more: str, lasts: float, says: str) -> None:
    """Never longer than `ttl`; 0 keeps none."""

    async def main() -> None:
        shop = Shop(more)
        shop.does["a"] = DOWN
        assert (await shop.ask()).trace.cache == says
        shop.does["a"] = Reply("from a")
        if lasts:
            await asyncio.sleep(lasts - 1)
            assert (await shop.ask()).text == "from b"
            await asyncio.sleep(2)
        assert (await shop.ask()).text == "from a"

    run(main())


@pytest.mark.parametrize("first", [DOWN, Fail(ErrorCode.RATE_LIMITED), Fail(ErrorCode.QUOTA_EXHAUSTED)])
def test_a_target_that_could_not_be_asked_has_failed_too(first: Step) -> None:
    """An open breaker, a hold, a drained target: the request after the first failure does not even ask."""

    async def main() -> None:
        shop = Shop()
        shop.does["a"] = first
        for number in range(8):
            reply = await shop.ask(prompt=f"prompt {number}")
            assert reply.trace.cache == "stored for 5m: a fallback made it"
        shop.router.drain("a")
        shop.router.drain("c")
        assert (await shop.ask(prompt="drained")).trace.cache == "stored for 5m: a fallback made it"
        assert len(shop.fakes["a"].requests) < 8

    run(main())


def test_what_lies_in_the_request_is_no_failure() -> None:
    """A prompt too long for the first target goes to the second tier every time: that is the answer it gets."""
    file = FILE.replace("[small, c/other]", "[small]")

    async def main() -> None:
        shop = Shop(file=file)
        assert (await shop.ask(prompt="word " * 500)).trace.cache == "stored"
        for code in (ErrorCode.CONTEXT_LENGTH_EXCEEDED, ErrorCode.REQUEST_TOO_LARGE, ErrorCode.UNSUPPORTED):
            shop.does["a"] = Fail(code)
            assert (await shop.ask(prompt=str(code))).trace.cache == "stored"

    run(main())


def test_another_target_of_the_same_tier_is_no_fallback() -> None:
    """Targets of one tier are equal, by the file's own word."""

    async def main() -> None:
        shop = Shop()
        shop.does |= {"a": DOWN, "c": Reply("from c")}
        reply = await shop.ask()
        assert (reply.text, reply.trace.cache) == ("from c", "stored")

    run(main())


def test_nor_is_it_in_a_later_tier() -> None:
    """The prompt is too long for the first tier, and one of the second fails: the other one there is its equal."""
    file = FILE.replace("[small, c/other]", "[small]").replace("to: b/m", "targets: [c/m, b/m], balance: ordered")

    async def main() -> None:
        reply = await Shop(file=file).ask(prompt="word " * 500)
        assert [attempt.target for attempt in reply.trace.attempts] == ["c/m", "b/m"]
        assert (reply.text, reply.trace.cache) == ("from b", "stored")

    run(main())


def test_a_stream_that_began_anew_at_a_fallback() -> None:
    """It broke in the middle: the whole answer is the fallback's."""

    async def main() -> None:
        shop = Shop(file=FILE.replace("balance: ordered", "balance: ordered\n    on_stream_break: restart"))
        shop.does["a"] = Reply("abcdefgh", break_after=1)
        reply = await shop.ask(True)
        assert (reply.text, reply.trace.cache) == ("from b", "stored for 5m: a fallback made it")

    run(main())


def test_it_is_served_stale_when_all_is_down() -> None:
    """`stale_if_error` counts from the end of its own short life."""

    async def main() -> None:
        shop = Shop("stale_if_error: 10m")
        shop.does["a"] = DOWN
        await shop.ask()
        shop.does["b"] = DOWN
        await asyncio.sleep(6 * MINUTE)
        reply = await shop.ask()
        assert (reply.text, reply.stale, reply.trace.cache) == ("from b", True, "stale")
        await asyncio.sleep(8.9 * MINUTE)
        assert (await shop.ask()).stale
        await asyncio.sleep(0.2 * MINUTE)
        with pytest.raises(RouteExhausted):
            await shop.ask()

    run(main())


@pytest.mark.parametrize("size", [10, 200_000], ids=["small", "large"])
async def test_it_says_so_on_disk(tmp_path: Path, size: int) -> None:
    """Other processes know as well that a fallback made it; `cache why` tells it."""
    file = FILE.replace("path: memory", f"path: {tmp_path / 'answers'}")
    shop = Shop(file=file)
    shop.does |= {"a": DOWN, "b": Reply("x" * size)}
    async with shop.router:
        await shop.ask()
        await shop.router.cache.written()
    (tmp_path / "routes.yaml").write_text(file.replace("MORE", ""))
    (tmp_path / "prompt").write_text("hi")
    said = await signalbox("cache", "why", "chat", "prompt", cwd=tmp_path)
    assert "a fallback made it: it lasts 5m (cache.fallback_ttl)" in said.out


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    ("step", "why"),
    [
        (Reply(""), "it is empty"),
        (Reply(" \n\t "), "it is empty"),
        (Reply("", thinking="hm"), "it is empty"),
        (Reply("", finish_reason="length"), "it is empty"),
        (Reply("I will not", finish_reason="content_filter"), "it ended with content_filter"),
        (
            Reply("", tool_calls=(ToolCall("1", "look", None, '{"a": '),), finish_reason="length"),
            "it was cut off within a tool call",
        ),
    ],
)
def test_an_answer_that_is_none_is_never_kept(step: Step, why: str, streamed: bool) -> None:
    """Nor by a fallback."""

    async def main() -> None:
        shop = Shop()
        shop.does["a"] = step
        for _ in range(2):
            assert (await shop.ask(streamed)).trace.cache == f"not stored: {why}"

    run(main())


@pytest.mark.parametrize(
    ("written", "seconds"), [("0", 0.0), ("0s", 0.0), ("'0'", None), ("90s", 90.0), ("5", None), ("true", None)]
)
def test_how_it_is_written(written: str, seconds: float | None) -> None:
    """0 needs no unit; any other number does."""
    loaded = load_text(FILE.replace("MORE", f", fallback_ttl: {written}"), env={})
    assert (loaded.file is None) == (seconds is None)
    if loaded.file is not None:
        cache = loaded.file.routes["chat"].cache
        assert cache is not None
        assert cache.fallback_ttl == seconds
