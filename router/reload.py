"""Following the file: what an edit changes, in words, and a watcher that sees every kind of save.

The folder is watched, not the file: editors replace a file by renaming, and Kubernetes swaps a link beside it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from router.config.units import format_duration
from router.plan import Chain, Plan, Tier
from router.target import Budget

if TYPE_CHECKING:
    from router.config import Diagnostic, LoadResult

DEBOUNCE = 0.05  # seconds, in which the several events of one save become one
_RESTART = 1.0  # seconds after which a watcher that broke is started anew

log = logging.getLogger("signalbox.reload")


@dataclass(frozen=True, slots=True)
class Reload:
    """What came of a changed file.

    `accepted` is False when the old plan goes on; then `diagnostics` says why. `changes` tells the difference in words.
    """

    accepted: bool
    revision: str
    changes: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    problem: str = ""
    loaded: LoadResult | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        if self.accepted:
            return f"revision {self.revision}: {'; '.join(self.changes) or 'nothing that shows'}"
        told = self.problem or "\n".join(found.render() for found in self.diagnostics)
        return f"rejected, revision {self.revision} goes on: {told}"


def differences(old: Plan, new: Plan, under_way: Mapping[str, int]) -> tuple[str, ...]:
    """What a new plan changes, one phrase each, such as `chat: mini 70→50, llama 30→50`.

    Args:
        under_way: calls in flight by the name of the provider.
    """
    return (*_providers(old, new, under_way), *_routes(old, new), *_models(old, new))


def _providers(old: Plan, new: Plan, under_way: Mapping[str, int]) -> Iterator[str]:
    for name in old.providers:
        if name not in new.providers:
            draining = f", draining {under_way[name]}" if under_way.get(name) else ""
            yield f"provider {name} removed{draining}"
        elif old.told.account(name) != new.told.account(name):
            draining = f", draining {under_way[name]}" if under_way.get(name) else ""
            keys, more = len(old.told.keys[name]), len(new.told.keys[name])
            what = "reconnects" if keys == more else f"keys {keys}→{more}"
            yield f"provider {name} {what}{draining}"
    for name, config in new.file.providers.items():
        if name not in old.providers:
            yield f"provider {name} added"
            continue
        budgets = [plan.budget_of(name) for plan in (old, new)]
        if budgets[0] != budgets[1]:
            yield f"provider {name} budget {_dollars(budgets[0])}→{_dollars(budgets[1])}"
        if config.disabled != old.file.providers[name].disabled:
            yield f"provider {name} {'left out' if config.disabled else 'is back'}"


def _routes(old: Plan, new: Plan) -> Iterator[str]:
    for name in old.file.routes:
        if name not in new.file.routes:
            yield f"route {name} removed"
    for name in new.file.routes:
        if name not in old.file.routes:
            yield f"route {name} added"
            continue
        changed = list(_chain(old.chains[name], new.chains[name]))
        if changed:
            yield f"{name}: {', '.join(changed)}"


def _chain(old: Chain, new: Chain) -> Iterator[str]:
    for number, (before, after) in enumerate(zip(old.tiers, new.tiers, strict=False), 1):
        yield from _tier(before, after, "" if number == 1 else f"tier {number} ")
    if len(old.tiers) != len(new.tiers):
        yield f"{len(old.tiers)}→{len(new.tiers)} tiers"
    if old.total != new.total:
        yield f"timeout.total {_seconds(old.total)}→{_seconds(new.total)}"
    if old.retry != new.retry:
        yield "retry changed"
    if old.hedge != new.hedge:
        yield "hedge changed"
    if old.budget != new.budget:
        yield f"budget {_dollars(old.budget)}→{_dollars(new.budget)}"
    kept = {target.name: target for target in old.targets}
    for target in new.targets:
        known = kept.get(target.name, target)
        if (known.timeout, known.retry, known.params) != (target.timeout, target.retry, target.params):
            yield f"{target.name} timeouts, retries or params"
        if (known.provider, known.model) != (target.provider, target.model):
            yield f"{target.name} is {target.provider}/{target.model}"


def _tier(old: Tier, new: Tier, where: str) -> Iterator[str]:
    weights = {target.name: target.weight for target in old.targets}
    for target in new.targets:
        weight = weights.pop(target.name, None)
        if weight is None:
            yield f"{where}{target.name} added"
        elif weight != target.weight:
            yield f"{where}{target.name} {weight:g}→{target.weight:g}"
    yield from (f"{where}{name} removed" for name in weights)
    if old.balance != new.balance:
        yield f"{where}{old.balance}→{new.balance}"
    if old.on != new.on:
        yield f"{where}serves after other errors"


def _models(old: Plan, new: Plan) -> Iterator[str]:
    for name in old.file.models.keys() - new.file.models.keys():
        yield f"model {name} removed"
    for name in new.file.models.keys() - old.file.models.keys():
        yield f"model {name} added"


def _dollars(budget: Budget | None) -> str:
    return "none" if budget is None else f"${budget.usd:g} {budget.period}"


def _seconds(value: float | None) -> str:
    return "none" if value is None else format_duration(value)


async def watch(path: Path, changed: Callable[[], Awaitable[None]]) -> None:
    """Call `changed` after every change in the file's folder, forever; the newest content is never missed.

    `changed` is called at the start as well, and again when a watcher that broke (the folder vanished) is started anew.
    """
    from watchfiles import awatch  # here: it is needed only by routers that watch

    while True:
        try:
            changes = awatch(path.parent, debounce=int(DEBOUNCE * 1000), step=10, recursive=False)
            pending = asyncio.ensure_future(anext(changes))
            try:
                await asyncio.sleep(0)  # it watches from here on; what came before is seen by the first look
                await changed()
                while True:
                    await pending
                    await changed()
                    pending = asyncio.ensure_future(anext(changes))
            finally:
                pending.cancel()
                await asyncio.wait([pending])
                await changes.aclose()
        except (OSError, RuntimeError, StopAsyncIteration) as error:
            log.warning("the watcher of %s stopped (%s); it is started anew", path, error)
        await asyncio.sleep(_RESTART)


class Reloading(Protocol):
    """What follows a file: a router."""

    def reload(self) -> Coroutine[Any, Any, Reload]: ...


def follow(path: Path, router: Reloading) -> asyncio.Task[None]:
    """Reload on every change, in a task of the running loop; a router that is dropped is collected, and ends it."""
    loop = asyncio.get_running_loop()
    reference = weakref.ref(router)

    async def changed() -> None:
        found = reference()
        if found is not None:
            await found.reload()

    task = loop.create_task(watch(path, changed))
    weakref.finalize(router, _stop, loop, task)
    return task


def _stop(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)


def reload_on_hangup(router: Reloading, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Reload at SIGHUP, as daemons do; for the main thread of a command. Gives the function that ends it.

    Args:
        loop: on which the router runs, perhaps in another thread.
    """
    number = getattr(signal, "SIGHUP", None)
    if number is None:  # Windows has none
        return lambda: None
    reloads: set[asyncio.Task[Reload]] = set()

    def reload() -> None:
        task = asyncio.ensure_future(router.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(reload))

    def end() -> None:
        signal.signal(number, before)

    return end
