"""The benchmark of gateways: what it tells of given figures, and that our gateway gives the upstream's answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from benchmarks import gateways, upstream
from benchmarks.gateway_peers import GATEWAYS, IN_PROCESS, LITELLM, OURS, PORTKEY, Gateway, routes_of
from benchmarks.gateway_report import BEGIN, END, renew, sentence, table, text_of
from router import Router
from router.gateway.gateway import Gateway as Served
from router.gateway.http import server_of

MACHINE = dict.fromkeys(("date", "processor", "cores", "system", "python", "load before", "load after"), "x")
OF_OURS = [gateway for gateway in GATEWAYS if gateway.is_ours]


@pytest.fixture
async def base() -> AsyncIterator[str]:
    """The root of a running upstream."""
    server = await upstream.serve()
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await asyncio.sleep(0)


async def _port(stack: AsyncExitStack, routes: str) -> int:
    router = await stack.enter_async_context(Router.from_text(routes, env={}))
    runner = web.ServerRunner(server_of(Served(router)))
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port: int = runner.addresses[0][1]
    return port


@pytest.mark.parametrize("gateway", OF_OURS, ids=lambda gateway: gateway.name)
@pytest.mark.parametrize("case", ["plain", "stream"])
async def test_our_gateway_gives_the_upstreams_answers(base: str, gateway: Gateway, case: str) -> None:
    """In each of the protocols that are measured, several times on each connection."""
    async with AsyncExitStack() as stack:
        port = await _port(stack, routes_of(base, gateway.vendor))
        await gateways.ask_many(port, case, gateway, 4, at_once=2)


async def test_another_answer_is_no_figure(base: str) -> None:
    """A gateway that leaves something out, or fails, is found out."""
    async with AsyncExitStack() as stack:
        port = await _port(stack, routes_of(base, "openai").replace("/ok", "/503"))
        with pytest.raises(ValueError, match="not the upstream's"):
            await gateways.ask_many(port, "plain", OF_OURS[0], 1, at_once=1)


def _row(plain: float | None, stream: float | None, memory: int | None = None, gap: str = "") -> dict[str, Any]:
    cpu = {"plain": [plain] if plain else [], "stream": [stream, stream, 9.0] if stream else []}
    return {"cpu": cpu, "memory": memory, "start": None if memory is None else 1.25, "gap": gap}


def _rows() -> dict[str, dict[str, Any]]:
    return {
        IN_PROCESS: _row(200e-6, 1000e-6),
        OURS: _row(300e-6, 1500e-6, 59_000_000),
        LITELLM: _row(4500e-6, 150_000e-6, 400_000_000),
        PORTKEY: _row(2100e-6, None, 160_000_000, "stream: the answer is not the upstream's"),
    }


def test_the_table_tells_medians_and_how_many_times_ours_they_are() -> None:
    found = table(_rows()).splitlines()
    assert f"| {IN_PROCESS} | 200 (× 0.67) | 1000 (× 0.67) |  |  |" in found
    assert f"| {LITELLM} | 4500 (× 15) | 150000 (× 100) | 400 | 1.2 |" in found
    assert f"| {PORTKEY} | 2100 (× 7) |  | 160 | 1.2 |" in found


def test_what_is_aimed_at_is_judged() -> None:
    """A fifteenth is no twentieth, a hundredth is less than an eightieth; what was not measured is not judged."""
    text = text_of({"machine": MACHINE, "rounds": 3, "rows": _rows()})
    assert f"| plain, CPU, to {LITELLM}'s | 1/15 | 1/20 | missed |" in text
    assert f"| stream, CPU, to {LITELLM}'s | 1/100 | 1/80 | reached |" in text
    assert f"| plain, CPU, to {PORTKEY}'s | 1/7 | 1/6 | reached |" in text
    assert "| plain, CPU, to the Router's in the app | 1.50 | 2 | reached |" in text
    assert "| stream, CPU, to the Router's in the app | 1.50 | 1.4 | missed |" in text
    assert "| memory after all rounds | 59 MB | 60 MB | reached |" in text
    assert f"- {PORTKEY}: stream: the answer is not the upstream's" in text
    assert f"stream, CPU, to {PORTKEY}" not in text
    assert "3 rounds" in text


def test_the_readme_quotes_whom_both_cases_were_measured_of() -> None:
    told = sentence(_rows())
    assert "a plain call costs 300 µs and a stream of 200 chunks 1.5 ms, in 59 MB of memory" in told
    assert f"{LITELLM} needs 15 and 100 times as much CPU" in told
    assert PORTKEY not in told
    with pytest.raises(ValueError, match="has not been measured"):
        sentence({})


def test_the_pages_are_renewed_between_their_own_marks(tmp_path: Path) -> None:
    """What stands around stays, and a second time changes nothing."""
    (tmp_path / "docs").mkdir()
    pages = tmp_path / "docs" / "performance.md", tmp_path / "README.md"
    for page in pages:
        page.write_text(f"<!-- measured -->\nother\n{BEGIN}old{END}after\n")
    told = {"machine": MACHINE, "rounds": 3, "rows": _rows()}
    renew(told, tmp_path)
    first = [page.read_text() for page in pages]
    renew(told, tmp_path)
    assert first == [page.read_text() for page in pages]
    for text in first:
        assert text.startswith(f"<!-- measured -->\nother\n{BEGIN}")
        assert text.endswith(f"{END}after\n")
        assert "old" not in text
