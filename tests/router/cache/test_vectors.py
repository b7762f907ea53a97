"""Vectors are kept one by one: a request asks for those alone that are not known."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from providers import EmbeddingRequest, EmbeddingResponse, ErrorCode, FakeProvider, Usage
from providers.fake import Fail, Reply
from providers.made_up import vector_of
from router import RouteExhausted, Router
from router.cache.disk import Disk
from router.testing import run
from tests.support.edits import save

FILE = """
providers: {{a: {{kind: fake}}, b: {{kind: fake}}}}
models:
  small: {{provider: a, id: emb, embeds: {{{embeds}}}, price: {{input: 1000}}}}
  twin: {{provider: b, id: other, embeds: {{same_as: small}}}}
routes:
  kept: {{embeds: true, targets: [small], cache: {{ttl: 1h{cache}}}}}
  other: {{embeds: true, targets: [small], cache: 1h}}
cache: {{path: {path}}}
"""


def routed(path: Path | str = "memory", *, embeds: str = "dimensions: 8", cache: str = "", **more: Any) -> Any:
    a = FakeProvider.scripted(Reply(), name="a")
    text = FILE.format(path=path, embeds=embeds, cache=cache)
    return Router.from_text(text, env={}, providers={"a": a, "b": a}, seed=1, monitor=False, **more), a


def expected(*texts: str) -> bytes:
    return b"".join(vector_of(text, 8) for text in texts)


def ran(story: Callable[[], Any]) -> Any:
    return run(story())


def sent(fake: FakeProvider) -> list[Any]:
    return [request.inputs for request in fake.requests]


def test_of_a_hundred_with_98_known_two_are_asked_for() -> None:
    async def story() -> None:
        router, a = routed()
        texts = [f"text {number}" for number in range(100)]
        async with router:
            await router.embed("kept", texts[:98])
            response = await router.embed("kept", texts)
            assert sent(a)[1:] == [("text 98", "text 99")]
            assert response.data == expected(*texts)
            assert response.trace.cache == "hit for 98 of 100"
            assert not response.cached
            assert response.cost == pytest.approx(2 * 1000 / 1e6)  # of what was called for
            again = await router.embed("kept", list(reversed(texts)))
            assert again.cached
            assert again.data == expected(*reversed(texts))
            assert len(a.requests) == 2
            stats = router.cache.stats
            assert (stats.hits, stats.misses, stats.stored) == (198, 100, 100)
            assert stats.cost_saved == pytest.approx(198 * 1000 / 1e6)
            figures = router.snapshot().routes[0].figures.totals
            assert (figures.calls, figures.cache_hits) == (3, 1)

    ran(story)


def test_the_same_text_twice_is_asked_for_once() -> None:
    async def story() -> None:
        router, a = routed()
        async with router:
            assert (await router.embed("kept", ["x", "y", "x"])).data == expected("x", "y", "x")
        assert sent(a) == [("x", "y")]

    ran(story)


@pytest.mark.parametrize(
    "other",
    [
        {"namespace": "ann"},
        {"dimensions": 4},
        {"input_type": "query"},
        {"truncate": True},
        {"extra_body": {"task": "x"}},
    ],
)
def test_what_may_change_a_vector_is_part_of_its_key(other: dict[str, Any]) -> None:
    async def story() -> None:
        router, a = routed(embeds="dimensions: 8, shortens: true")
        async with router:
            await router.embed("kept", "x")
            assert not (await router.embed("kept", "x", **other)).cached
            assert (await router.embed("kept", "x", **other)).cached
            assert (await router.embed("kept", "x", dimensions=8)).cached  # which it has unasked
            assert (await router.embed("kept", "x", user="ann", caller="me", timeout={"answer": 5})).cached
        assert len(a.requests) == 2

    ran(story)


def test_tokens_and_the_text_of_tokens_are_two_inputs() -> None:
    async def story() -> None:
        router, a = routed()
        async with router:
            await router.embed("kept", [1, 2])
            await router.embed("kept", "[[1,2]]")
            assert (await router.embed("kept", [[1, 2]])).cached
        assert len(a.requests) == 2

    ran(story)


async def test_a_twin_is_no_other_model(tmp_path: Path) -> None:
    """What is kept stays when a fallback of the same vectors is added; another model has its own."""
    text, file = FILE.format(path="memory", embeds="dimensions: 8", cache=""), tmp_path / "routes.yaml"
    file.write_text(text)
    a = FakeProvider.scripted(Reply(), name="a")
    async with Router.from_yaml(file, env={}, watch=False, providers={"a": a, "b": a}, monitor=False) as router:
        await router.embed("kept", "x")
        more = text.replace("targets: [small], cache: {ttl", "targets: [small], fallbacks: [twin], cache: {ttl")
        save(file, more)
        assert (await router.reload()).accepted
        assert len(router.chain("kept").targets) == 2
        assert (await router.embed("kept", "x")).cached
        save(file, text.replace("id: emb", "id: emb2"))
        assert (await router.reload()).accepted
        assert not (await router.embed("kept", "x")).cached
    assert len(a.requests) == 2


def test_each_control_does_what_it_says() -> None:
    async def story() -> None:
        router, a = routed()
        async with router:
            with pytest.raises(RouteExhausted) as caught:
                await router.embed("kept", ["x"], cache="only")
            assert caught.value.code is ErrorCode.UNSUPPORTED
            await router.embed("kept", ["x"])
            assert (await router.embed("kept", ["x"], cache="only")).cached
            with pytest.raises(RouteExhausted, match="1 of 2"):
                await router.embed("kept", ["x", "y"], cache="only")
            assert not (await router.embed("kept", ["x"], cache="skip")).cached
            assert not (await router.embed("kept", ["x"], cache="refresh")).cached
            assert len(a.requests) == 3
            assert await router.cache.clear(route="other") == 0
            assert await router.cache.clear(route="kept") == 1
            assert not (await router.embed("kept", ["x"])).cached

    ran(story)


def test_a_vector_is_served_for_its_ttl() -> None:
    now = 1_700_000_000.0

    async def story() -> None:
        nonlocal now
        router, a = routed(wall_clock=lambda: now)
        async with router:
            await router.embed("kept", "x")
            now += 3599
            assert (await router.embed("kept", "x")).cached
            now += 2
            assert not (await router.embed("kept", "x")).cached
        assert len(a.requests) == 2

    ran(story)


def test_a_failure_keeps_nothing_and_what_was_known_is_still_served() -> None:
    async def story() -> None:
        router, a = routed()
        async with router:
            await router.embed("kept", "x")
            a.script = [Fail(ErrorCode.SERVER_ERROR)]
            with pytest.raises(RouteExhausted):
                await router.embed("kept", ["x", "y"])
            assert (await router.embed("kept", "x")).cached
            a.script = [Reply()]
            assert (await router.embed("kept", "y")).data == expected("y")

    ran(story)


async def test_where_the_vendors_model_was_changed_nothing_is_mixed(tmp_path: Path) -> None:
    """Vectors of another length than those that are known: all are asked for anew."""

    class Changing(FakeProvider):
        size = 8

        async def embed(self, request: EmbeddingRequest) -> EmbeddingResponse:
            self.requests.append(request)
            data = b"".join(vector_of(each, self.size) for each in request.inputs)
            return EmbeddingResponse(data=data, dimensions=self.size, usage=Usage(1, 0))

    fake, file = Changing.scripted(name="a"), tmp_path / "routes.yaml"
    text = FILE.format(path="memory", embeds="max_inputs: 50", cache="")
    file.write_text(text)
    async with Router.from_yaml(file, env={}, watch=False, providers={"a": fake, "b": fake}, monitor=False) as router:
        await router.embed("kept", ["x", "y"])
        fake.size = 4  # type: ignore[misc]  # of this one alone
        save(file, text.replace("50", "51"))
        assert (await router.reload()).accepted  # which forgets how long they were
        response = await router.embed("kept", ["x", "z"])
        assert response.dimensions == 4
        assert response.data == vector_of("x", 4) + vector_of("z", 4)


async def test_the_disk_has_them_for_the_next_process(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(1200)]  # more than one look asks for
    router, _ = routed(tmp_path / "cache")
    async with router:
        await router.embed("kept", texts)
        await router.cache.written()
    router, a = routed(tmp_path / "cache")
    async with router:
        response = await router.embed("kept", texts)
        assert response.cached
        assert response.trace.cache_level == "disk"
        assert response.data == expected(*texts)
        assert router.cache.stats.from_disk == 1200
        assert not a.requests
        assert await router.cache.clear() == 1200


@pytest.mark.parametrize(
    "planted", [b"", b"SBv1", b"SBv1" + b"\0" * 13, b"XXXX" + b"\0" * 44, b"SBv1" + b"\xff" * 44, b"\0" * 48]
)
async def test_what_was_planted_is_a_miss(tmp_path: Path, planted: bytes) -> None:
    router, _ = routed(tmp_path / "cache")
    async with router:
        await router.embed("kept", "x")
        await router.cache.written()
    with closing(sqlite3.connect(tmp_path / "cache" / "cache.db")) as database, database:
        database.execute("UPDATE Cache SET value = ?, mode = 1, filename = NULL", (planted,))
    router, a = routed(tmp_path / "cache")
    async with router:
        assert (await router.embed("kept", "x")).data == expected("x")
        assert len(a.requests) == 1


async def test_a_disk_that_fails_is_a_miss(tmp_path: Path) -> None:
    place = tmp_path / "cache"
    place.write_text("no folder")
    router, a = routed(place)
    async with router:
        assert (await router.embed("kept", ["x", "y"])).data == expected("x", "y")
        assert (await router.embed("kept", ["x", "y"])).cached  # of memory
    assert len(a.requests) == 1


async def test_many_are_put_and_found_at_once(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 10**9)
    entries = {f"key {number}": bytes([number % 256]) * 100 for number in range(1500)}
    await disk.put_many(entries, 60)
    found = await disk.get_many([*entries, "nothing"])
    assert found == entries
    await disk.put_many({"old": b"x"}, -1)
    assert await disk.get_many(["old"]) == {}
    await disk.aclose()


async def test_who_leaves_while_the_disk_is_read_leaves_nothing_behind(tmp_path: Path) -> None:
    router, _ = routed(tmp_path / "cache")
    async with router:
        for moment in range(12):
            task = asyncio.ensure_future(router.embed("kept", [f"{moment} {number}" for number in range(50)]))
            for _ in range(moment):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        assert (await router.embed("kept", "x")).data == expected("x")
        assert router.snapshot().routes[0].figures.in_flight == 0
