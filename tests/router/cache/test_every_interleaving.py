"""One call for identical requests under every interleaving: the test owns the scheduler, and hypothesis chooses.

Requests begin, look on the disk, join, leave; the vendor answers or fails; the disk's threads do their work and hand
over what came of it: each at any moment between two steps of the event loop.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from itertools import chain, count
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from providers import ErrorCode, FakeProvider, ProviderError, ProviderSettings
from providers.accumulate import Accumulator
from providers.base import ChunkStream
from providers.types import CompletionRequest, CompletionResponse, StreamChunk, Usage
from router import RouteExhausted, Router
from tests.support.owned_loop import OwnedLoop

DOWN = ProviderError(ErrorCode.OVERLOADED, "down")
PATIENCE = 300  # steps of the loop in which something has to become of those who wait


class Vendor(FakeProvider):
    """Answers, or fails, when it is told to; a stream has a first piece before that."""

    def __init__(self, text: str) -> None:
        super().__init__(ProviderSettings(name="a", kind="fake"))
        self.text = text
        self.asked: list[asyncio.Future[None]] = []
        self.ended: Counter[str] = Counter()

    async def _turn(self) -> None:
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.asked.append(told)
        try:
            await told
        except ProviderError:
            self.ended["failed"] += 1
            raise
        except asyncio.CancelledError:
            self.ended["left"] += 1
            raise
        finally:
            self.asked.remove(told)

    async def complete(self, request: CompletionRequest) -> CompletionResponse:
        await self._turn()
        self.ended["answered"] += 1
        return CompletionResponse(text=self.text, finish_reason="stop", usage=Usage(1, 1), model="m", provider="a")

    def stream(self, request: CompletionRequest) -> ChunkStream:
        gathered = Accumulator("a", "m")
        return ChunkStream(self._pieces(gathered), gathered.response)

    async def _pieces(self, gathered: Accumulator) -> AsyncIterator[StreamChunk]:
        await self._turn()
        half = len(self.text) // 2
        begin = StreamChunk(text=self.text[:half])
        end = StreamChunk(text=self.text[half:], finish_reason="stop", usage=Usage(1, 1), done=True)
        gathered.add(begin)
        try:
            yield begin
            await asyncio.sleep(0)
        except (asyncio.CancelledError, GeneratorExit):
            self.ended["left"] += 1
            raise
        self.ended["answered"] += 1
        gathered.add(end)
        yield end


def a_router(folder: Path | str, vendor: Vendor) -> Router:
    text = f"""
providers: {{a: {{kind: fake}}}}
cache: {{path: "{folder}"}}
routes: {{chat: {{targets: [a/m], retry: {{same_target: 0}}, cache: {{ttl: 1h}}}}}}
"""
    return Router.from_text(text, env={}, seed=1, providers={"a": vendor}, monitor=False)


async def ask(router: Router, streamed: bool) -> str:
    try:
        if not streamed:
            return (await router.complete("chat", "hi")).text
        async with router.stream("chat", "hi") as stream:
            return "".join([chunk.text async for chunk in stream])
    except RouteExhausted:
        return "failed"


class Story:
    """What happens, one step after the other, as `choose` says: it gets a number of choices and gives one."""

    def __init__(self, routers: list[Router], vendor: Vendor, askers: list[bool], choose: Callable[[int], int]) -> None:
        self.routers = routers
        self.vendor = vendor
        self.coming = list(askers)
        self.choose = choose
        self.waiting: list[asyncio.Task[str]] = []
        self.gone = self.failures = 0

    def _begin(self) -> None:
        router = self.routers[len(self.coming) % len(self.routers)]
        self.waiting.append(asyncio.get_running_loop().create_task(ask(router, self.coming.pop())))

    def _leave(self, task: asyncio.Task[str]) -> None:
        self.gone += 1
        task.cancel()

    def _fail(self, told: asyncio.Future[None]) -> None:
        self.failures += 1
        told.set_exception(DOWN)

    def _choices(self, loop: OwnedLoop) -> list[Callable[[], None]]:
        choices = list(loop.steps)
        if self.coming:
            choices.append(self._begin)
        for told in self.vendor.asked:
            if not told.done():
                choices.append(partial(told.set_result, None))
                if self.failures < 2:
                    choices.append(partial(self._fail, told))
        if self.gone < 2:
            choices += [partial(self._leave, task) for task in self.waiting if not task.done()]
        return choices

    async def play(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, OwnedLoop)
        idle = 0
        while self.coming or not all(task.done() for task in self.waiting):
            choices = self._choices(loop)
            pick = self.choose(len(choices) + 1)  # the last is a step of the loop
            if pick < len(choices):
                choices[pick]()
                idle = 0
            else:
                await asyncio.sleep(0)
                idle += 1
                assert choices or idle < PATIENCE, "nobody can do anything, and somebody waits"
        loop.at_once = True
        for step in loop.steps:
            step()


def play(folder: Path | str, askers: list[bool], size: int, choose: Callable[[int], int], routers: int = 1) -> Story:
    vendor = Vendor("ab" * size)

    async def main() -> Story:
        story = Story([a_router(folder, vendor) for _ in range(routers)], vendor, askers, choose)
        try:
            await story.play()
        finally:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, OwnedLoop)
            loop.at_once = True
            while loop.steps:
                for step in loop.steps:
                    step()
                await asyncio.sleep(0)
            for router in story.routers:
                await router.aclose()
        return story

    with asyncio.Runner(loop_factory=OwnedLoop) as runner:
        story = runner.run(main())
    for task in story.waiting:
        assert task.cancelled() or task.result() in (vendor.text, "failed")
    answers = [task.result() for task in story.waiting if not task.cancelled()]
    assert answers.count("failed") == 0 or vendor.ended["failed"]
    # A call ends unanswered when it fails, or when all who wait for it have left.
    assert vendor.ended["failed"] <= story.failures
    assert vendor.ended["left"] <= story.gone
    assert vendor.ended["answered"] <= routers
    if not story.gone and not story.failures:
        assert set(answers) == {vendor.text}
        assert vendor.ended["answered"] >= 1
    return story


def choosing(picks: list[int]) -> Callable[[int], int]:
    """As hypothesis chose; what is left to do after that, in turn."""
    turns = chain(picks, count())
    return lambda number: next(turns) % number


askers = st.lists(st.booleans(), min_size=2, max_size=5)  # of each: whether it asks for a stream
picks = st.lists(st.integers(0, 11), max_size=150)


@pytest.mark.slow
@pytest.mark.parametrize("size", [5, 50_000], ids=["small", "large"])
@pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "disk"])
@settings(max_examples=2 * settings().max_examples)
@example(askers=[False, False, True], picks=[0, 2, 8])  # a stream that is left between its pieces
@given(askers=askers, picks=picks)
def test_one_call(on_disk: bool, size: int, askers: list[bool], picks: list[int]) -> None:
    """Plain requests and streams, leaders that leave, a vendor that fails: never two answers for one question."""
    with tempfile.TemporaryDirectory() as folder:
        play(folder if on_disk else "memory", askers, size, choosing(picks))


@pytest.mark.slow
@settings(max_examples=2 * settings().max_examples)
@given(askers=askers, picks=picks)
def test_two_routers_on_one_folder_make_two_at_most(askers: list[bool], picks: list[int]) -> None:
    """They share answers, not calls."""
    with tempfile.TemporaryDirectory() as folder:
        play(folder, askers, 5, choosing(picks), routers=2)
