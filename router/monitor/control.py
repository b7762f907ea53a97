"""What people do to a router by hand: the commands of the dashboard and the socket, and the guards that they turn."""

from __future__ import annotations

from typing import Literal

from providers.errors import SignalboxError
from router.engine.engine import Engine
from router.errors import UnknownRoute
from router.monitor.subject import Subject
from router.state.guard import Guard
from router.views.commands import ClearCache, Command, Done, Drain, Reload, SetBreaker, Undrain


async def run_command(subject: Subject, command: Command) -> Done:
    """Run a command; what can't be done is said in the result."""
    try:
        return await _run(subject, command)
    except (SignalboxError, ValueError) as error:
        return Done(False, str(error))


async def _run(subject: Subject, command: Command) -> Done:
    match command:
        case Reload():
            result = await subject.reload()
            if result.accepted and not result.changes:
                return Done(True, f"revision {result.revision} runs; nothing changed")
            return Done(result.accepted, str(result))
        case SetBreaker(name, action):
            subject.breaker(name, action)
            outcome = {"open": "opened", "close": "closed", "reset": "reset"}[action]
            return Done(True, f"the breaker of {name} is {outcome}")
        case Drain(name):
            subject.drain(name)
            return Done(True, f"{name} gets no new calls")
        case Undrain(name):
            subject.undrain(name)
            return Done(True, f"{name} gets calls again")
        case ClearCache(route):
            count = await subject.cache.clear(route=route)
            shared = ", and all that machines share" if subject.plan.shares_answers else ""
            return Done(True, f"{count} answers{f' of {route}' if route else ''} were forgotten{shared}")
    raise ValueError(f"unknown command {command!r}")


def set_breaker(engine: Engine, name: str, action: Literal["open", "close", "reset"]) -> None:
    """Open, close or reset the breakers of a model, of `provider/model-id`, or of all keys of a provider.

    Raises:
        UnknownRoute: nothing has that name.
    """
    for guard in _guards(engine, name):
        if action == "reset":
            guard.breaker.reset()
        else:
            guard.breaker.force("open" if action == "open" else "closed")


def set_draining(engine: Engine, name: str, *, draining: bool) -> None:
    """Give a model or provider no new calls, or calls again; raises like `set_breaker`."""
    for guard in _guards(engine, name):
        guard.draining = draining


def _guards(engine: Engine, name: str) -> list[Guard]:
    plan, states = engine.plan, engine.states
    if name in plan.providers and name not in plan.file.models:
        target = next((target for target in plan.targets if target.provider == name), None)
        if target is None:
            raise UnknownRoute(f'no model of the provider "{name}" is in use')
        return [states.key_guard(target, key) for key in target.keys]
    if name in plan.file.routes or (name not in plan.chains and plan.names.route_of(name) is not None):
        raise UnknownRoute(f'"{name}" is a route; name a model, provider/model-id or a provider')
    named = [target for target in plan.targets if name in (target.name, target.ref)]  # with any params
    targets = {target.identity: target for target in named or engine.chain(name).targets}
    return [states.target(target) for target in targets.values()]
