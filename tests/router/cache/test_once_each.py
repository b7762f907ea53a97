"""Of a text that two requests embed at the same time the vendor is asked once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from providers import ErrorCode, FakeProvider, ProviderError
from providers.fake import Fail, Hang, Reply
from providers.made_up import vector_of
from router import Router
from router.testing import run

FILE = """
providers: {a: {kind: fake}}
models: {small: {provider: a, id: emb, embeds: {dimensions: 8}, price: {input: 1000}}}
routes:
  kept: {embeds: true, targets: [small], cache: 1h, retry: {max_attempts: 1}}
  free: {embeds: true, targets: [small]}
cache: {path: memory}
"""
SLOW = Reply(delay=1.0)


def routed(*script: Any) -> tuple[Router, FakeProvider]:
    fake = FakeProvider.scripted(*(script or (SLOW,)), name="a")
    return Router.from_text(FILE, env={}, providers={"a": fake}, seed=1, monitor=False), fake


def expected(*texts: str) -> bytes:
    return b"".join(vector_of(text, 8) for text in texts)


def ran(story: Callable[[], Any]) -> Any:
    return run(story())


def sent(fake: FakeProvider) -> list[Any]:
    return [request.inputs for request in fake.requests]


def test_identical_requests_make_one_call() -> None:
    async def story() -> None:
        router, fake = routed()
        async with router:
            replies = await asyncio.gather(*[router.embed("kept", ["x", "y"]) for _ in range(5)])
            assert sent(fake) == [("x", "y")]
            assert {reply.data for reply in replies} == {expected("x", "y")}
            assert sorted(reply.trace.cache for reply in replies) == ["joined"] * 4 + ["stored"]
            assert not any(reply.cached for reply in replies)
            assert router.cache.stats.joined == 8
            figures = router.snapshot().routes[0].figures.totals
            assert (figures.calls, figures.errors, figures.cost) == (5, {}, pytest.approx(replies[0].cost))

    ran(story)


def test_each_input_is_asked_for_once_however_requests_overlap() -> None:
    async def story() -> None:
        router, fake = routed()
        asked = [["x", "y"], ["y", "z"], ["z", "x"], ["w", "y", "x", "y"]]
        async with router:
            replies = await asyncio.gather(*[router.embed("kept", texts) for texts in asked])
        assert sent(fake) == [("x", "y"), ("z",), ("w",)]
        for texts, reply in zip(asked, replies, strict=True):
            assert reply.data == expected(*texts)
        assert [reply.trace.cache for reply in replies] == [
            "stored",
            "joined for 1 of 2",
            "joined",
            "joined for 3 of 4",
        ]

    ran(story)


def test_nobody_waits_for_a_call_longer_than_it_takes() -> None:
    async def story() -> None:
        router, _ = routed()
        async with router:
            began = asyncio.get_running_loop().time()
            await asyncio.gather(router.embed("kept", ["x"]), router.embed("kept", ["x", "y"]))
            assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)

    ran(story)


def test_when_the_first_leaves_one_of_the_others_makes_the_call() -> None:
    async def story() -> None:
        router, fake = routed()
        async with router:
            first = asyncio.ensure_future(router.embed("kept", "x"))
            await asyncio.sleep(0.5)
            others = asyncio.gather(*[router.embed("kept", "x") for _ in range(3)])
            await asyncio.sleep(0.1)
            first.cancel()
            assert {reply.data for reply in await others} == {expected("x")}
        assert len(fake.requests) == 2

    ran(story)


def test_a_failure_is_of_the_request_that_had_it() -> None:
    """It may have been due to another input: those who waited make their own calls, all at once."""

    async def story() -> None:
        router, fake = routed(Fail(ErrorCode.INVALID_REQUEST, delay=1.0), SLOW)
        async with router:
            first, *others = await asyncio.gather(
                router.embed("kept", ["x", "bad"]),
                *[router.embed("kept", "x") for _ in range(2)],
                return_exceptions=True,
            )
            assert isinstance(first, ProviderError)
            assert [other.data for other in others] == [expected("x")] * 2  # type: ignore[union-attr]  # they are answers
            assert asyncio.get_running_loop().time() < 2.5
        assert len(fake.requests) == 3

    ran(story)


def test_who_waits_has_a_deadline_too() -> None:
    async def story() -> None:
        router, _ = routed(Hang())
        async with router:
            first = asyncio.ensure_future(router.embed("kept", "x", timeout={"total": 5}))
            await asyncio.sleep(1)
            with pytest.raises(Exception, match=r"total|deadline|time"):
                await router.embed("kept", "x", timeout={"total": 5})
            assert asyncio.get_running_loop().time() < 6.5
            with pytest.raises(Exception, match=r"total|deadline|time"):
                await first

    ran(story)


@pytest.mark.parametrize("more", [{"namespace": "ann"}, {"timeout": {"total": 9}}, {"cache": "skip"}])
def test_who_asks_otherwise_makes_a_call_of_its_own(more: dict[str, Any]) -> None:
    async def story() -> None:
        router, fake = routed()
        async with router:
            await asyncio.gather(router.embed("kept", "x"), router.embed("kept", "x", **more))
        assert len(fake.requests) == 2

    ran(story)


def test_a_route_without_a_cache_shares_nothing() -> None:
    async def story() -> None:
        router, fake = routed()
        async with router:
            await asyncio.gather(router.embed("free", "x"), router.embed("free", "x"))
        assert len(fake.requests) == 2

    ran(story)


def test_who_leaves_at_any_moment_leaves_nothing_behind() -> None:
    async def story() -> None:
        router, _ = routed()
        async with router:
            for moment in range(30):
                tasks = [asyncio.ensure_future(router.embed("kept", [f"{moment}", f"{n}-{moment}"])) for n in range(3)]
                for _ in range(moment):
                    await asyncio.sleep(0)
                tasks[moment % 3].cancel()
                done = await asyncio.gather(*tasks, return_exceptions=True)
                assert sum(isinstance(each, BaseException) for each in done) <= 1
            assert (await router.embed("kept", "x")).data == expected("x")
            assert router.snapshot().routes[0].figures.in_flight == 0

    ran(story)
