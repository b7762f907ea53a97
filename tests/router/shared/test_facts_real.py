"""Holds, breakers and places over a real server: through routers, restarts and kills."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from providers import FakeProvider, ProviderSettings
from providers.errors import ErrorCode
from providers.fake import Fail, Reply
from router import RouteExhausted, Router
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.waiting import until

pytestmark = needs_redis
FILE = """
providers:
  a: {{kind: fake, api_key: sk-planted-0123, base_url: https://planted.example/v1, limits: {{in_flight: 4}}}}
  b: {{kind: fake}}
routes: {{chat: {{targets: [a/planted-model], fallbacks: [b/m]}}}}
shared: {{url: "{url}", app: shop, timeout: 2s, share: [{share}]}}
"""
ALL = "limits, holds, breakers"


def fake(name: str, *steps: object) -> FakeProvider:
    return FakeProvider(ProviderSettings(name=name, kind="fake", options={"script": list(steps)}))


@asynccontextmanager
async def routers(server: RedisServer, *steps: object, count: int = 2, share: str = ALL) -> AsyncIterator[list[Router]]:
    text = FILE.format(url=server.url, share=share)
    vendors = [{"a": fake("a", *steps), "b": fake("b", Reply("fine"))} for _ in range(count)]
    found = [Router.from_text(text, env={}, providers=vendor) for vendor in vendors]
    try:
        for router in found:
            await router.__aenter__()
        yield found
    finally:
        for router in found:
            await router.aclose()


async def exchanged(server: RedisServer) -> None:
    """Wait until those who share have heard what there is."""
    with server.client() as client:

        def count() -> int:
            return int(client.info("commandstats")["cmdstat_evalsha"]["calls"])

        enough = count() + 4
        await until(lambda: count() >= enough)


def sentences(router: Router, kind: str) -> list[str]:
    return [event.sentence for event in router.telemetry.events if event.kind == kind]


async def test_a_hold_reaches_the_other_router_and_one_that_comes_after_a_restart(server: RedisServer) -> None:
    async with routers(server, Fail(ErrorCode.RATE_LIMITED, "planted words", retry_after=60.0)) as (first, second):
        await first.complete("chat", "planted question")
        await until(lambda: sentences(second, "hold") != [])
        assert "told to another process" in sentences(second, "hold")[0]
        server.kill()
        await until(lambda: len(sentences(first, "shared")) == len(sentences(second, "shared")) == 1)
        server.start()
        await until(lambda: len(sentences(first, "shared")) == len(sentences(second, "shared")) == 2)
        async with routers(server, Reply("fine"), count=1) as (third,):
            await until(lambda: sentences(third, "hold") != [])
            assert (await third.complete("chat", "hi")).provider == "b"


async def test_a_breaker_that_two_of_three_opened_opens_at_the_third(server: RedisServer) -> None:
    async with routers(server, Fail(ErrorCode.SERVER_ERROR, "planted words"), count=3) as (first, second, third):
        for router in (first, second):
            for _ in range(5):
                await router.complete("chat", "hi")
        await until(lambda: len(sentences(third, "breaker")) == 1)
        assert "2 of 2 processes have opened it" in sentences(third, "breaker")[0]
        trace = (await third.complete("chat", "hi")).trace
        assert trace is not None
        assert "2 of 2 processes have opened it" in trace.render()


async def test_nothing_clear_is_on_the_server(server: RedisServer) -> None:
    steps = [*[Fail(ErrorCode.SERVER_ERROR, "planted")] * 4, Fail(ErrorCode.OVERLOADED, "planted", retry_after=30.0)]
    async with routers(server, *steps) as both:
        for router in both:
            for _ in range(7):
                await router.complete("chat", "planted")
        kept = []
        with server.client() as client:
            client.connection_pool.connection_kwargs["decode_responses"] = False
            await until(lambda: client.hlen("sb:{shop/0}:nf") == 2)
            for name in client.scan_iter():
                kind = client.type(name)
                kept.append(name)
                if kind == b"string":
                    kept.append(client.get(name))
                elif kind == b"hash":
                    kept += [part for pair in client.hgetall(name).items() for part in pair]
                else:
                    kept += client.zrange(name, 0, -1)
        found = b" ".join(kept)
        assert b"sb:{shop/0}:nf" in found
        assert b"hold " in found
        assert b"breaker " in found
        for secret in (b"planted", b"sk-", b"example", b"fake"):
            assert secret not in found


PROGRAM = """
import asyncio
from providers import FakeProvider, ProviderSettings
from providers.fake import Reply
from router import Router

async def main():
    slow = FakeProvider(ProviderSettings(name="a", kind="fake", options={"script": [Reply("fine", delay=60.0)]}))
    async with Router.from_text('''FILE''', env={}, providers={"a": slow}) as router:
        calls = [asyncio.ensure_future(router.complete("a/planted-model", "hi")) for _ in range(4)]
        while len(slow.requests) < 4:
            await asyncio.sleep(0.01)
        print("full", flush=True)
        await asyncio.gather(*calls)

asyncio.run(main())
"""


def started(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


async def test_the_places_of_a_killed_process_come_free(server: RedisServer) -> None:
    text = FILE.format(url=server.url, share="limits") + "defaults: {retry: {max_wait: 5s}}\n"
    program = PROGRAM.replace("FILE", text)
    process = started(program)
    assert process.stdout is not None
    try:
        line = await asyncio.to_thread(process.stdout.readline)
        assert line == "full\n"
        async with routers(server, Reply("fine"), count=1, share="limits") as (router,):
            assert (await router.complete("chat", "hi")).provider == "b"
            process.kill()

            async def is_free() -> bool:
                return (await router.complete("chat", "hi")).provider == "a"

            async with asyncio.timeout(60):
                while not await is_free():
                    await asyncio.sleep(0)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("gone", ["holds", ""])
async def test_what_is_shared_can_be_edited_while_it_runs(server: RedisServer, tmp_path: Path, gone: str) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(FILE.format(url=server.url, share=ALL))
    providers = {"a": fake("a", Fail(ErrorCode.OVERLOADED, retry_after=60.0)), "b": fake("b", Reply("fine"))}
    async with Router.from_yaml(path, env={}, watch=False, providers=providers) as router:
        text = FILE.format(url=server.url, share="breakers")
        if not gone:
            text = "\n".join(line for line in text.splitlines() if not line.startswith("shared"))
        path.write_text(text)
        told = "shared.share changed" if gone else "shared removed"
        assert told in (await router.reload()).changes
        async with routers(server, Fail(ErrorCode.OVERLOADED, retry_after=60.0), count=1) as (other,):
            await other.complete("chat", "hi")
            await exchanged(server)
            assert sentences(router, "hold") == []
            path.write_text(FILE.format(url=server.url, share=ALL))
            await router.reload()
            await until(lambda: sentences(router, "hold") != [])
            with pytest.raises(RouteExhausted):
                await router.complete("a/planted-model", "hi")
