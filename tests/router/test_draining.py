"""What becomes of a provider that an edit takes away: it is closed when its last call has ended, not before."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from providers import FakeProvider
from router import Router
from tests.support.waiting import until

BOTH = "providers: {a: {kind: fake}, b: {kind: fake}}\nroutes: {chat: b/m}\n"
WITHOUT = "providers: {a: {kind: fake}}\nroutes: {chat: a/m}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "routes.yaml"
    path.write_text(BOTH)
    return path


def made(router: Router, name: str) -> FakeProvider:
    found = router.provider(name)
    assert isinstance(found, FakeProvider)
    return found


async def save(router: Router, path: Path, text: str) -> None:
    await asyncio.to_thread(path.write_text, text)
    assert (await router.reload()).accepted


async def test_it_is_closed_after_its_last_call(path: Path) -> None:
    async with Router.from_yaml(path, env={}, watch=False) as router:
        gone, stays = made(router, "b"), made(router, "a")
        async with router.stream("chat", "hi") as stream:
            await anext(stream)
            await save(router, path, WITHOUT)
            assert not gone.closed
            assert [chunk async for chunk in stream][-1].done
        await until(lambda: gone.closed)
        assert not stays.closed
    assert stays.closed


async def test_an_idle_one_is_closed_at_once(path: Path) -> None:
    async with Router.from_yaml(path, env={}, watch=False) as router:
        gone = made(router, "b")
        await save(router, path, WITHOUT)
        await until(lambda: gone.closed)


async def test_one_that_comes_back_meanwhile_stays(path: Path) -> None:
    """Its connections are of use still."""
    async with Router.from_yaml(path, env={}, watch=False) as router:
        back = made(router, "b")
        async with router.stream("chat", "hi") as stream:
            await anext(stream)
            await save(router, path, WITHOUT)
            await save(router, path, BOTH)
            assert [chunk async for chunk in stream][-1].done
        assert (await router.complete("chat", "hi")).text == "Hello from b."
        assert made(router, "b") is back
        assert not back.closed
