"""One simulation: a router on a virtual clock, its simulated vendors, and requests that arrive by chance."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import count as numbers
from random import Random
from typing import Any

from msgspec import structs

from providers.errors import ErrorCode, ProviderError
from router.cache.store import MEMORY_ONLY
from router.config.schema import CacheStore
from router.errors import RouteExhausted
from router.plan.plan import Plan
from router.router import Router
from router.simulate.alerts import Sent, SimulatedAlerts
from router.simulate.asking import NO_MORE, Question, made, params_of, talk
from router.simulate.breakers import BreakerHistory, Watch
from router.simulate.counters import BINS, RouteCount, TargetCount, is_of_the_same
from router.simulate.fleet import Admitted, FleetOutcome, SharedServer
from router.simulate.needing import asking, estimated_at
from router.simulate.prompt_caches import begins
from router.simulate.schema import Scenario, Traffic
from router.simulate.spending import note_spent
from router.simulate.vendors import CHARACTERS, LoggedCalls, SimulatedVendors
from router.state.spending import Spent
from router.testing import run
from router.views.trace import Attempt, Skip, Trace

MONDAY = 1_704_067_200.0  # 2024-01-01 00:00 UTC, when every simulation begins: for the periods of budgets
PATIENCE = 3600.0  # seconds, simulated, that requests may go on after the last has come
_TICK = 1.0  # seconds, simulated, between two looks at the breakers
_REMEMBERED = 1000  # questions of one line of traffic that may come again
_FROM_CACHE = frozenset({"hit", "joined", "stale"})
_LONGEST_PROMPT = 100_000  # characters that are really built; beyond it only the vendor's count grows


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a simulation. Targets are by name, in the order of the file; `took` is in real seconds."""

    scenario: Scenario
    revision: str
    seed: int
    took: float
    routes: dict[str, RouteCount]
    targets: dict[str, TargetCount]
    places: dict[str, str]  # provider/model-id of each target
    names: dict[str, frozenset[str]]  # by which each target may be called, that of its provider among them
    breakers: list[BreakerHistory]
    budgets: dict[str, Spent]  # each as it was when most of it was spent in one period, by all processes together
    fleet: FleetOutcome | None = None  # None for one process that shares nothing
    alerts: list[Sent] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return sum(route.requests for route in self.routes.values())


def simulate(
    plan: Plan, scenario: Scenario, *, seed: int | None = None, progress: Callable[[float, int], None] | None = None
) -> Outcome:
    """Run a scenario to its end.

    Args:
        seed: in place of the scenario's own. The requests are the same for the same seed, whatever the plan.
        progress: called now and then with the simulated seconds so far and the requests so far.
    """
    seed = scenario.seed if seed is None else seed
    simulation = Simulation(plan, scenario, seed, progress)
    began = time.perf_counter()
    run(simulation.main())
    return simulation.outcome(time.perf_counter() - began)


class Simulation:
    """One run of a router under a scenario's traffic.

    Args:
        progress: as in `simulate`.
        epoch: the time of day at which it begins, in seconds since 1970.
        history: how calls went, where a log says so.
    """

    def __init__(
        self,
        plan: Plan,
        scenario: Scenario,
        seed: int,
        progress: Callable[[float, int], None] | None,
        *,
        epoch: float = MONDAY,
        history: LoggedCalls | None = None,
    ) -> None:
        self._epoch = epoch if scenario.begins is None else scenario.begins
        self._plan = plan
        self._scenario = scenario
        self._seed = seed
        self._progress = progress
        self._bin = scenario.duration / BINS
        self._clock: Callable[[], float] = float  # 0.0 until the loop runs
        names = list(dict.fromkeys(line.route for line in scenario.traffic))
        self._vendors = SimulatedVendors(plan, names, scenario, seed, history)
        self._server = None if plan.shared is None else SharedServer(scenario.shared_away)
        self._routers = [
            Router(
                _without_disk(plan),
                seed=seed + number,
                providers=self._vendors.providers,
                wall_clock=self._wall_clock,
                monitor=False,
                exchange=self._server,
            )
            for number in range(scenario.processes)
        ]
        self._any = Random(f"{seed}/processes")
        self._is_fleet = len(self._routers) > 1 or self._server is not None
        self._admitted: dict[str, Admitted] = {}
        self._routes = {name: RouteCount() for name in names}
        self._targets: dict[str, TargetCount] = {}
        self._places: dict[str, tuple[str, str]] = {}  # (provider, model id) by the name of a target
        self._identities: dict[str, str] = {}  # the first name of each target
        self._first: dict[str, str] = {}  # by every name, the first name of the same target
        self._same: dict[str, TargetCount] = {}  # by every name, also a second one of the same target
        self._watch = Watch(scenario.duration)
        for name in names:
            self._know(name)
        self._with_rules = {name for name in names if self._routers[0].chain(name).rules}
        self._budgets: dict[str, Spent] = {}
        self._alerts = SimulatedAlerts(plan.alerts, self._routers, scenario.duration, MONDAY)
        self._running: set[asyncio.Task[Any]] = set()
        self._fault: BaseException | None = None
        self._prompt = "word" * (_LONGEST_PROMPT // CHARACTERS)

    def _know(self, route: str) -> None:
        states = self._routers[0].states  # breakers are each process's own: those of the first are shown
        for target in self._routers[0].chain(route).everybody:
            if target.name in self._same:
                continue
            known = self._first[target.name] = self._identities.setdefault(target.identity, target.name)
            if known != target.name:
                self._same[target.name] = self._targets[known]
                continue
            self._places[target.name] = target.provider, target.model
            self._admitted[target.name] = Admitted()
            self._same[target.name] = self._targets[target.name] = TargetCount()
            self._watch.add(states.target(target).breaker, BreakerHistory(target.name))
            for key in target.keys:
                breaker = states.key_guard(target, key).breaker
                if all(breaker is not watched for watched in self._watch.watched):
                    number = f" {key.number}" if key.number else ""
                    self._watch.add(breaker, BreakerHistory(f"{target.provider} key{number}", key_of=target.provider))

    def _wall_clock(self) -> float:
        return self._epoch + self._clock()

    # --- the run

    async def main(self) -> None:
        loop = asyncio.get_running_loop()
        self._clock = loop.time
        async with AsyncExitStack() as stack:
            for router in self._routers:
                await stack.enter_async_context(router)
            sources = [loop.create_task(source) for source in self.sources()]
            ticking = loop.create_task(self._tick())
            try:
                await asyncio.gather(*sources)
                if self._running:
                    await asyncio.wait(self._running, timeout=PATIENCE)
                for task in self._running:
                    task.cancel()
                if self._running:
                    await asyncio.wait(self._running)
            finally:
                ticking.cancel()
            if self._fault is not None:
                raise self._fault
            self._watch.end(max(loop.time(), self._scenario.duration))

    def sources(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Yield what lets requests come, until all have."""
        for number, line in enumerate(self._scenario.traffic):
            yield self._arrivals(line, number, Random(f"{self._seed}/traffic/{number}"))

    def count(self, route: str) -> RouteCount:
        """Return the counts of a route, or of a name that is none."""
        return self._routes.setdefault(route, RouteCount())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._watch.look(self._clock())
            self._alerts.look(self._clock())
            note_spent(self._budgets, self._routers)
            if self._progress is not None:
                self._progress(self._clock(), sum(route.requests for route in self._routes.values()))

    async def _arrivals(self, line: Traffic, number: int, rng: Random) -> None:
        """Poisson arrivals by thinning (Lewis, Shedler, 1979): of candidates at the highest rate some are kept."""
        end = self._scenario.duration if line.until is None else min(line.until, self._scenario.duration)
        highest, now = max(line.rate.values()), line.start
        asked: deque[Question] = deque(maxlen=_REMEMBERED)
        names = numbers()
        while (now := now + rng.expovariate(highest)) < end and self._fault is None:
            if len(line.rate) > 1 and rng.random() * highest >= line.rate_at(now):
                continue
            await asyncio.sleep(now - self._clock())
            prompt, answer = (max(1, round(spread.draw(rng))) for spread in (line.prompt, line.answer))
            session = None if line.sessions is None else f"session {rng.randrange(line.sessions)}"
            question = Question(f"{number}/{next(names)}", (line.prefix or 0) + prompt, answer)
            if line.repeats:
                if asked and rng.random() < line.repeats:
                    question = asked[rng.randrange(len(asked))]
                else:
                    asked.append(question)
            user = None if line.users is None else str(1 + rng.randrange(line.users))
            asks = line, question, session, user, begins(line, number, question.name)
            is_talk = "turns" in line.model_fields_set
            self._start(talk(self._request, *asks, self._scenario.duration) if is_talk else self._request(*asks))

    def _start(self, request: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(request)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._fault = task.exception()

    async def _request(
        self,
        line: Traffic,
        question: Question,
        session: str | None,
        user: str | None = None,
        more: Mapping[str, Any] = NO_MORE,
        said: Mapping[str, Any] = NO_MORE,
    ) -> bool:
        """One request of somebody, from its beginning to its end; says whether it was answered."""
        prompt = question.prompt
        clock, count = self._clock, self._routes[line.route]
        text = estimated_at(prompt) if line.route in self._with_rules else self._prompt[: prompt * CHARACTERS]
        params = params_of(line, question, more) | {"affinity": session, "user": user, **said}
        asked, needed = asking(text, line.needs)
        router = self._routers[self._any.randrange(len(self._routers)) if len(self._routers) > 1 else 0]
        began = clock()
        first: float | None = None
        trace: Trace | None = None
        answered_by: str | None = None
        count.requests += 1
        try:
            makes = router.chain(line.route).makes or "answers"
            if line.stream and makes == "answers":
                async with router.stream(line.route, asked, **params, **needed) as stream:
                    trace = stream.trace
                    async for chunk in stream:
                        if first is None and chunk.has_content:
                            first = clock()
                        count.restarts += chunk.restarted
                answered_by = stream.response.target
            elif makes == "answers":
                response = await router.complete(line.route, asked, **params, **needed)
                trace, answered_by = response.trace, response.target
            else:
                answer_of = await made(router, line, makes, text, params)
                trace, answered_by = answer_of.trace, answer_of.target
        except (RouteExhausted, ProviderError) as error:
            trace = error.trace or trace
            self._failed(count, str(error.code), began)
        except asyncio.CancelledError:
            self._failed(count, "unfinished", began)
            raise
        else:
            now = clock()
            count.answered += 1
            count.first_token.add((now if first is None else first) - began)
            count.whole.add(now - began)
            if trace.cache in _FROM_CACHE:
                count.hits += 1
            else:
                self._same[answered_by or ""].answers += 1
        if trace is not None:
            self._count(trace, count, began)
        return answered_by is not None

    def _failed(self, count: RouteCount, code: str, began: float) -> None:
        count.errors[code] += 1
        count.failed_course[min(BINS - 1, int(began / self._bin))] += 1

    def _count(self, trace: Trace, count: RouteCount, began: float) -> None:
        """Add what the trace of one request tells."""
        calls = 0
        last: Attempt | None = None
        for entry in trace.entries:
            if isinstance(entry, Skip):
                self._same[entry.target].skips[entry.reason] += 1
            elif isinstance(entry, Attempt):
                target = self._same[entry.target]
                if entry.code is not None and is_of_the_same(entry, last):  # its call is an entry already
                    target.errors[entry.code] += 1
                    last = None
                    continue
                if self._is_fleet:
                    admitted = self._admitted[self._first[entry.target]]
                    admitted.add(began + entry.at, entry.at if calls == 0 else 0.0)
                    admitted.refused += entry.code is ErrorCode.RATE_LIMITED
                target.calls += 1
                target.course[min(BINS - 1, int((began + entry.at) / self._bin))] += 1
                target.hedges += entry.hedge
                count.hedges += entry.hedge
                calls += not entry.hedge
                if entry.lost:
                    target.lost += 1
                elif entry.code is not None:
                    target.errors[entry.code] += 1
                else:
                    target.first_token.add(entry.seconds)
                    last = entry
        count.retries += max(0, calls - 1)
        count.rules.update([trace.rule] if trace.rule else [])
        if last is not None:
            count.fallbacks += last.tier > 0
            count.chains.update([last.chain] if last.chain else [])
        if len(trace.entries) > 1:
            self._watch.look(self._clock())
        trace.entries.clear()  # all who joined a call that failed have its trace, which counts once

    def _names(self, name: str) -> frozenset[str]:
        place = self._places[name]
        own = (other for other, count in self._same.items() if count is self._targets[name])
        return frozenset((*own, place[0], "/".join(place)))

    # --- the end

    def outcome(self, took: float) -> Outcome:
        bills, priced = self._vendors.bills(), self._vendors.priced()
        opened = {history.name: history.opened for history in self._watch.histories if history.key_of is None}
        for name, count in self._targets.items():
            place = self._places[name]
            count.opened = opened[name]
            count.usd = 0.0 if place in priced else None
            for route, bill in bills[place].items():
                count.input_tokens += bill.input_tokens
                count.output_tokens += bill.output_tokens
                count.wasted += bill.wasted
                count.prompts.add(bill.prompts)
                count.usd = None if count.usd is None else count.usd + bill.usd
                asked = self._routes[route]
                asked.usd = None if asked.usd is None or place not in priced else asked.usd + bill.usd
                asked.prompts.add(bill.prompts)
        return Outcome(
            scenario=self._scenario,
            revision=self._plan.revision,
            seed=self._seed,
            took=took,
            routes=self._routes,
            targets=self._targets,
            places={name: "/".join(place) for name, place in self._places.items()},
            names={name: self._names(name) for name in self._places},
            breakers=self._watch.histories,
            budgets=self._budgets,
            alerts=self._alerts.sent,
            fleet=self._fleet() if self._is_fleet else None,
        )

    def _fleet(self) -> FleetOutcome:
        exchanges = None if self._server is None else self._server.exchanges
        return FleetOutcome(len(self._routers), exchanges, self._admitted)


def _without_disk(plan: Plan) -> Plan:
    """The plan with its answers kept in memory: a simulation leaves no trace, and no real answer gets into it. What is
    counted is what callers get: nothing is copied for a shadow.
    """
    chains = {
        name: structs.replace(chain, shadow=None) if chain.shadow else chain for name, chain in plan.chains.items()
    }
    return replace(plan, chains=chains, file=plan.file.model_copy(update={"cache": CacheStore(path=MEMORY_ONLY)}))
