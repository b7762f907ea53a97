"""Runs the requests of a log again, on another file: they come when they came, and vendors do as they did then."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from math import isfinite
from random import Random
from typing import Any

from router.plan.plan import Plan
from router.request_log.lines import Line
from router.simulate.asking import Question
from router.simulate.run import Outcome, Simulation
from router.simulate.samples import Sample
from router.simulate.schema import Scenario, Traffic
from router.simulate.traffic import KEPT, OF_REQUEST, LoggedTraffic, attempts_of, sample_of
from router.testing import run

Place = tuple[str, str]  # provider and model id
_MEAN = 0.05  # the weight of a request in the mean of its route
_AT_ONCE = 200  # requests that begin together before others get a turn


class History:
    """How vendors did, by the log: a call goes as that very request's call of the target went; where it made none, as
    one of the target's last calls before it.

    Args:
        traffic: what the log has.
        plans: those by whose names its targets may be called, the first counts.
    """

    def __init__(self, traffic: LoggedTraffic, plans: list[Plan], seed: int) -> None:
        self._seed = seed
        self._names: dict[str, Place] = {}
        for plan in reversed(plans):
            self._names |= {target.name: (target.provider, target.model) for target in plan.targets}
        self._providers = traffic.providers
        self._lately: dict[Place, deque[Sample]] = {}
        self._chance: dict[Place, Random] = {}
        self._own: dict[int, dict[Place, deque[Sample]]] = {}
        for name, samples in traffic.samples.items():
            if (place := self.place(name)) is not None:
                self._lately.setdefault(place, deque(maxlen=KEPT)).extend(samples)

    @property
    def known(self) -> set[Place]:
        """The models of which the log has attempts."""
        return {place for place, samples in self._lately.items() if samples}

    def place(self, name: str) -> Place | None:
        """Return the provider and model id of a target's name in the log."""
        if name in self._names:
            return self._names[name]
        provider, slash, model = name.partition("/")
        known = self._providers.get(name)
        if slash and known in (None, provider):
            return provider, model
        return None

    def begin(self, number: int, line: Line) -> None:
        """Take up what a request saw."""
        own: dict[Place, deque[Sample]] = {}
        for entry in attempts_of(line):
            place, sample = self.place(entry.target), sample_of(entry, line)
            if place is None or sample is None:
                continue
            own.setdefault(place, deque()).append(sample)
            self._lately.setdefault(place, deque(maxlen=KEPT)).append(sample)
        if line.code in OF_REQUEST:  # it would be refused anywhere
            own = {place: deque([Sample(line.code, line.seconds)]) for place in self._lately}
        if own:
            self._own[number] = own

    def end(self, number: int) -> None:
        """Forget a request."""
        self._own.pop(number, None)

    def __call__(self, place: Place, number: int) -> Sample | None:
        """Return how a call goes; None where the log has none of this model."""
        own = self._own.get(number, {}).get(place)
        if own:
            return own.popleft()
        lately = self._lately.get(place)
        if not lately:
            return None
        rng = self._chance.setdefault(place, Random(f"{self._seed}/{'/'.join(place)}"))
        return lately[rng.randrange(len(lately))]


def replay(
    plan: Plan,
    traffic: LoggedTraffic,
    *,
    plans: tuple[Plan, ...] = (),
    seed: int = 1,
    progress: Callable[[float, int], None] | None = None,
) -> Outcome:
    """Run a log's requests on a plan, in virtual time.

    Args:
        plans: others that may know the names of the log's targets.
        seed: of all chance.
        progress: called now and then with the part of the log that was run and the requests so far.
    """
    lines = [
        Traffic.model_construct(route=route, rate={0.0: 0.0}, stream=stream, repeats=0.0)
        for route, stream in sorted(traffic.streams)
        if plan.chain(route) is not None
    ]
    scenario = Scenario.model_construct(
        duration=traffic.duration, seed=seed, traffic=tuple(lines), processes=1, targets={}, events=(), shared_away=()
    )
    history = History(traffic, [plan, *plans], seed)
    replayed = _Replay(plan, scenario, seed, traffic, history, progress)
    return replayed.run()


class _Replay(Simulation):
    def __init__(
        self,
        plan: Plan,
        scenario: Scenario,
        seed: int,
        traffic: LoggedTraffic,
        history: History,
        progress: Callable[[float, int], None] | None,
    ) -> None:
        epoch = traffic.first if isfinite(traffic.first) else 0.0
        super().__init__(plan, scenario, seed, None, epoch=epoch, history=history)
        self._traffic = traffic
        self._history = history
        self._told = progress
        self._lines = {(line.route, line.stream): line for line in scenario.traffic}
        self._sizes: dict[str, tuple[float, float]] = {}  # mean tokens of prompts and answers, by the name asked for

    def sources(self) -> Iterator[Coroutine[Any, Any, None]]:
        yield self._come()

    async def _come(self) -> None:
        """Let each request begin when it began."""
        loop = asyncio.get_running_loop()
        told = self._told
        done = 0

        def progress(part: float) -> None:
            if told is not None:
                told(part, done)

        for done, line in enumerate(self._traffic.in_order(progress), 1):
            wait = line.time - self._traffic.first - loop.time()
            if wait > 0 or done % _AT_ONCE == 0:
                await asyncio.sleep(max(0.0, wait))
            if self._fault is not None:
                return
            self._begin(done, line)

    def _begin(self, number: int, line: Line) -> None:
        asked = line.asked or line.route
        known = self._lines.get((asked, line.first_token is not None)) or self._lines.get((asked, False))
        prompt, answer = self._tokens(asked, line)
        if known is None:
            self.count(asked).requests += 1
            self._failed(self.count(asked), "unknown_route", self._clock())
            return
        chain = self._plan.chain(asked)
        if line.cached and chain is not None and chain.cache is not None:
            count = self.count(asked)
            count.requests += 1
            count.answered += 1
            count.hits += 1
            count.first_token.add(line.seconds if line.first_token is None else line.first_token)
            count.whole.add(line.seconds)
            return
        self._history.begin(number, line)
        self._start(self._again(number, line, known, Question(str(number), prompt, answer)))

    async def _again(self, number: int, line: Line, known: Traffic, question: Question) -> None:
        said = {"caller": line.caller, "user": line.user, **({} if line.tags is None else {"tags": line.tags})}
        try:
            await self._request(known, question, None, more={"logged": number}, said=said)
        finally:
            self._history.end(number)

    def _tokens(self, asked: str, line: Line) -> tuple[int, int]:
        """Return the tokens of prompt and answer; where the log has none of a request that failed, the mean."""
        prompt, answer = line.input_tokens, line.output_tokens
        mean = self._sizes.get(asked, (500.0, 200.0))
        if prompt is not None and answer is not None:
            was = self._sizes.get(asked, (float(prompt), float(answer)))
            self._sizes[asked] = was[0] + _MEAN * (prompt - was[0]), was[1] + _MEAN * (answer - was[1])
        return round(mean[0]) if prompt is None else prompt, max(1, round(mean[1]) if answer is None else answer)

    def run(self) -> Outcome:
        began = time.perf_counter()
        run(self.main())
        return self.outcome(time.perf_counter() - began)
