"""The log of requests tells what the vendor's prompt cache did, and what that spared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from providers import FakeProvider, Usage
from providers.errors import ErrorCode
from providers.fake import Fail, Reply
from router import Router
from router.cli.log import command
from router.request_log.reader import LogReader

FILE = """
providers: {a: {kind: fake}, b: {kind: fake}}
models:
  one: {provider: a, id: x, price: {input: 10, output: 10, cache_read: 1, cache_write: 12.5}}
  two: {provider: b, id: y, price: {input: 10, output: 10, cache_read: 1, cache_write: 12.5}}
  free: {provider: a, id: z}
routes: {chat: {targets: [one], fallbacks: [two]}, unpriced: free}
telemetry: {log: {path: logs}}
"""
READ = Reply("fine", usage=Usage(10_000, 100, cache_read_tokens=9_000, cache_write_tokens=500))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "routes.yaml"
    path.write_text(FILE)
    return path


async def asked(path: Path, route: str, *script: Reply | Fail) -> None:
    fakes = {"a": FakeProvider.scripted(*script, name="a"), "b": FakeProvider.scripted(READ, name="b")}
    async with Router.from_yaml(path, env={}, providers=fakes, monitor=False) as router:
        await router.complete(route, "hi")


def shown(path: Path, *words: str) -> str:
    done = CliRunner().invoke(command, [str(path), *words])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("script", [(READ,), (Fail(ErrorCode.OVERLOADED), READ)], ids=["at once", "after a failure"])
async def test_what_was_read_written_and_spared_is_told(path: Path, script: tuple[Reply | Fail, ...]) -> None:
    await asked(path, "chat", *script)
    [line] = LogReader(path.parent / "logs").lines()
    use = line.prompt_cache
    assert use is not None
    assert (use.tokens, use.read, use.written) == (10_000, 9_000, 500)
    assert use.saved == pytest.approx((9_000 * 9 - 500 * 2.5) / 1e6)
    assert line.trace.prompt_cache == use
    assert "prompt cache: 9,000 of 10,000 tokens read, 500 written, $0.0798 saved" in shown(path)
    assert json.loads(shown(path, "--json"))["prompt_cache"]["read"] == 9_000
    assert "9,000 of 10,000" in shown(path, "--trace", line.id)


async def test_where_the_vendor_tells_of_none_there_is_nothing(path: Path) -> None:
    await asked(path, "chat", Reply("fine", usage=Usage(10, 5)))
    assert "prompt" not in shown(path)
    assert "prompt_cache" not in json.loads(shown(path, "--json"))


async def test_without_a_price_the_money_is_not_known(path: Path) -> None:
    await asked(path, "unpriced", READ)
    [line] = LogReader(path.parent / "logs").lines()
    assert line.prompt_cache is not None
    assert line.prompt_cache.saved is None
    assert "9,000 of 10,000 tokens read" in shown(path)


def test_lines_of_before_are_read(path: Path) -> None:
    folder = path.parent / "logs"
    folder.mkdir()
    (folder / "2026-11-27T08.jsonl").write_text('{"time": 1, "id": "a", "route": "chat", "seconds": 1.0}\n')
    assert "chat" in shown(path)
