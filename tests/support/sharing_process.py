"""One process of `make shared-soak`: it shares all that can be shared, and says what becomes of its requests.

Its routes: `limited` asks for more than the limit. `paid` needs a lease, a place and dollars, of which there are
enough: whatever it waits for is the server. `cached` asks for the same as others do, at the same time.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from pathlib import Path
from typing import NamedTuple

from providers import CompletionRequest, FakeProvider, ProviderSettings
from providers.fake import Reply
from providers.types import Usage
from router import RouteExhausted, Router
from router.views.events import Event

CENT = 10_000_000  # nano-dollars: what a call of `paid` costs
FILE = """
providers:
  a: {{kind: fake, api_key: one, limits: {{requests: {limit}/min}}}}
  b: {{kind: fake, api_key: two, limits: {{requests: 60000/min, in_flight: 64}}}}
  c: {{kind: fake, api_key: three}}
models:
  priced: {{provider: b, id: m, price: {{input: 10, output: 0}}}}
routes:
  limited: {{targets: [a/m], retry: {{max_wait: 250ms}}}}
  paid: {{targets: [priced], budget: $1000000/month, retry: {{max_wait: 20s}}}}
  cached: {{targets: [c/m], cache: {{ttl: 2s}}}}
cache: {{path: memory}}
shared:
  url: "{url}"
  app: soak
  secret: as-good-as-any-other
  share: [limits, holds, breakers, budgets, fleet, cache]
  single_flight: on
"""
PROMPTS = 20  # different ones that `cached` is asked


def answer_to(prompt: str) -> str:
    """Return the one right answer."""
    return prompt[::-1] * 10


class Outcome(NamedTuple):
    """What became of a request: `right`, `wrong` or `refused`; its wait, and how long its loop stood still then."""

    what: str
    waited: float
    stalled: float


class Stalls:
    """How long the loop did not run, all in all: nobody but the machine is to blame for that."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def watch(self) -> None:
        """Count, for ever."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            self.seconds += max(0.0, time.monotonic() - before - 0.005)


class Program:
    """The process.

    Args:
        rates: requests a second of each route.

    `states` are what it has told of the server: away, back.
    """

    def __init__(self, file: Path, rates: dict[str, float]) -> None:
        self._rates = rates
        self.stalls = Stalls()
        self.states: list[str] = []
        self._called: dict[str, float] = {}
        providers = {name: self._vendor(name) for name in "abc"}
        self.router = Router.from_yaml(file, env={}, watch=False, monitor=False, providers=providers)
        self.router.telemetry.subscribers.add(self._heard)

    def _vendor(self, name: str) -> FakeProvider:
        def answer(request: CompletionRequest) -> Reply:
            prompt = request.messages[-1].text
            self._called[prompt] = time.monotonic()
            return Reply(answer_to(prompt), usage=Usage(1000, 0), delay=random.uniform(0.005, 0.05))

        return FakeProvider(ProviderSettings(name=name, kind="fake", options={"script": answer}))

    def _heard(self, event: Event) -> None:
        if event.kind == "shared" and "answers" not in event.sentence:  # they are back when somebody asks for one
            self.states.append(event.fields["state"])
            say(event.fields["state"])

    async def ask(self, route: str, prompt: str) -> Outcome:
        """Ask once."""
        began, stalled = time.monotonic(), self.stalls.seconds
        try:
            response = await self.router.complete(route, prompt)
        except RouteExhausted:
            return Outcome("refused", time.monotonic() - began, self.stalls.seconds - stalled)
        called = self._called.pop(prompt, began) if route != "cached" else began
        what = "right" if response.text == answer_to(prompt) else "wrong"
        return Outcome(what, called - began, self.stalls.seconds - stalled)

    async def _ask(self, route: str, prompt: str) -> None:
        say(route, *await self.ask(route, prompt))

    async def run(self, seconds: float) -> None:
        """Ask until it is told to end."""
        loop, ends = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, ends.set)
        loop.call_later(seconds, ends.set)
        watching = loop.create_task(self.stalls.watch())
        async with self.router, asyncio.TaskGroup() as group:

            async def demand(route: str, rate: float) -> None:
                number = 0
                while not ends.is_set():
                    await asyncio.sleep(random.expovariate(rate))
                    number += 1
                    prompt = f"{route} {number if route != 'cached' else random.randrange(PROMPTS)}"
                    group.create_task(self._ask(route, prompt))

            for route, rate in self._rates.items():
                group.create_task(demand(route, rate))
        watching.cancel()


def say(*words: object) -> None:
    """Print when (the machine's clock), and what."""
    print(time.monotonic(), *words, flush=True)


if __name__ == "__main__":
    path, seconds, *rates = sys.argv[1:]
    program = Program(Path(path), dict(zip(("limited", "paid", "cached"), map(float, rates), strict=True)))
    asyncio.run(program.run(float(seconds)))
