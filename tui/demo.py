"""The demo of `signalbox demo`: four simulated vendors on loopback, a routes.yaml over them, and people who ask."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from providers.errors import SignalboxError
from providers.simulator import Simulator
from router.gateway.local import curl_lines, served_locally
from router.router import Router
from tui.simulated import Fault

ROUTES = """\
# The demo's routes.yaml. Edit it while the demo runs: save, and look at the panel.
# Try: change a weight, write a typo, take a fallback out, add `hedge: {{after: p95}}` to a route.
version: 1

providers:
  openai:    {{kind: openai,    base_url: "{openai}",    api_key: no-key}}
  anthropic: {{kind: anthropic, base_url: "{anthropic}", api_key: no-key}}
  groq:      {{kind: openai,    base_url: "{groq}",      api_key: no-key}}
  ollama:    {{kind: ollama,    base_url: "{ollama}"}}

models:
  luna:  {{provider: openai,    id: gpt-6-luna,       price: {{input: 0.25, output: 2}}}}
  mini:  {{provider: openai,    id: gpt-5.4-mini,     price: {{input: 0.15, output: 0.6}}}}
  haiku: {{provider: anthropic, id: claude-haiku-5-5, price: {{input: 1, output: 5}}}}
  llama: {{provider: groq,      id: llama-3.3-70b,    price: {{input: 0.59, output: 0.79}}}}
  qwen:  {{provider: ollama,    id: "qwen3:4b",       price: {{input: 0, output: 0}}}}

defaults:
  timeout: {{first_token: 3s, total: 30s}}
  breaker: {{open_for: 2s, max_open_for: 8s}}  # so that a vendor that you mend is soon back

routes:
  chat:
    targets:
      - {{model: luna, weight: 70}}
      - {{model: haiku, weight: 30}}
    fallbacks: [llama, qwen]
  summarize:
    targets: [mini, llama]
    balance: least_latency
    fallbacks: [haiku]
  faq:
    targets: [haiku]
    fallbacks: [luna]
    cache: {{ttl: 5m, stale_if_error: 1h}}
  local:
    targets: [qwen]
    fallbacks: [mini]
"""

_HEALTHY: dict[str, dict[str, object]] = {
    "openai": {"first_token": 0.18, "tokens_per_second": 120.0, "jitter": 0.4},
    "anthropic": {"first_token": 0.26, "tokens_per_second": 90.0, "jitter": 0.3},
    "groq": {"first_token": 0.07, "tokens_per_second": 300.0, "jitter": 0.3},
    "ollama": {"first_token": 0.45, "tokens_per_second": 80.0, "jitter": 0.4},
}
_FAULTS: dict[str, tuple[dict[str, object], str, str]] = {
    "break": ({"error_rate": 1.0, "error": "server_error"}, "broken", "{} is broken: it answers 500"),
    "slow": ({"first_token": 2.5, "tokens_per_second": 15.0}, "slow", "{} is slow: 2.5 s to the first token"),
    "limit": (
        {"error_rate": 1.0, "error": "rate_limited", "retry_after": 15.0},
        "limited",
        "{} is rate-limited: 429, ask again in 15 s",
    ),
}
_ROUTES, _OFTEN = ("chat", "summarize", "faq", "local"), (60, 20, 12, 8)
_QUESTIONS = (
    "Why is the sky blue?",
    "What is a signal box?",
    "Explain TCP slow start to a child.",
    "Write a haiku about railways.",
    "Summarize the history of tea in three sentences.",
    "How do heat pumps work?",
)
_LEAST, _MOST = 0.5, 200.0  # requests a second


class Demo:
    """The `SimulatedVendors` of the demo, its router, and the traffic. `demo` makes it, on the loop that it belongs to.

    `router` is the one that the dashboard shows, `path` its file, and `url` where it is served over HTTP.
    """

    def __init__(self, router: Router, simulator: Simulator, path: Path, url: str) -> None:
        self.router = router
        self.url = url
        self.path = path
        self._simulator = simulator
        self._loop = asyncio.get_running_loop()
        self._written = path.read_text()
        self._faults: dict[str, str] = {}
        self._traffic = 12.0
        self._rng = random.Random(7)
        self._asking: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        for name in _HEALTHY:
            self._set_vendor(name, {})

    # --- for the dashboard, from any thread

    @property
    def traffic(self) -> float:
        return self._traffic

    def commands(self) -> tuple[str, ...]:
        return curl_lines(self.url, "chat")

    def faults(self) -> dict[str, str]:
        return dict(self._faults)

    def set_fault(self, name: str, fault: Fault) -> str:
        if name not in _HEALTHY:
            return f"{name} is no simulated vendor"
        if fault == "mend":
            self._faults.pop(name, None)
            self._loop.call_soon_threadsafe(self._set_vendor, name, {})
            return f"{name} is well again"
        knobs, word, sentence = _FAULTS[fault]
        self._faults[name] = word
        self._loop.call_soon_threadsafe(self._set_vendor, name, knobs)
        return sentence.format(name)

    def change_traffic(self, factor: float) -> str:
        self._traffic = min(_MOST, max(_LEAST, self._traffic * factor))
        self._loop.call_soon_threadsafe(self._changed.set)
        return f"{self._traffic:.3g} requests a second"

    def kept(self) -> Path | None:
        """Return where the file is kept, if it was edited; remove its folder if it was not."""
        with contextlib.suppress(OSError):
            if self.path.read_text() != self._written:
                return self.path
        shutil.rmtree(self.path.parent.parent, ignore_errors=True)
        return None

    # --- on its own loop

    def _set_vendor(self, name: str, fault: dict[str, object]) -> None:
        vendor = self._simulator.vendor(name)
        vendor.mend()
        vendor.set(**{**_HEALTHY[name], **fault})

    async def ask_for_ever(self) -> None:
        """Begin requests at random moments: on average `traffic` a second."""
        while True:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):  # or the traffic changes meanwhile
                async with asyncio.timeout(self._rng.expovariate(self._traffic)):
                    await self._changed.wait()
            task = asyncio.create_task(self._ask())
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _ask(self) -> None:
        route = self._rng.choices(_ROUTES, _OFTEN)[0]
        question = self._rng.choice(_QUESTIONS)
        if route != "faq":
            question = f"{question} ({self._rng.randrange(10_000)})"
        try:
            if self._rng.random() < 0.2:
                await self.router.complete(route, question)
                return
            async with self.router.stream(route, question) as stream:
                async for _ in stream:
                    pass
        except (SignalboxError, RuntimeError):
            return  # the panel tells; RuntimeError: the demo ends

    async def aclose(self) -> None:
        """End the requests under way."""
        for task in self._asking:
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking)


@contextlib.asynccontextmanager
async def demo() -> AsyncIterator[Demo]:
    """Run the demo, under traffic. Its file is in a new folder for temporary files; see `Demo.kept`."""
    folder = Path(tempfile.mkdtemp(prefix="signalbox-")) / "demo"  # which names the router
    folder.mkdir()
    async with Simulator(seed=7) as simulator:
        simulator.add_vendor("groq", "openai")
        path = folder / "routes.yaml"
        path.write_text(ROUTES.format(**{name: simulator.base_url(name) for name in _HEALTHY}))
        async with Router.from_yaml(path) as router, served_locally(router) as url:
            running = Demo(router, simulator, path, url)
            asking = asyncio.create_task(running.ask_for_ever())
            try:
                yield running
            finally:
                asking.cancel()
                await asyncio.wait([asking])
                await running.aclose()
