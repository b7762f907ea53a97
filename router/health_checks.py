"""Asks providers now and then whether they are there, by what is free (their list of models), so that no request has to
find out. Never on a request's way: a task for each provider whose `health` the file has, one question at a time.

A failed check counts as a failed call does for the provider's breakers, and is repeated a second later until it is one
no more, or they open; while it fails they stay open. A good one has what failures opened tried at once. It is
no evidence that a model answers: it closes nothing, and wipes out no failure that was counted.
"""

from __future__ import annotations

import asyncio
import logging
import re
import weakref
from collections.abc import Iterable, Mapping
from math import inf

from providers.base import ListsModels
from providers.errors import CONSEQUENCES, ErrorCode, ProviderError
from providers.evidence import concern
from providers.printable import one_line
from router.engine.engine import Engine
from router.plan.plan import Plan
from router.plan.target import Key, Target
from router.state.breaker import Breaker
from router.views.events import Event
from router.views.figures import HealthCheck

LONGEST = 10.0  # seconds that an answer may take
AGAIN = 1.0  # seconds after a failed check, while breakers are closed
_JITTER = 0.1
_HELD = 1.5  # times `every`: how long a failed check holds a breaker open

_LISTING = re.compile(r"scope|permission", re.IGNORECASE)  # what a key may lack that answers well

log = logging.getLogger("signalbox.health")


class HealthChecks:
    """The checks of a router. `found` has the newest of each provider, by its name."""

    def __init__(self, engine: Engine, found: dict[str, HealthCheck]) -> None:
        self.found = found
        self._engine = engine
        self._every: Mapping[str, float] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def adopt(self, plan: Plan) -> None:
        """Check what a plan says, from now on."""
        loop = self._engine.loop
        wanted = {name: _every(plan, name) for name, provider in plan.file.providers.items() if not provider.disabled}
        wanted = {name: every for name, every in wanted.items() if every != inf}
        for name in [name for name, every in self._every.items() if wanted.get(name) != every]:
            self._end(name)
        self._every = wanted
        for name in wanted.keys() - self._tasks.keys() if loop is not None and loop.is_running() else ():
            task = self._tasks[name] = asyncio.get_running_loop().create_task(_keep_on(weakref.ref(self), name))
            weakref.finalize(self, _stop, task.get_loop(), weakref.ref(task))

    def on_new_loop(self) -> None:
        """Go on with the running loop: tasks belong to one."""
        self._tasks.clear()
        self.adopt(self._engine.plan)

    async def aclose(self) -> None:
        """Check no more."""
        ended = [task for task in self._tasks.values() if task.get_loop() is asyncio.get_running_loop()]
        for name in list(self._tasks):
            self._end(name)
        if ended:
            await asyncio.wait(ended)

    def _end(self, name: str) -> None:
        self.found.pop(name, None)
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    def pause(self, name: str) -> float:
        """Return the seconds until the next check of a provider."""
        every, found = _every(self._engine.plan, name), self.found.get(name)
        rng = self._engine.rng
        if found is None:
            return min(every, AGAIN) * rng.random()  # routers that start together ask one after the other
        is_doubtful = found.ok is False and any(breaker.state == "closed" for breaker in self._key_breakers(name))
        return (min(every, AGAIN) if is_doubtful else every) * (1 + rng.uniform(-_JITTER, _JITTER))

    async def check(self, name: str) -> HealthCheck | None:
        """Ask a provider with each of its keys; None where there is nobody to ask, or no way to."""
        plan, target = self._engine.plan, self._target(name)
        if target is None:
            return None
        found = None
        for key in plan.catalogue.keys[name]:
            provider = self._engine.providers.of(target, key)
            if not isinstance(provider, ListsModels):
                return None
            error = await self._ask(provider)
            if error is not None and error.code is ErrorCode.CANCELLED:
                return None
            now = self._engine.enter_loop().time()
            found = self._learn(name, target, key, error, now)
            if found.ok is False:
                break  # the others would fare no better, and hear no worse
        return found

    async def _ask(self, provider: ListsModels) -> ProviderError | None:
        try:
            async with asyncio.timeout(LONGEST):
                await provider.list_models()
        except TimeoutError:
            return ProviderError(ErrorCode.TIMEOUT, f"no answer within {LONGEST:g} s")
        except ProviderError as error:
            return error
        except Exception as error:  # of a kind that is not ours
            return ProviderError(ErrorCode.SERVER_ERROR, f"{type(error).__name__}: {error}")
        return None

    def _learn(self, name: str, target: Target, key: Key, error: ProviderError | None, now: float) -> HealthCheck:
        """Have breakers know what came of a check; it is told when it is another than before."""
        code = None if error is None else error.code
        own = self._engine.states.key_guard(target, key).breaker
        if code is not None and CONSEQUENCES[code].breaker == "failure":
            ok = False
            for breaker in self._key_breakers(name):
                self._failed(breaker, name, now)
        elif error is not None and _is_about_key(error):
            ok = False
            if own.state == "closed":
                own.trip(now)
        else:  # it answers: that it lists no models, or not now, says nothing of what it serves
            ok = True
            for breaker in (own, *self._target_breakers(name)):
                # The key was taken just now; that a model was refused, a list of models does not mend.
                is_mended = not breaker.refused or (breaker is own and code is None)
                if breaker.state == "open" and not breaker.manual and is_mended:
                    breaker.mend(now)
        why = "" if error is None else one_line(f"{error.code}: {error.message}")
        found = HealthCheck(ok, now + self._engine.telemetry.offset, "" if ok else why, _every(self._engine.plan, name))
        before, self.found[name] = self.found.get(name), found
        if (before is None and not ok) or (before is not None and before.ok != ok):
            sentence = f"{name} passes its health check again" if ok else f"{name} fails its health check: {why}"
            level = "good" if ok else "warning"
            fields = {"ok": ok, "code": code}
            self._engine.telemetry.publish(
                Event(found.time, "health", sentence, level, name, fields=fields)  # type: ignore[arg-type]  # one of two levels
            )
        return found

    def _failed(self, breaker: Breaker, name: str, now: float) -> None:
        if breaker.state == "closed":
            breaker.failure(breaker.acquire(now), now)
        elif not breaker.manual:
            until = now + _HELD * _every(self._engine.plan, name)
            breaker.open_with(max(breaker.until, until), "its health check fails", now, refused=False)
            breaker.own = True

    def _target(self, name: str) -> Target | None:
        return next((target for target in self._engine.plan.targets if target.provider == name), None)

    def _key_breakers(self, name: str) -> list[Breaker]:
        target = self._target(name)
        if target is None:
            return []
        return [self._engine.states.key_guard(target, key).breaker for key in target.keys]

    def _target_breakers(self, name: str) -> Iterable[Breaker]:
        targets = {target.identity for target in self._engine.plan.targets if target.provider == name}
        states = (self._engine.states.find_target(identity) for identity in targets)
        return [state.breaker for state in states if state is not None]


def _every(plan: Plan, name: str) -> float:
    """Return the seconds between two checks of a provider; infinity where it is not checked."""
    config = plan.file.providers.get(name)
    return inf if config is None or config.health is None else config.health.every


def _is_about_key(error: ProviderError) -> bool:
    """Say whether the key is wrong as such, and not just none that may list models."""
    is_refused = error.code is ErrorCode.AUTHENTICATION and concern(error) == "key"
    return is_refused and _LISTING.search(error.message) is None


async def _keep_on(checks: weakref.ref[HealthChecks], name: str) -> None:
    """Check a provider for as long as somebody wants it."""
    while (found := checks()) is not None:
        pause = found.pause(name)
        del found
        await asyncio.sleep(pause)
        if (found := checks()) is None:
            return
        try:
            if await found.check(name) is None:
                return  # there is nothing to ask: until another plan
        except Exception:  # whatever it is, the next check begins anew
            log.exception("the health check of %s went wrong; it goes on", one_line(name))
        del found


def _stop(loop: asyncio.AbstractEventLoop, task: weakref.ref[asyncio.Task[None]]) -> None:
    running = task()
    if running is not None and not loop.is_closed():
        loop.call_soon_threadsafe(running.cancel)
