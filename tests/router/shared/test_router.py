"""Limits that are shared, through routers: what the file turns on and off, and what it costs those who don't share."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from router import Router
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.waiting import until

FILE = """
providers: {a: {kind: fake, api_key: k, limits: {requests: LIMIT}}}
routes: {chat: a/m}
defaults: {retry: {max_wait: 10s}}
"""
WITHOUT = """
import asyncio, sys
from router import Router

async def main():
    async with Router.from_text('''FILE''', env={}) as router:
        await router.complete("chat", "hi")
        tasks = len(asyncio.all_tasks())
    await router.aclose()
    return tasks

tasks = asyncio.run(main())
print(sorted(name for name in sys.modules if name == "redis" or name.startswith("router.shared")), tasks)
"""


def file(limit: str, shared: str = "") -> str:
    return FILE.replace("LIMIT", limit) + shared


def test_who_shares_nothing_imports_nothing_and_has_no_task() -> None:
    program = WITHOUT.replace("FILE", file("60/min") + "telemetry: {monitor: off}")
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[] 1"


async def served(router: Router, count: int) -> int:
    found = 0
    for _ in range(count):
        try:
            await router.complete("chat", "hi")
            found += 1
        except Exception:  # refused
            pass
    return found


@needs_redis
async def test_the_section_comes_changes_and_goes_while_the_router_runs(server: RedisServer, tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(file("20/h"))
    async with Router.from_yaml(path, env={}, watch=False) as router:
        assert await served(router, 30) == 20
        path.write_text(file("20/h", f"shared: {{url: '{server.url}', timeout: 2s}}"))
        assert "shared added" in (await router.reload()).changes
        assert await served(router, 30) == 20, "it begins with what all share"
        async with Router.from_yaml(path, env={}, watch=False) as other:
            assert await served(other, 5) <= 1
        path.write_text(file("30/h", f"shared: {{url: '{server.url}', timeout: 2s, away: refuse}}"))
        assert "shared.away changed" in (await router.reload()).changes
        assert 9 <= await served(router, 20) <= 11, "another number for what was counted"
        path.write_text(file("30/h"))
        assert "shared removed" in (await router.reload()).changes
        assert await served(router, 40) == 30
        with server.client() as client:
            await until(lambda: client.zcard("sb:{routes/0}:p") == 0)


@needs_redis
async def test_a_router_that_ends_gives_back_what_it_has(server: RedisServer) -> None:
    text = file("600/min", f"shared: {{url: '{server.url}', timeout: 2s}}")
    async with Router.from_text(text, env={}) as router:
        assert await served(router, 20) == 20
    with server.client() as client:
        (name,) = client.scan_iter("*:l:*")
        assert client.zcard("sb:{routes/0}:p") == 0
    import struct

    with server.client() as client:
        client.connection_pool.connection_kwargs["decode_responses"] = False
        assert sum(struct.unpack(">dd31f", client.get(name))[2:]) == 20


@needs_redis
async def test_targets_are_called_by_what_is_left_everywhere(server: RedisServer) -> None:
    """A limit that others have used up makes room for the next target, as one's own would."""
    text = f"""
providers:
  a: {{kind: fake, api_key: one, limits: {{requests: 10/h}}}}
  b: {{kind: fake, api_key: two}}
routes: {{chat: {{targets: [a/m], fallbacks: [b/m]}}}}
shared: {{url: '{server.url}', timeout: 2s}}
"""
    async with Router.from_text(text, env={}) as first, Router.from_text(text, env={}) as second:
        for _ in range(20):
            await first.complete("chat", "hi")
        replies = [await second.complete("chat", "hi") for _ in range(5)]
    assert [reply.provider for reply in replies][1:] == ["b"] * 4


@needs_redis
def test_on_a_loop_after_another(server: RedisServer) -> None:
    router = Router.from_text(file("600/min", f"shared: {{url: '{server.url}', timeout: 2s}}"), env={})

    async def story() -> int:
        return await served(router, 3)

    assert [asyncio.run(story()) for _ in range(3)] == [3, 3, 3]
    asyncio.run(router.aclose())


@needs_redis
@pytest.mark.parametrize("alive", [True, False])
def test_check_online_makes_one_exchange(server: RedisServer, tmp_path: Path, alive: bool) -> None:
    from click.testing import CliRunner

    from router.cli.check import command

    if not alive:
        server.kill()
    path = tmp_path / "routes.yaml"
    path.write_text(file("600/min", f"shared: {{url: '{server.url}', timeout: 2s}}"))
    result = CliRunner().invoke(command, [str(path), "--online"], standalone_mode=False)
    assert result.return_value == (0 if alive else 1)
    assert ("shared: the server answers" in result.output) is alive
