"""Processes that live and can't be read are told apart from none; and secrets that are none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from providers.threads import in_thread
from router import Router
from router.cli import group
from router.config import load_text
from router.monitor.fleet.feed import SharedFeed
from router.plan.compile import compile_plan
from router.shared.exchange import Message, Reply
from tests.support.redis_server import RedisServer, needs_redis

FILE = """
providers: {{a: {{kind: fake}}}}
routes: {{chat: a/m}}
shared: {{url: "{url}", app: shop, secret: {secret}, share: [fleet], commands: true}}
"""


@needs_redis
@pytest.mark.parametrize("words", [["status", "--shared"], ["cache", "clear", "--shared", "-f"]], ids=" ".join)
async def test_another_secret_is_said_to_be_the_reason(server: RedisServer, tmp_path: Path, words: list[str]) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(FILE.format(url=server.url, secret="another-long-secret"))
    async with Router.from_text(FILE.format(url=server.url, secret="a-long-secret"), env={}) as router:
        feed = SharedFeed(router.plan)
        try:
            async for snapshot in feed.snapshots():
                if snapshot.connected:
                    break  # it lives, and has told something
            found = await in_thread(CliRunner().invoke, group, [*words, str(path)])
        finally:
            await feed.aclose()
    assert "1 tells nothing that can be read: another secret" in found.output
    assert found.exit_code == 1


class Rough:
    """An exchange that makes another error of a cancellation, as clients of servers do."""

    async def open(self, message: Message) -> None:
        pass

    async def send(self, message: Message) -> Reply:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError("the connection is closed") from None
        raise AssertionError("unreachable: nobody sets it")

    async def aclose(self) -> None:
        pass


async def test_who_watches_ends_when_told_to() -> None:
    """Though its client hides that it was cancelled."""
    text = FILE.format(url="redis://localhost:1", secret="a-long-secret")
    feed = SharedFeed(compile_plan(load_text(text, env={})), exchange=Rough())
    events = asyncio.ensure_future(anext(feed.events()))
    for _ in range(10):
        await asyncio.sleep(0)
    events.cancel()
    await feed.aclose()


@pytest.mark.parametrize("name", ["secret", "app", "host"])
@pytest.mark.parametrize("value", ['""', '"  "', '"${NOT_SET:-}"'])
def test_an_empty_word_is_an_error(name: str, value: str) -> None:
    shared = {"secret": "a-long-secret", "app": "shop", "host": "one"} | {name: value}
    text = "".join(f", {each}: {word}" for each, word in shared.items())
    found = load_text(
        "providers: {a: {kind: fake}}\nroutes: {chat: a/m}\n"
        f'shared: {{url: "redis://localhost", share: [fleet]{text}}}\n',
        env={},
    )
    assert [(each.path, each.severity) for each in found.diagnostics] == [(f"shared.{name}", "error")]


@pytest.mark.parametrize("words", ["away: refuse", "host: one", "lease: 5s"])
def test_what_has_no_effect_is_a_warning(tmp_path: Path, words: str) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(
        "providers: {a: {kind: fake}}\nroutes: {chat: a/m}\n"
        f'shared: {{url: "redis://localhost", share: [breakers], {words}}}\n'
    )
    found = CliRunner().invoke(group, ["check", str(path)])
    assert found.exit_code == 0
    assert f"warning: shared.{words.partition(':')[0]}: it has no effect" in found.output
