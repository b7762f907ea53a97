"""The router behind the pictures of the documentation: the real engine under five minutes of traffic, in virtual time.

One story makes all of them, so that every figure agrees with every other: groq asks to wait for a while, openai breaks
in the midst of its streams and is mended, and an edit with an error is refused.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import selectors
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import msgspec
from msgspec.structs import replace

from providers import ErrorCode, FakeProvider, ProviderSettings
from providers.fake import Fail, Reply, Step
from providers.types import CompletionRequest, Usage
from router import Router, SignalboxError
from router.views.commands import Prompt, PromptEvent
from router.views.figures import Snapshot
from router.views.requests import RequestRecord

BEGAN = 1_795_447_000.0  # 2026-11-23 15:16:40 UTC
_PID = 4711
HOME = "/srv"  # where its file is, as far as pictures tell
ENV = {"OPENAI_A": "sk-a-0123456789", "OPENAI_B": "sk-b-0123456789", "ANTHROPIC": "sk-c-0123", "GROQ": "gsk-0123456789"}
FILE = """\
version: 1
providers:
  openai:    {kind: openai, api_keys: ["${OPENAI_A}", "${OPENAI_B}"], limits: {requests: 1500/min}}
  anthropic: {kind: anthropic, api_key: "${ANTHROPIC}"}
  groq:      {kind: openai, dialect: groq, base_url: https://api.groq.com/openai/v1, api_key: "${GROQ}"}
  ollama:    {kind: ollama}
models:
  luna:  {provider: openai, id: gpt-6-luna, price: {input: 0.25, output: 2}}
  mini:  {provider: openai, id: gpt-5.4-mini, price: {input: 0.15, output: 0.6}}
  haiku: {provider: anthropic, id: claude-haiku-5-5, price: {input: 1, output: 5}}
  llama: {provider: groq, id: llama-3.3-70b-versatile, price: {input: 0.59, output: 0.79}}
  qwen:  {provider: ollama, id: "qwen3:4b", price: {input: 0, output: 0}}
cache: {path: memory}
defaults:
  timeout: {first_token: 8s, total: 60s}
routes:
  chat:
    targets: [{model: luna, weight: 70}, {model: haiku, weight: 30}]
    fallbacks: [llama, {targets: [qwen], on: [rate_limited, overloaded]}]
    cache: {ttl: 1h, stale_if_error: 1d}
    budget: $40/d
  summarize:
    targets: [mini, llama]
    balance: least_latency
    fallbacks: [haiku]
  local: {targets: [qwen], fallbacks: [mini]}
"""
WELL, BROKEN, DOWN, MENDED, REFUSED, TRIED = (
    110.0,
    174.0,
    196.0,
    300.0,
    310.0,
    320.0,
)  # seconds of the story that are pictured
_GROQ_WAITS, _OPENAI_BREAKS, _OPENAI_MENDED = 62.0, 170.0, 204.0
RATE = 16.0  # requests a second
_ROUTES, _OFTEN = ("chat", "summarize", "local"), (75, 20, 5)
#          seconds to the first token, the spread of them, tokens a second
_SPEEDS = {
    "gpt-6-luna": (0.18, 0.40, 110.0),
    "gpt-5.4-mini": (0.12, 0.35, 140.0),
    "claude-haiku-5-5": (0.26, 0.45, 95.0),
    "llama-3.3-70b-versatile": (0.07, 0.30, 280.0),
    "qwen3:4b": (0.45, 0.40, 60.0),
}
_QUESTIONS = (
    ("What is a signal box?", "The building from which the points and signals of a stretch of line are set.", 310),
    ("Explain TCP slow start to a child.", "You try one parcel, then two, then four, until one is lost.", 140),
    ("Why is the sky blue?", "Because air scatters blue light more than red.", 220),
    ("How do heat pumps work?", "They move heat from a cold place to a warm one, as a fridge does.", 180),
)
_PIECES = 4  # of a stream
ASKED = "Why is the sky blue, in two lines?"
ANSWERED = {  # short: what needs no scrolling shows no bars
    "gpt-6-luna": ("Air scatters **blue** most.\n\n- *Rayleigh*: `1/λ⁴`\n- **5.5 times** as much as red\n", 46),
    "claude-haiku-5-5": ("Blue light **bounces**.\n\n- air: far below its wavelength\n- red passes straight\n", 41),
    "llama-3.3-70b-versatile": ("Sunlight is **all colors**.\n\n1. air spreads the blue\n2. the rest goes on\n", 38),
}

T = TypeVar("T")


class _Loop(asyncio.SelectorEventLoop):
    """A loop in a thread, whose clock jumps from timer to timer as far as `until`, and stands still there."""

    def __init__(self) -> None:
        self.now, self.until = 0.0, 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now

    def wall_clock(self) -> float:
        return BEGAN + self.now

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Do it at once: the clock would run ahead of a thread."""
        done = self.create_future()
        done.set_result(func(*args))
        return done


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: _Loop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or self._loop.now + timeout > self._loop.until + 1e-6:
            return super().select(None)
        self._loop.now += timeout
        return []


class PicturedRouter:
    """The router of the story, in a thread of its own; `pictured()` makes it. Its time passes only in `go_on`."""

    def __init__(self, file: Path, loop: _Loop) -> None:
        self.loop, self._file = loop, file
        self._rng = random.Random(7)
        self._asking: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.run(self._start())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the router's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def go_on(self, until: float) -> None:
        """Let time pass to this second of the story."""
        self.run(self._go_on(until))

    def snapshot(self) -> Snapshot:
        """Return how the router is now."""
        return self.run(self._snapshot())

    def feed(self) -> PicturedFeed:
        """Return what the dashboard shows of this moment."""
        return PicturedFeed(self)

    def close(self) -> None:
        """End it."""
        self.loop.until = math.inf
        self.run(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    # --- on its loop

    async def _start(self) -> None:
        vendors = {name: self._vendor(name) for name in ("openai", "anthropic", "groq", "ollama")}
        self.router = Router.from_yaml(
            self._file, env=ENV, watch=False, monitor=False, seed=7, providers=vendors, wall_clock=time.time
        )
        await self.router.__aenter__()
        self.router.telemetry.label = f"{_PID}.9f3c"
        self.router.telemetry.capture = "preview"
        self._story = [asyncio.create_task(self._traffic()), asyncio.create_task(self._mistake())]

    async def _go_on(self, until: float) -> None:
        self.loop.until = until
        await asyncio.sleep(until - self.loop.now)

    async def _snapshot(self) -> Snapshot:
        made = self.elsewhere(self.router.snapshot())
        process = replace(made.by_process[0], memory=91_400_000, cpu=0.041, watching=True)
        return replace(made, watching=True, by_process=(process,))

    def elsewhere(self, made: T, kind: Any = None) -> T:
        """Return what the router tells, as of process 4711, its file at `HOME`."""
        told = msgspec.json.encode(made).decode().replace(str(self._file.parents[1]), HOME)
        return msgspec.json.decode(told.replace(f'"pid":{os.getpid()}', f'"pid":{_PID}'), type=kind or type(made))

    async def _end(self) -> None:
        tasks = [*self._story, *self._asking]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await self.router.aclose()

    async def _mistake(self) -> None:
        await asyncio.sleep(REFUSED - 4 - self.loop.now)
        for text, seconds in ((FILE.replace("{model: haiku,", "{model: haikuu,"), 6.0), (FILE, 0.0)):
            self._file.write_text(text)
            await self.router.reload()
            await asyncio.sleep(seconds)

    async def _traffic(self) -> None:
        while self.loop.now < TRIED:
            await asyncio.sleep(self._rng.expovariate(RATE))
            task = asyncio.create_task(self._ask())
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _ask(self) -> None:
        route = self._rng.choices(_ROUTES, _OFTEN)[0]
        question = self._rng.choice(_QUESTIONS)[0]
        asks = question if self._rng.random() < 0.1 else f"{question} ({self._rng.randrange(100_000)})"
        try:
            if self._rng.random() < 0.2:
                await self.router.complete(route, asks)
                return
            async with self.router.stream(route, asks) as stream:
                async for _ in stream:
                    pass
        except SignalboxError:
            return  # the panel tells

    def _vendor(self, name: str) -> FakeProvider:
        rng = random.Random(f"pictures/{name}")

        def step(request: CompletionRequest) -> Step:
            if request.messages[-1].text == ASKED:
                return _reply(request, *ANSWERED[request.model], _SPEEDS[request.model][0])
            return self._fault(name, rng) or self._answer(request, name, rng)

        return FakeProvider(ProviderSettings(name=name, kind="fake", options={"script": step}))

    def _fault(self, name: str, rng: random.Random) -> Step | None:
        now = self.loop.now
        if name == "openai" and _OPENAI_BREAKS <= now < _OPENAI_MENDED:
            says = "The server had an error while processing your request"
            return Fail(ErrorCode.SERVER_ERROR, says, delay=rng.uniform(0.03, 0.4), status=500)
        if name == "groq" and _GROQ_WAITS <= now < _GROQ_WAITS + 1:
            return Fail(ErrorCode.RATE_LIMITED, "Rate limit reached for model", 0.03, retry_after=21.0, status=429)
        if rng.random() < 0.004:
            return Fail(ErrorCode.OVERLOADED, "The engine is currently overloaded", rng.uniform(0.1, 0.5), status=503)
        return None

    def _answer(self, request: CompletionRequest, name: str, rng: random.Random) -> Reply:
        first, spread, _ = _SPEEDS[request.model]
        asked = request.messages[-1].text
        text, tokens = next((text, tokens) for question, text, tokens in _QUESTIONS if asked.startswith(question))
        first *= math.exp(rng.gauss(0.0, 1.0) * spread)
        reply = _reply(request, text, round(tokens * rng.uniform(0.6, 1.6)), first)
        if name != "openai" or not self.loop.now < _OPENAI_BREAKS:
            return reply
        given = math.ceil((_OPENAI_BREAKS - self.loop.now - first) / reply.every)  # pieces, until it breaks
        return replace(reply, break_after=max(0, given)) if given < _PIECES else reply


def _reply(request: CompletionRequest, text: str, tokens: int, first: float) -> Reply:
    speed = _SPEEDS[request.model][2]
    return Reply(
        text, usage=Usage(len(request.messages[-1].text) * 4, tokens), delay=first,
        every=tokens / speed / _PIECES, chunk_size=math.ceil(len(text) / _PIECES),
    )  # fmt: skip


class PicturedFeed:
    """The router's own feed, of one moment: it stands still but while a prompt runs."""

    def __init__(self, pictured: PicturedRouter) -> None:
        self._pictured = pictured
        self._feed = pictured.router.feed()
        self._snapshot = pictured.snapshot()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._feed, name)

    async def snapshots(self, every: float = 0.25) -> AsyncGenerator[Snapshot, None]:
        yield self._snapshot
        await asyncio.Event().wait()

    async def requests(self, *args: Any, **named: Any) -> Any:
        return self._pictured.elsewhere(await self._feed.requests(*args, **named), tuple[RequestRecord, ...])

    async def trace(self, id: str) -> Any:
        return self._pictured.elsewhere(await self._feed.trace(id))

    async def config(self) -> Any:
        return self._pictured.elsewhere(await self._feed.config())

    async def prompt(self, prompt: Prompt) -> AsyncGenerator[PromptEvent, None]:
        self._pictured.loop.until = math.inf
        async with aclosing(self._feed.prompt(prompt)) as events:
            async for event in events:
                yield event


@contextmanager
def pictured() -> Iterator[PicturedRouter]:
    """Begin the story. The wall clock is its own meanwhile."""
    with tempfile.TemporaryDirectory(prefix="signalbox-pictures-") as folder:
        file = Path(folder) / "shop" / "routes.yaml"
        file.parent.mkdir()
        file.write_text(FILE)
        loop = _Loop()
        with (
            mock.patch("time.time", loop.wall_clock),
            mock.patch.dict(os.environ, SIGNALBOX_STATE_DIR=folder),  # of what is spent
        ):
            story = PicturedRouter(file, loop)
            try:
                yield story
            finally:
                story.close()
