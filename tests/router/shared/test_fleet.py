"""Routers that tell how they are over a real server, and what watches and commands them there."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from providers.threads import in_thread
from router import Router
from router.cli import group
from router.monitor.fleet.feed import SharedFeed
from router.state.breaker import Breaker
from router.views.commands import Drain
from router.views.events import Event
from router.views.figures import Snapshot
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.waiting import until

pytestmark = needs_redis
FILE = """
providers: {{planted-vendor: {{kind: fake, api_key: sk-planted-0123456789, base_url: https://planted.example/v1}}}}
models: {{planted-model: {{provider: planted-vendor, id: planted-id}}}}
routes: {{planted-route: planted-model}}
defaults: {{cache: {{ttl: 1h}}}}
cache: {{path: memory}}
telemetry: {{monitor: off, capture: full}}
shared:
  {{url: "{url}", app: shop, timeout: 2s, secret: planted-secret-of-all, share: [fleet], host: planted-host,
  commands: true}}
"""


def write(path: Path, text: str) -> None:
    path.write_text(text)


@asynccontextmanager
async def routers(
    path: Path, server: RedisServer, count: int = 3, *, shared: str = "share: [fleet]"
) -> AsyncIterator[list[Router]]:
    write(path, FILE.format(url=server.url).replace("share: [fleet]", shared))
    found = [Router.from_yaml(path, env={}, watch=False) for _ in range(count)]
    try:
        for router in found:
            await router.__aenter__()
        yield found
    finally:
        for router in found:
            await router.aclose()


async def seen(feed: SharedFeed, condition: Callable[[Snapshot], object]) -> Snapshot:
    async with asyncio.timeout(60), aclosing(feed.snapshots()) as snapshots:
        async for snapshot in snapshots:
            if condition(snapshot):
                return snapshot
    raise AssertionError("the feed has ended")


def signalbox(*words: str) -> Result:
    return CliRunner().invoke(group, list(words), standalone_mode=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "routes.yaml"


async def test_three_routers_are_watched_and_told_as_one(server: RedisServer, path: Path) -> None:
    async with routers(path, server) as three:
        for number, router in enumerate(three):
            for _ in range(number + 1):
                await router.complete("planted-route", f"planted prompt {number}", cache="skip")
        feed = SharedFeed(three[0].plan, path)
        try:
            snapshot = await seen(feed, lambda snapshot: snapshot.figures.totals.calls == 6)
            assert snapshot.fleet is not None
            assert snapshot.fleet.counted == "3 processes on 1 machine"
            assert [target.name for target in snapshot.targets] == ["planted-model"]
            assert (await feed.command(Drain("planted-model"))).message.startswith("done in 3 of 3 processes")
            assert all(router.snapshot().targets[0].health.state == "drained" for router in three)
            server.freeze()
            away = await seen(feed, lambda snapshot: not snapshot.connected)
            assert away.fleet is not None
            assert away.fleet.away
            server.thaw()
            await seen(feed, lambda snapshot: snapshot.connected and len(snapshot.by_process) == 3)
        finally:
            await feed.aclose()


async def test_no_key_url_name_prompt_or_host_is_on_the_server(server: RedisServer, path: Path) -> None:
    async with routers(path, server) as three:
        feed = SharedFeed(three[0].plan, path)
        try:
            for router in three:
                await router.complete("planted-route", "planted prompt")
            await seen(feed, lambda snapshot: snapshot.figures.totals.calls == 3)
            await feed.command(Drain("planted-model"))
            kept = _kept(server)
        finally:
            await feed.aclose()
    kinds = {re.sub(rb"^sb:\{shop/0\}:", b"", name).partition(b":")[0] for name in kept}
    assert {b"br", b"s", b"w", b"n", b"nf"} <= kinds
    assert b"planted" not in b" ".join([*kept, *kept.values()])


def _kept(server: RedisServer) -> dict[bytes, bytes]:
    """Return all that the server has."""
    with server.client() as client:
        client.connection_pool.connection_kwargs["decode_responses"] = False
        found = {}
        for name in client.scan_iter():
            with suppress(Exception):
                found[name] = repr(
                    {
                        b"string": client.get,
                        b"hash": client.hgetall,
                        b"zset": lambda key: client.zrange(key, 0, -1),
                    }[client.type(name)](name)
                ).encode()
        return found


async def test_status_prints_the_fleet(server: RedisServer, path: Path) -> None:
    async with routers(path, server) as three:
        for router in three:
            await router.complete("planted-route", "planted prompt")
        await until(lambda: sum(name.startswith(b"sb:{shop/0}:br:") for name in _kept(server)) == 3)
        lines = await in_thread(signalbox, "status", "--shared", str(path))
        whole = await in_thread(signalbox, "status", "--shared", "--json", str(path))
    assert "3 processes on 1 machine" in lines.output
    assert "→ planted-route" in lines.output
    told = json.loads(whole.output)
    assert told["fleet"]["processes"] == 3
    assert {process["host"] for process in told["by_process"]} == {"planted-host"}
    assert told["figures"]["totals"]["calls"] == 3


async def test_the_cache_of_all_is_cleared_from_a_shell(server: RedisServer, path: Path) -> None:
    async with routers(path, server) as three:
        for router in three:
            await router.complete("planted-route", "hi")
        await until(lambda: sum(name.startswith(b"sb:{shop/0}:br:") for name in _kept(server)) == 3)
        told = await in_thread(signalbox, "cache", "clear", "--shared", "-f", str(path))
        assert "done in 3 of 3 processes" in told.output
        assert not (await three[0].complete("planted-route", "hi")).cached


def test_without_a_process_a_server_or_a_fleet_it_is_said(server: RedisServer, path: Path) -> None:
    write(path, FILE.format(url=server.url))
    nobody = signalbox("status", "--shared", str(path))
    assert (str(nobody.exception), getattr(nobody.exception, "exit_code", None)) == ("no process of shop runs", 3)
    server.kill()
    away = signalbox("status", "--shared", str(path))
    assert "the shared server does not answer" in str(away.exception)
    assert "the shared server does not answer" in str(
        signalbox("cache", "clear", "--shared", "-f", str(path)).exception
    )
    write(path, FILE.format(url=server.url).replace("share: [fleet]", "share: [holds]"))
    assert "share: [limits, fleet]" in str(signalbox("status", "--shared", str(path)).exception)


async def test_the_rights_of_the_docs_are_enough(server: RedisServer, path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/shared.md").read_text()
    (rights,) = re.findall(r"^ACL SETUSER signalbox on >\S+ (.*)$", page, re.MULTILINE)
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "signalbox", "on", ">word", *rights.split())
    server.url = server.url.replace("//", "//signalbox:word@")
    async with routers(path, server, 1) as (router,):
        feed = SharedFeed(router.plan, path)
        try:
            await seen(feed, lambda snapshot: snapshot.connected)
            assert (await feed.command(Drain("planted-model"))).ok
        finally:
            await feed.aclose()
        assert [event.sentence for event in router.telemetry.events if event.level == "warning"] == [
            "planted-model is being drained"
        ]


async def test_a_reload_turns_it_on_and_off(server: RedisServer, path: Path) -> None:
    def briefs() -> int:
        return sum(name.startswith(b"sb:{shop/0}:br:") for name in _kept(server))

    text = FILE.format(url=server.url)
    write(path, text.replace("share: [fleet]", "share: [holds]"))
    async with Router.from_yaml(path, env={}, watch=False) as router:
        write(path, text)
        assert "shared.share changed" in str(await router.reload())
        await until(briefs)
        write(path, text.replace("share: [fleet]", "share: [holds]"))
        await router.reload()
        with server.client() as client:
            client.flushall()
            await until(lambda: client.exists("sb:{shop/0}:p"))
        assert not briefs()


async def test_over_several_shards_it_lies_together(server: RedisServer, path: Path) -> None:
    async with routers(path, server, shared="share: [limits, fleet], shards: 5") as three:
        feed = SharedFeed(three[0].plan, path)
        try:
            snapshot = await seen(feed, lambda snapshot: snapshot.connected and len(snapshot.by_process) == 3)
            assert snapshot.fleet is not None
            assert snapshot.fleet.sampled == 3
            assert (await feed.command(Drain("planted-model"))).message.startswith("done in 3 of 3 processes")
        finally:
            await feed.aclose()


def test_the_workers_of_one_serve_are_no_fleet(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(FILE.format(url="local"))
    assert "`signalbox dash` watches the workers anyhow" in signalbox("check", str(path)).output
    assert "`signalbox status` and `dash` show them" in str(signalbox("status", "--shared", str(path)).exception)


def test_a_fleet_needs_a_secret() -> None:
    text = FILE.format(url="redis://localhost").replace("secret: planted-secret-of-all, ", "")
    with pytest.raises(Exception, match=re.escape("there is none: add secret: ${SB_SHARED_SECRET}")):
        Router.from_text(text, env={})


def test_commands_without_a_fleet_are_told_to_have_no_effect(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    write(path, FILE.format(url="redis://localhost").replace("share: [fleet]", "share: [holds]"))
    assert "commands come by way of the fleet" in signalbox("check", str(path)).output


def breaker_of(router: Router) -> Breaker:
    return router.report.states.target(router.plan.targets[0]).breaker


class Watched:
    """Three routers, and what is told of single ones of them."""

    def __init__(self, feed: SharedFeed) -> None:
        self.feed = feed
        self.events: list[Event] = []

    async def listen(self) -> None:
        async with aclosing(self.feed.events()) as events:
            async for event in events:
                if event.kind == "breaker" and event.pid is not None:
                    self.events.append(event)


async def test_a_breaker_that_opens_and_closes_in_one_process_is_told_once_with_whose_it_is(
    server: RedisServer, tmp_path: Path
) -> None:
    path = tmp_path / "routes.yaml"
    async with routers(path, server) as three:
        watched = Watched(SharedFeed(three[0].plan, path))
        listening = asyncio.ensure_future(watched.listen())
        try:
            await seen(watched.feed, lambda snapshot: len(snapshot.by_process) == 3)
            breaker_of(three[1]).force("open")
            await until(lambda: len(watched.events) == 1)
            breaker_of(three[1]).reset()
            await until(lambda: len(watched.events) == 2)
            for _ in range(300):
                breaker_of(three[2]).force("open")
                breaker_of(three[2]).reset()
            await seen(watched.feed, lambda snapshot: len(watched.events) > 2)
            await seen(watched.feed, lambda snapshot: True)
            assert len(watched.events) <= 2 + 16, "a storm is told in part"
            first, second = watched.events[:2]
            assert (first.level, second.level) == ("warning", "info")
            assert first.sentence.startswith("planted-model was opened by hand (process ")
            assert first.sentence.endswith(" on planted-host)")
            assert first.target == "planted-model"
            with server.client() as client:
                briefs = [client.strlen(name) for name in client.scan_iter("*:br:*")]
            assert max(briefs) < 4000
        finally:
            listening.cancel()
            await asyncio.wait([listening])
            await watched.feed.aclose()
