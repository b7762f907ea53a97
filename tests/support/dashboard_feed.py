"""A feed of fixed data for the dashboard's tests and pictures: the same on every machine."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from typing import Any

from msgspec.structs import replace

from providers.errors import ErrorCode
from router.config.diagnostics import Diagnostic
from router.config.loader import load_text
from router.monitor import routes as describe
from router.monitor.feed import FeedLost
from router.monitor.requests import passes
from router.plan.compile import compile_plan
from router.views.commands import Command, Done, Prompt, PromptChunk, PromptEnd, PromptEvent
from router.views.events import Event
from router.views.figures import (
    KEPT,
    CacheFigures,
    Counts,
    Figures,
    Flow,
    Health,
    KeyFigures,
    LimitUse,
    Process,
    ProviderFigures,
    Quantiles,
    ReloadNote,
    RouteFigures,
    Snapshot,
    Spending,
    TargetFigures,
)
from router.views.file import ConfigView, Revision
from router.views.history import RANGES, History, Samples
from router.views.requests import Captured, RequestFilter, RequestRecord, TraceView
from router.views.routes import Chains
from router.views.trace import Attempt, Entry, Pause, Skip

NOW = 1_795_447_333.0  # 2026-11-23 16:42:13 UTC
PATH = "/srv/shop/routes.yaml"
REVISION = "9984a99f819b"
TEXT = """\
version: 1
providers:
  openai:    {kind: openai, api_keys: ["${OPENAI_A}", "${OPENAI_B}"], limits: {requests: 500/min}}
  anthropic: {kind: anthropic, api_key: "${ANTHROPIC}"}
  groq:      {kind: openai, dialect: groq, base_url: https://api.groq.com/openai/v1, api_key: "${GROQ}"}
  ollama:    {kind: ollama}
models:
  luna:  {provider: openai, id: gpt-6-luna}
  mini:  {provider: openai, id: gpt-5.4-mini}
  haiku: {provider: anthropic, id: claude-haiku-5-5}
  llama: {provider: groq, id: llama-3.3-70b-versatile}
  qwen:  {provider: ollama, id: "qwen3:4b"}
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
ENV = {"OPENAI_A": "sk-a-0123456789", "OPENAI_B": "sk-b-0123456789", "ANTHROPIC": "sk-c-0123", "GROQ": "gsk-0123456789"}
#          provider    target   model                      calls/s  p50    p95   tokens/s  $/min   in flight
_TARGETS = (
    ("openai", "luna", "gpt-6-luna", 24.6, 0.182, 0.410, 2310.0, 0.0312, 9),
    ("openai", "mini", "gpt-5.4-mini", 8.1, 0.121, 0.303, 640.0, 0.0044, 2),
    ("anthropic", "haiku", "claude-haiku-5-5", 11.3, 0.264, 0.690, 1020.0, 0.0287, 6),
    ("groq", "llama", "llama-3.3-70b-versatile", 0.4, 0.065, 0.140, 60.0, 0.0003, 0),
    ("ollama", "qwen", "qwen3:4b", 1.2, 0.450, 1.310, 44.0, 0.0, 1),
)
OUTAGE = Health("open", NOW + 10, why="5 failures in a row (server_error)")


def _series(seed: str, level: float, seconds: int = 60) -> tuple[int, ...]:
    chance = random.Random(seed)
    wave = [level * (0.75 + 0.25 * (chance.random() + ((second // 9) % 3) / 3)) for second in range(seconds)]
    return tuple(round(value) for value in wave)


def _figures(name: str, rate: float, p50: float, p95: float, tokens: float, cost: float, in_flight: int) -> Figures:
    calls = round(rate * 60)
    failed = calls // 150
    window = Counts(
        calls=calls, succeeded=calls - failed, failed=failed, attempts=calls, input_tokens=calls * 310,
        output_tokens=round(tokens * 60), cost=cost, errors={"rate_limited": failed} if failed else {},
        cache_hits=calls // 9, fallbacks=failed,
    )  # fmt: skip
    total = replace(window, calls=calls * 121, succeeded=(calls - failed) * 121, failed=failed * 121, cost=cost * 121)
    return Figures(
        rate=rate, series=_series(name, rate), in_flight=in_flight, tokens_per_second=tokens, stream_speed=82.0,
        first_token=Quantiles(calls, p50, p50 * 1.5, p95, p95 * 1.6),
        latency=Quantiles(calls, p50 * 6, p50 * 8, p95 * 5, p95 * 8),
        error_rate=failed / calls if calls else None, leading_code="rate_limited" if failed else None,
        cost_per_minute=cost, window=window, totals=total,
    )  # fmt: skip


def _target(row: tuple[Any, ...], health: Health) -> TargetFigures:
    provider, name, model, rate, p50, p95, tokens, cost, in_flight = row
    figures = _figures(name, rate, p50, p95, tokens, cost, in_flight)
    limits = (LimitUse("in_flight", 16, in_flight / 16),) if name == "luna" else ()
    return TargetFigures(name, provider, model, health, rate / 45.6, 0.56 if limits else None, limits, figures)


def _provider(name: str, kind: str, targets: tuple[TargetFigures, ...], health: Health = Health()) -> ProviderFigures:  # noqa: B008 - it is frozen
    rate = sum(each.figures.rate for each in targets)
    slowest = max(targets, key=lambda each: each.figures.first_token.p95 or 0)
    figures = _figures(
        name, rate, slowest.figures.first_token.p50 or 0, slowest.figures.first_token.p95 or 0,
        sum(each.figures.tokens_per_second for each in targets), sum(each.figures.cost_per_minute for each in targets),
        sum(each.figures.in_flight for each in targets),
    )  # fmt: skip
    keys: tuple[KeyFigures, ...] = (KeyFigures("key 1"),)
    pressure = None
    if name == "openai":
        held = Health("held", NOW + 21, why="the vendor asked to wait")
        keys = (
            KeyFigures("key 1", Health(), 8, (LimitUse("requests", 500 / 60, 0.84),)),
            KeyFigures("key 2", held, 3, (LimitUse("requests", 500 / 60, 0.31),)),
        )
        pressure = 0.84
    return ProviderFigures(name, kind, health, rate / 45.6, pressure, keys, targets, figures)


def busy() -> Snapshot:
    """Traffic over five targets, three processes, all well."""
    targets = [_target(row, Health()) for row in _TARGETS]
    of = {
        name: tuple(each for each in targets if each.provider == name) for name in dict.fromkeys(r[0] for r in _TARGETS)
    }
    kinds = {"openai": "openai", "anthropic": "anthropic", "groq": "openai", "ollama": "ollama"}
    routes = (
        _route("chat", 35.9, {"luna": 0.685, "haiku": 0.315}),
        _route("summarize", 8.5, {"mini": 0.95, "llama": 0.05}),
        _route("local", 1.2, {"qwen": 1.0}),
    )
    whole = _figures("all", 45.6, 0.186, 0.520, 4074.0, 0.0646, 18)
    processes = tuple(
        Process(4711 + number, NOW - 7384, REVISION, True, True, 15.2, 6, whole.totals, 91_400_000, 0.041)
        for number in range(3)
    )
    return Snapshot(
        time=NOW, name="shop", path=PATH, revision=REVISION, loaded_at=NOW - 612, started_at=NOW - 7384, watching=True,
        figures=whole, providers=tuple(_provider(name, kinds[name], found) for name, found in of.items()),
        routes=routes, by_process=processes,
        cache=CacheFigures(True, 36_201, 290_311, 12, 804, 281_110, 0.111),
        spending=(Spending("route", "chat", 40.0, 12.71, 86400.0, NOW + 20_000),),
    )  # fmt: skip


def _route(name: str, rate: float, shares: dict[str, float]) -> RouteFigures:
    figures = _figures(f"route {name}", rate, 0.186, 0.520, rate * 89, rate * 0.0014, round(rate / 3))
    flows = {
        target: Flow(target, share, rate * share, _series(f"{name} {target}", rate * share))
        for target, share in shares.items()
    }
    return RouteFigures(name, figures, flows)


def fresh() -> Snapshot:
    """Just started: not one request."""
    empty = busy()

    def bare(target: TargetFigures) -> TargetFigures:
        return replace(target, share=None, pressure=None, limits=(), figures=Figures(series=(0,) * 60))

    providers = tuple(
        replace(
            each, share=None, pressure=None, keys=(), figures=Figures(series=(0,) * 60),
            targets=tuple(bare(target) for target in each.targets),
        )
        for each in empty.providers
    )  # fmt: skip
    return replace(
        empty, started_at=NOW - 3, loaded_at=NOW - 3, figures=Figures(series=(0,) * 60), providers=providers,
        routes=tuple(RouteFigures(each.name) for each in empty.routes), cache=CacheFigures(True), spending=(),
        by_process=(Process(4711, NOW - 3, REVISION, True, True),),
    )  # fmt: skip


def outage() -> Snapshot:
    """openai is down, its calls go to the others; groq is held, ollama drained."""
    now = busy()
    figures = replace(
        _figures("luna down", 2.1, 0.2, 0.9, 0.0, 0.0, 0), error_rate=1.0, leading_code="server_error",
        series=(*_series("luna", 24.6)[:38], *(2,) * 22),
    )  # fmt: skip

    def changed(target: TargetFigures) -> TargetFigures:
        if target.provider == "openai":
            health = OUTAGE if target.name == "luna" else Health("half_open", why="it is being probed")
            return replace(target, health=health, share=0.05, figures=figures)
        if target.provider == "groq":
            return replace(target, health=Health("held", NOW + 42, why="the vendor asked to wait"))
        if target.provider == "ollama":
            return replace(target, health=Health("drained", by_hand=True, why="by hand"))
        return replace(target, share=0.88)

    def provider(each: ProviderFigures) -> ProviderFigures:
        targets = tuple(changed(target) for target in each.targets)
        return replace(each, targets=targets, figures=figures if each.name == "openai" else each.figures)

    return replace(
        now, providers=tuple(provider(each) for each in now.providers),
        figures=replace(now.figures, error_rate=0.012, leading_code="server_error"),
    )  # fmt: skip


def empty() -> Snapshot:
    """A router without routes, made from text. Its feed has nothing either (`FixedFeed(bare=True)`)."""
    return replace(fresh(), name="router", path=None, providers=(), routes=(), cache=CacheFigures(), watching=False)


DIAGNOSTICS = (
    Diagnostic(
        "error", "routes.yaml", 17, 50, "routes.chat.targets.1.model",
        'no model is named "haikuu" (did you mean "haiku"?)',
        "    targets: [{model: luna, weight: 70}, {model: haikuu, weight: 30}]",
    ),
)  # fmt: skip


def rejected() -> Snapshot:
    """The file as saved has an error; the last good one runs."""
    return replace(busy(), last_reload=ReloadNote(NOW - 4, False, REVISION, (), DIAGNOSTICS))


def lost() -> Snapshot:
    """No process answers any more."""
    return replace(busy(), connected=False)


EVENTS = (
    Event(NOW - 612, "reload", "revision 9984a99f loaded: chat: luna 60→70, haiku 40→30", "good"),
    Event(NOW - 340, "hold", "openai/gpt-6-luna is held for 21 s: rate_limited", "warning", "openai", "luna"),
    Event(NOW - 61, "breaker", "groq/llama opened: 5 failures in a row (server_error); retry in 10 s", "error", "groq"),
    Event(NOW - 51, "breaker", "llama is half-open: the next calls probe it", "info", "groq", "llama"),
    Event(NOW - 50, "breaker", "llama closed: it answers again", "good", "groq", "llama"),
    Event(NOW - 12, "drain", "qwen is being drained", "warning", "ollama", "qwen"),
)


def records(number: int = 60) -> tuple[RequestRecord, ...]:
    """Recent requests, the newest first."""
    chance = random.Random(7)
    found = []
    for index in range(number):
        route = chance.choice(("chat", "chat", "chat", "summarize", "local"))
        target = {"chat": "luna", "summarize": "mini", "local": "qwen"}[route]
        provider = {"luna": "openai", "mini": "openai", "qwen": "ollama", "haiku": "anthropic"}
        cached, failed, fell = chance.random() < 0.1, chance.random() < 0.06, chance.random() < 0.1
        shown = "haiku" if fell else target
        whole = chance.uniform(0.3, 4.0)
        found.append(
            RequestRecord(
                id=f"4711.9f3c-{9000 - index}", time=NOW - index * 0.37 - whole, route=route,
                seconds=0.0004 if cached else whole, target=None if failed or cached else shown,
                provider=None if failed or cached else provider[shown],
                code=chance.choice(("rate_limited", "timeout_first_token", "route_exhausted")) if failed else None,
                first_token=None if failed or cached else whole / 7, input_tokens=None if failed else 310,
                output_tokens=None if failed else chance.randrange(20, 900), cost=None if failed else whole / 900,
                streamed=chance.random() < 0.8, cached=cached,
                attempts=3 if failed else 2 if fell else 0 if cached else 1,
                tier=1 if fell else 0, hedged=index == 5, pid=4711 + index % 3,
            )
        )  # fmt: skip
    return tuple(found)


def trace(record: RequestRecord | None = None) -> TraceView:
    """Two failed attempts, a skip and a pause, then an answer by the fallback."""
    shown = record or replace(
        records()[0], route="chat", target="haiku", provider="anthropic", seconds=2.318, code=None
    )
    entries: tuple[Entry, ...] = (
        Attempt(
            "luna", 0, 0.0, 0.41, ErrorCode.OVERLOADED, "The engine is currently overloaded", 503, request_id="req_1"
        ),
        Pause("luna", 0.41, 0.212),
        Attempt("luna", 0, 0.622, 0.338, ErrorCode.RATE_LIMITED, "Rate limit reached for requests", 429, key=2),
        Skip("llama", 1, 0.96, "circuit_open", "for 8 s more"),
        Attempt("haiku", 1, 0.961, 1.357, first_token=0.29, request_id="req_011CSHoEeqs5C35K2UUqR7Fy"),
    )
    captured = Captured("user: Why is the sky blue?", "Because air scatters blue light more than red.", False)
    return TraceView(shown, REVISION, 2.318, entries, captured)


def config(*, bad: bool = False) -> ConfigView:
    """The file, its log, and what is wrong with it."""
    shown = load_text(TEXT, env=ENV).shown
    saved = shown.replace("model: haiku,", "model: haikuu,") if bad else shown
    log = (
        Revision(NOW - 612, REVISION, True, ("chat: luna 60→70, haiku 40→30",), difference=_DIFF),
        Revision(NOW - 7384, "11aa22bb33cc", True),
    )
    if bad:
        log = (Revision(NOW - 4, REVISION, False, (), DIAGNOSTICS, difference=_BAD), *log)
    return ConfigView(PATH, REVISION, saved, shown, DIAGNOSTICS if bad else (), "", _BAD if bad else (), log)


_OLD = "    targets: [{model: luna, weight: 60}, {model: haiku, weight: 40}]"
_NEW = "    targets: [{model: luna, weight: 70}, {model: haiku, weight: 30}]"
_WRONG = "    targets: [{model: luna, weight: 70}, {model: haikuu, weight: 30}]"
_DIFF = ("--- running", "+++ saved", "@@ -16,3 +16,3 @@", " routes:", "   chat:", f"-{_OLD}", f"+{_NEW}")
_BAD = ("--- running", "+++ saved", "@@ -16,3 +16,3 @@", " routes:", "   chat:", f"-{_NEW}", f"+{_WRONG}")


def history(span: int = KEPT) -> History:
    """Values of a second or more, with a dip at the third fifth."""
    grain = RANGES[span]

    def samples(seed: str, level: float) -> Samples:
        series = _series(seed, level * grain, span // grain)
        calls = tuple(0 if 170 < at < 185 else value for at, value in enumerate(series))
        errors = tuple(value // 2 if 160 < at < 190 else value // 40 for at, value in enumerate(calls))
        chance = random.Random(seed)
        p50 = tuple(None if not each else 0.15 + chance.random() * 0.08 for each in calls)
        p95 = tuple(None if each is None else each * (2.2 + chance.random()) for each in p50)
        return Samples(
            calls, errors, tuple(each * 0.0014 / 60 for each in calls), p50, p95,
            tuple(None if each is None else each * 6 for each in p50),
            tuple(None if each is None else each * 5 for each in p95),
        )  # fmt: skip

    providers = {"anthropic": 11.3, "groq": 0.4, "ollama": 1.2, "openai": 32.7}
    routes = {"chat": 35.9, "local": 1.2, "summarize": 8.5}
    return History(
        NOW, span, samples("all", 45.6), {name: samples(name, level) for name, level in providers.items()},
        {name: samples(name, level) for name, level in routes.items()}, grain,
    )  # fmt: skip


ANSWER = """\
Light from the sun meets **air molecules** that are far smaller than its wavelength.

- *Rayleigh scattering* grows with `1/λ⁴`
- so blue is scattered about **5.5 times** as much as red

```python
ratio = (700 / 450) ** 4
```
"""


# Needs no scrolling beside two others, whose bars would come at a moment of their own.
SHORT = """\
Air scatters **blue** most.

- *Rayleigh*: `1/λ⁴`
- **5.5 times** as much as red
"""


class FixedFeed:
    """A `router.monitor.feed.Feed` of fixed data. `commands` and `prompts` are what was asked of it.

    Args:
        snapshots: shown one after another, the last one stays.
        bare: nothing to show: no requests, no routes, no file.
        answer: what a prompt is answered; `hold` keeps the answer open after so many pieces, until it is cancelled.
    """

    def __init__(
        self, *snapshots: Snapshot, events: tuple[Event, ...] = EVENTS, answer: str = ANSWER, hold: int | None = None,
        bad_config: bool = False, bare: bool = False,
    ) -> None:  # fmt: skip
        self.pending: asyncio.Queue[Snapshot] = asyncio.Queue()
        for each in snapshots or (busy(),):
            self.pending.put_nowait(each)
        self.news: asyncio.Queue[Event] = asyncio.Queue()
        for event in events:
            self.news.put_nowait(event)
        self.commands: list[Command] = []
        self.prompts: list[Prompt] = []
        self.filters: list[RequestFilter | None] = []
        self.cancelled = 0
        self.closed = False
        self.gone = False
        self.answer = answer
        self.hold = hold
        self.bad_config = bad_config
        self.bare = bare
        self.records = () if bare else records()
        self.outcome: Callable[[Command], Done] = lambda command: Done(True, f"done: {type(command).__name__}")

    @property
    def name(self) -> str:
        return "shop"

    async def snapshots(self, every: float = 0.25) -> AsyncGenerator[Snapshot, None]:
        while True:
            yield await self.pending.get()

    async def events(self) -> AsyncGenerator[Event, None]:
        while True:
            yield await self.news.get()

    def _alive(self) -> None:
        if self.gone:
            raise FeedLost("no process of shop answers")

    async def history(self, span: int = KEPT) -> History:
        self._alive()
        return History(NOW, span, Samples(), grain=RANGES[span]) if self.bare else history(span)

    async def requests(self, only: RequestFilter | None = None, limit: int = 100) -> tuple[RequestRecord, ...]:
        self._alive()
        self.filters.append(only)
        found = [each for each in self.records if only is None or passes(each, only)]
        return tuple(found[:limit])

    async def trace(self, id: str) -> TraceView | None:
        self._alive()
        return next((trace(each) for each in self.records if each.id == id), None)

    async def chains(self) -> Chains:
        self._alive()
        return Chains(REVISION, ()) if self.bare else describe.chains(compile_plan(load_text(TEXT, env=ENV)))

    async def config(self) -> ConfigView:
        self._alive()
        return ConfigView(None, REVISION, "", "") if self.bare else config(bad=self.bad_config)

    async def command(self, command: Command) -> Done:
        self._alive()
        self.commands.append(command)
        return self.outcome(command)

    async def prompt(self, prompt: Prompt) -> AsyncGenerator[PromptEvent, None]:
        self._alive()
        self.prompts.append(prompt)
        try:
            for number, piece in enumerate(self.answer.splitlines(keepends=True)):
                if number == self.hold:
                    await asyncio.Event().wait()
                yield PromptChunk(piece)
        except (GeneratorExit, asyncio.CancelledError):
            self.cancelled += 1
            raise
        yield PromptEnd("haiku", "claude-haiku-5-5", 1.742, 0.184, 21, 96, 0.0021, finish_reason="stop", trace=trace())

    async def aclose(self) -> None:
        self.closed = True
