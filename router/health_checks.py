"""Asks providers now and then whether they are there, by what is free (their list of models, or a path that they have
for it), so that no request has to find out. Never on a request's way: a task for each provider whose `health` the file
has, one question at a time.

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

from providers.base import AsksHealth, ListsModels
from providers.errors import CONSEQUENCES, ErrorCode, ProviderError
from providers.evidence import concern
from providers.printable import one_line
from router.engine.engine import Engine
from router.plan.plan import Plan
from router.plan.target import Target
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
        self._doubted: set[str] = set()  # those whose server failed
        weakref.finalize(self, _stop, self._tasks)

    def adopt(self, plan: Plan) -> None:
        """Check what a plan says, from now on."""
        loop = self._engine.loop
        wanted = {name: _every(plan, name) for name, provider in plan.file.providers.items() if not provider.disabled}
        wanted = {name: every for name, every in wanted.items() if every != inf}
        for name in [name for name, every in self._every.items() if wanted.get(name) != every]:
            self._end(name)
        self._every = wanted
        for name in wanted if loop is not None and loop.is_running() else ():
            task = self._tasks.get(name)
            if task is None or task.done():  # there may be somebody to ask now
                self._tasks[name] = asyncio.get_running_loop().create_task(_keep_on(weakref.ref(self), name))

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
        breakers = self._key_breakers(name) if name in self._doubted else []
        is_doubtful = any(breaker.state == "closed" and not breaker.manual for breaker in breakers)
        return (min(every, AGAIN) if is_doubtful else every) * (1 + rng.uniform(-_JITTER, _JITTER))

    async def check(self, name: str) -> HealthCheck | None:
        """Ask a provider with each of its keys; None where there is nobody to ask, or no way to."""
        plan, target = self._engine.plan, self._target(name)
        if target is None:
            return None
        failed: list[str] = []
        self._doubted.discard(name)
        for key in plan.catalogue.keys[name]:
            provider = self._engine.providers.of(target, key)
            if not isinstance(provider, ListsModels):
                return None
            path = _path(plan, name) if isinstance(provider, AsksHealth) else None
            error = await self._ask(provider, path)
            if error is not None and error.code is ErrorCode.CANCELLED:
                return None
            now = self._engine.enter_loop().time()
            if error is not None and CONSEQUENCES[error.code].breaker == "failure":
                self._doubted.add(name)
                for breaker in self._key_breakers(name):
                    self._failed(breaker, name, now)
                failed = [f"{error.code}: {error.message}"]
                break  # the server, whatever the key
            own = self._engine.states.key_guard(target, key).breaker
            if error is not None and _is_about_key(error):
                self._refused(own, name, now)
                failed.append(f"{f'key {key.number}: ' if key.number else ''}{error.code}: {error.message}")
            elif error is not None and path is not None:  # a path that is not there tells nothing
                return self._tell(name, one_line(f"{path}: {error.code}: {error.message}"))
            else:
                self._passed(own, name, now, is_taken=error is None)
        return self._tell(name, one_line("; ".join(failed)))

    async def _ask(self, provider: ListsModels, path: str | None) -> ProviderError | None:
        try:
            async with asyncio.timeout(LONGEST):
                if path is not None and isinstance(provider, AsksHealth):
                    await provider.ask_health(path)
                else:
                    await provider.list_models()
        except TimeoutError:
            return ProviderError(ErrorCode.TIMEOUT, f"no answer within {LONGEST:g} s")
        except ProviderError as error:
            return error
        except Exception as error:  # of a kind that is not ours
            return ProviderError(ErrorCode.SERVER_ERROR, f"{type(error).__name__}: {error}")
        return None

    def _failed(self, breaker: Breaker, name: str, now: float) -> None:
        """Count a failed check as a failed call; what is open stays so until the next one."""
        if breaker.state == "closed":
            breaker.failure(breaker.acquire(now), now)
        else:
            self._keep_open(breaker, name, now, refused=False)

    def _refused(self, breaker: Breaker, name: str, now: float) -> None:
        """Open the breaker of a key that is wrong."""
        if breaker.state == "closed":
            breaker.trip(now)
        else:
            self._keep_open(breaker, name, now, refused=True)

    def _keep_open(self, breaker: Breaker, name: str, now: float, *, refused: bool) -> None:
        if not breaker.manual:
            until = max(breaker.until, now + _HELD * _every(self._engine.plan, name))
            breaker.open_with(until, "its health check fails", now, refused=refused)
            breaker.own = True

    def _passed(self, own: Breaker, name: str, now: float, *, is_taken: bool) -> None:
        """Have what failures opened tried at once. A list of models mends no refusal of a model, but of a key which
        was taken for it. A server that lists no models, or not now, answers as well.
        """
        for breaker in (own, *self._target_breakers(name)):
            is_mended = not breaker.refused or (breaker is own and is_taken)
            if breaker.state == "open" and not breaker.manual and is_mended:
                breaker.mend(now)

    def _tell(self, name: str, why: str) -> HealthCheck:
        """Keep what came of a check; it is an event where it is another thing than before."""
        telemetry, ok = self._engine.telemetry, not why
        time = self._engine.enter_loop().time() + telemetry.offset
        found = HealthCheck(ok, time, why, _every(self._engine.plan, name))
        before, self.found[name] = self.found.get(name), found
        if ok and before is not None and not before.ok:
            telemetry.publish(Event(time, "health", f"{name} passes its health check again", "good", name))
        elif not ok and (before is None or before.ok):
            sentence = f"{name} fails its health check: {why}"
            telemetry.publish(Event(time, "health", sentence, "warning", name, fields={"why": why}))
        return found

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


def _path(plan: Plan, name: str) -> str | None:
    """Return what a provider's server is asked at; None where its list of models is asked for."""
    config = plan.file.providers.get(name)
    return None if config is None or config.health is None or config.health.path is None else str(config.health.path)


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


def _stop(tasks: Mapping[str, asyncio.Task[None]]) -> None:
    for task in tasks.values():
        if not task.get_loop().is_closed():
            task.get_loop().call_soon_threadsafe(task.cancel)
