"""The benchmarks' own machinery: what they tell of given figures, and that our router takes the upstream's answers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from benchmarks import report, upstream
from benchmarks.answers import CHUNKS, PATHS, STREAMED, TEXT
from benchmarks.cases import CASES, CONTENDERS, LITELLM, LITER, ROUTER
from benchmarks.compare import Comparison
from benchmarks.pages import BEGIN, END, renew, text_of
from benchmarks.peers import signalbox_router
from benchmarks.peers.floor import Floor
from benchmarks.worker import Gap, Setup, job, measure
from providers import CompletionRequest, Message, ProviderError, ProviderSettings, registry
from tests.support.paths import ROOT

MACHINE = dict.fromkeys(("date", "processor", "cores", "system", "python", "load before", "load after"), "x")
REQUEST = CompletionRequest(model="m", messages=(Message.user("hi"),))


@pytest.fixture
async def base() -> AsyncIterator[str]:
    """The root of a running upstream."""
    server = await upstream.serve()
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await asyncio.sleep(0)


@pytest.mark.parametrize("vendor", PATHS)
@pytest.mark.parametrize("bare", [False, True])
async def test_our_router_takes_the_upstreams_answers(base: str, vendor: str, bare: bool) -> None:
    """Plain and streamed, over real sockets, with and without the router."""
    peer = await signalbox_router.open_peer(Setup(base, vendor=vendor, bare=bare))
    async with aclosing(peer):
        assert await peer.call() == TEXT
        assert await peer.stream() == STREAMED


@pytest.mark.parametrize("bare", [False, True])
async def test_our_router_takes_the_longer_answers(base: str, bare: bool) -> None:
    """2,000 chunks, a tool's arguments in pieces, and 1 MB: as many chunks as were sent, and all of what they say."""
    for mode, case in (("many", "stream"), ("tools", "tools"), ("large", "plain")):
        peer = await signalbox_router.open_peer(Setup(base, mode=mode, bare=bare))
        floor = Floor(Setup(base, mode=mode))
        async with aclosing(peer):
            for each in (peer, floor):
                assert (await measure(each, case, 1, set(), mode=mode))["times"] == 1
        floor.close()


async def test_what_a_peer_has_no_way_for_is_a_gap() -> None:
    class Plain:
        async def call(self) -> str:
            return TEXT

        async def stream(self) -> str:
            return STREAMED

    with pytest.raises(Gap):
        await measure(Plain(), "tools", 1, set())


async def test_a_stream_has_as_many_chunks_as_is_said(base: str) -> None:
    peer = await signalbox_router.open_peer(Setup(base))
    assert isinstance(peer, signalbox_router.Routed)
    async with aclosing(peer), peer.router.stream("chat", "hi") as stream:
        assert len([chunk async for chunk in stream if chunk.text]) == CHUNKS


@pytest.mark.parametrize("vendor", PATHS)
async def test_the_floor_reads_the_same(base: str, vendor: str) -> None:
    """The floor does the whole work, or it would be none."""
    floor = Floor(Setup(base, vendor=vendor))
    assert await floor.call() == TEXT
    assert await floor.stream() == STREAMED
    floor.close()


async def test_gathered_streams_go_on_together(base: str) -> None:
    """None goes on before all are open."""
    peer = await signalbox_router.open_peer(Setup(base, mode="gather-3"))
    async with aclosing(peer):
        told = await measure(peer, "gather", 3, set())
    assert told["times"] == 3


@pytest.mark.parametrize("mode", ["503", "reset", "cut"])
async def test_the_upstreams_faults_are_faults(base: str, mode: str) -> None:
    """And it knows when the last one was."""
    options = {"max_retries": 0}
    url = Setup(base, mode=mode).url()
    provider = registry.create(ProviderSettings(name="p", kind="openai", base_url=url, options=options))
    async with aclosing(provider), provider.stream(REQUEST) as stream:
        with pytest.raises(ProviderError):
            await anext(aiter(stream))
    assert upstream.Upstream.fault > 0


async def test_a_wrong_answer_is_no_figure() -> None:
    """A peer that is fast because it leaves something out is found out."""

    class Hasty:
        async def call(self) -> str:
            return TEXT[:-1]

        async def stream(self) -> str:
            return ""

    with pytest.raises(ValueError, match="not the upstream's"):
        await measure(Hasty(), "plain", 1, set())


async def test_a_run_of_64_at_once_makes_the_calls_that_it_tells_of() -> None:
    class Counting:
        calls = 0

        async def call(self) -> str:
            self.calls += 1
            return TEXT

        async def stream(self) -> str:
            return STREAMED

    peer = Counting()
    told = await measure(peer, "plain_64", 200, set())
    assert told["times"] == 192
    assert peer.calls == 64 + 192  # the first are the warm-up


@pytest.mark.slow
def test_a_worker_answers_jobs_line_by_line() -> None:
    """A figure, a gap and an error are each a line; the process lives on after each."""
    jobs = [
        job("load", Setup("http://127.0.0.1:9"), 1),
        job("plain", Setup("http://127.0.0.1:9", vendor="nobody"), 1),
        job("load", Setup("http://127.0.0.1:9"), 1),
    ]
    command = [sys.executable, "-m", "benchmarks.peers.signalbox_router"]
    done = subprocess.run(command, input="".join(jobs), capture_output=True, text=True, cwd=ROOT, check=True)
    ready, first, second, third = map(json.loads, done.stdout.splitlines())
    assert ready == {"ready": True}
    assert first["wall"] > 0
    assert first.keys() == third.keys()
    assert "nobody" in second["error"]


def _results() -> report.Results:
    return {
        "plain": {
            ROUTER: {"cpu": [300e-6, 310e-6, 290e-6], "wall": [400e-6]},
            LITER: {"cpu": [400e-6], "wall": [800e-6]},
            LITELLM: {"error": "ConnectionError: no"},
            "any-llm": {"gap": "it routes nothing"},
        },
        "load": {ROUTER: {"wall": [0.3]}},
    }


def test_tables_tell_the_median_and_the_spread() -> None:
    found = report.tables(_results())
    assert "| Signalbox Router | 300 ±5.00 | 400 ±0.00 |  |" in found
    assert "| liter-llm | 400 ±0.00 | 800 ±0.00 |  |" in found
    assert "any-llm" not in found


def test_targets_are_judged() -> None:
    """0.75 of liter-llm's reaches both; 300 ms miss 250."""
    found = report.targets(_results()).splitlines()
    assert "| plain call, short prompt, one at a time, CPU, to liter-llm's | 0.75 | 1.05 | 0.9 | stretch |" in found
    assert "| load of 1,000 models and 200 routes | 300 ms | 250 ms | 100 ms | missed |" in found
    assert not any("LiteLLM" in line for line in found)  # nothing to compare with


def test_what_was_not_measured_is_named() -> None:
    """A failure is; what a peer does not do at all has an empty place in the table."""
    assert report.gaps(_results()) == ["LiteLLM Router, plain: ConnectionError: no"]


def test_the_report_says_where_it_was_made() -> None:
    text = text_of({"machine": MACHINE, "rounds": 9, "results": _results()})
    assert "9 rounds" in text
    assert "litellm" in text
    assert "- LiteLLM Router, plain: ConnectionError: no" in text


def test_the_pages_are_renewed_between_their_marks(tmp_path: Path) -> None:
    """What stands around stays; a second time changes nothing; what was not measured is not quoted as a figure."""
    (tmp_path / "docs").mkdir()
    pages = tmp_path / "docs" / "performance.md", tmp_path / "README.md"
    for page in pages:
        page.write_text(f"before\n{BEGIN}old{END}after\n")
    told = {"machine": MACHINE, "rounds": 9, "results": _results()}
    renew(told, tmp_path)
    first = [page.read_text() for page in pages]
    renew(told, tmp_path)
    assert first == [page.read_text() for page in pages]
    for text in first:
        assert text.startswith(f"before\n{BEGIN}")
        assert text.endswith(f"{END}after\n")
        assert "old" not in text
    assert "A plain call costs 300 µs of CPU one at a time and ? with 64" in first[1]
    assert "liter-llm, a Rust client that routes nothing, 1.3, ? and ? times" in first[1]
    pages[1].write_text("no marks\n")
    with pytest.raises(ValueError, match=r"README\.md has no lines"):
        renew(told, tmp_path)


def test_a_peer_that_cannot_be_had_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are measured all the same."""

    def none(script: str, *, install: bool) -> str:
        raise RuntimeError("no matching distribution")

    monkeypatch.setattr("benchmarks.environments.python_of", none)
    comparison = Comparison(rounds=1, seconds=0.01, quick=True, only="plain")
    comparison.run()
    assert f"{ROUTER}, installation: not installed: no matching distribution" in report.gaps(comparison.results)


def test_every_column_has_its_case_and_every_contender_its_script() -> None:
    cases = {case.name for case in CASES}
    assert {column.case for section in report.SECTIONS for column in section.columns} == cases
    for contender in CONTENDERS:
        assert (ROOT / "benchmarks" / "peers" / f"{contender.script}.py").exists()
    assert all(set(case.only) <= {each.name for each in CONTENDERS} for case in CASES)
