"""Many processes that share what they learn, in virtual time: each an engine over fakes, over one allocator."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any

from providers import CompletionRequest, CompletionResponse, FakeProvider, ProviderSettings
from providers import Message as Words
from providers.fake import Step
from router.config import load_text
from router.engine.engine import Engine
from router.plan.compile import compile_plan
from router.plan.target import Target
from router.shared.exchange import Message, Reply
from router.shared.sharing import Sharing
from router.state.guard import Guard, TargetState
from router.views.events import Event
from tests.support.fleet import Server

Answer = Callable[[int, float], Step]  # of a vendor, to one process (its number), at a time


class _Network:
    """The way from one process to the server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.is_cut = False

    async def open(self, message: Message) -> None:
        """There is no connection."""

    async def send(self, message: Message) -> Reply:
        if self.is_cut:
            raise ConnectionRefusedError("nobody listens")
        return await self._server.send(message)

    async def aclose(self) -> None:
        """There is no connection."""


class Process:
    """One process: an engine, what it shares, and the fakes that it calls."""

    def __init__(
        self, number: int, text: str, server: Server, vendors: dict[str, Answer], machine: str | None = None
    ) -> None:
        plan = compile_plan(load_text(text, env={}))
        self.fakes: dict[str, FakeProvider] = {}
        for name, answer in vendors.items():
            options = {"script": lambda request, answer=answer: answer(number, asyncio.get_running_loop().time())}
            self.fakes[name] = FakeProvider(ProviderSettings(name=name, kind="fake", options=options))
        self.engine = Engine(plan, rng=random.Random(number), providers=self.fakes)
        self.engine.enter_loop()
        self._network = _Network(server)
        self.sharing = Sharing(self.engine, self._network, machine)
        self.sharing.adopt(plan)

    async def ask(self, route: str = "chat", question: str = "hi") -> CompletionResponse:
        """Ask something; raises as a router does."""
        message = (Words.user(question),)
        chain, request, trace = self.engine.begin(route, lambda: CompletionRequest(model="", messages=message))
        return await self.engine.complete(chain, request, trace)

    async def asks(self, route: str = "chat") -> Any:
        """Ask something; gives the answer, or the error."""
        try:
            return await self.ask(route)
        except Exception as error:  # what came of it is what the test looks at
            return error

    def cut_off(self) -> None:
        """Let it reach nobody any more: to the others it is as good as dead."""
        self._network.is_cut = True

    def target(self, name: str = "a/m") -> tuple[Target, TargetState]:
        """Return a target and its state."""
        target = next(target for target in self.engine.plan.targets if target.name == name)
        return target, self.engine.states.target(target)

    def state(self, name: str = "a/m") -> TargetState:
        """Return the state of a target."""
        return self.target(name)[1]

    def key(self, name: str = "a/m", number: int = 0) -> Guard:
        """Return the guard of one of its keys."""
        target = self.target(name)[0]
        return self.engine.states.key_guard(target, target.keys[number])

    def events(self, kind: str) -> list[Event]:
        """Return what has happened."""
        return [event for event in self.engine.telemetry.events if event.kind == kind]

    def calls(self, vendor: str = "a") -> int:
        """Count the calls that a vendor got from it."""
        return len(self.fakes[vendor].requests)


class EngineFleet:
    """So many processes with the same file.

    Args:
        a_machine: processes on a machine.
        vendors: what each answers, by the provider's name.
    """

    def __init__(self, count: int, text: str, *, a_machine: int = 1, **vendors: Answer) -> None:
        self.server = Server()
        self._text, self._vendors, self._a_machine = text, vendors, a_machine
        self.processes: list[Process] = []
        for _ in range(count):
            self.more()

    def more(self) -> Process:
        """Start another process."""
        number = len(self.processes)
        machine = f"machine {number // self._a_machine}"
        self.processes.append(Process(number, self._text, self.server, self._vendors, machine))
        return self.processes[-1]

    def __iter__(self) -> Iterator[Process]:
        return iter(self.processes)

    def __getitem__(self, number: int) -> Process:
        return self.processes[number]

    async def demand(self, per_second: float, seconds: float, rng: random.Random) -> list[tuple[float, int, Any]]:
        """Have processes of chance ask, so often a second altogether; gives when, who, and what came of it."""
        loop, found, tasks = asyncio.get_running_loop(), [], set()
        end = loop.time() + seconds

        async def call(process: int) -> None:
            began = loop.time()
            found.append((began, process, await self.processes[process].asks()))

        while (pause := rng.expovariate(per_second)) < end - loop.time():
            await asyncio.sleep(pause)
            tasks.add(loop.create_task(call(rng.randrange(len(self.processes)))))
        await asyncio.sleep(max(0.0, end - loop.time()))
        await asyncio.gather(*tasks)
        return sorted(found, key=lambda one: one[:2])

    def calls(self, vendor: str = "a") -> int:
        """Count the calls that a vendor got from all."""
        return sum(process.calls(vendor) for process in self)

    async def end(self) -> None:
        """End all processes."""
        for process in self.processes:
            await process.sharing.aclose()
            await process.engine.aclose()
