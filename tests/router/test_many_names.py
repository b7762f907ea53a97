"""Any `provider/model-id` is a name: what is remembered of those that nobody uses any more goes."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import suppress

import pytest

from providers.errors import ErrorCode, SignalboxError
from providers.fake import Fail, FakeProvider, Reply, Step
from providers.settings import ProviderSettings
from providers.types import CompletionRequest
from router import Router
from router.testing import run

FILE = """
providers: {a: {kind: fake}}
defaults: {retry: {max_attempts: 1}}
routes: {chat: a/planned}
"""


class Forgetful(FakeProvider):
    """Remembers no requests, and fails for some models as vendors do."""

    def _next_step(self, request: CompletionRequest) -> Step:
        kind, _, number = request.model.partition("-")
        if kind == "held":
            return Fail(ErrorCode.OVERLOADED, retry_after=86_400.0)
        if kind == "gone" or number.endswith("00"):
            return Fail(ErrorCode.MODEL_NOT_FOUND)
        return Reply("hello")


def router() -> Router:
    return Router.from_text(FILE, env={}, providers={"a": Forgetful(ProviderSettings(name="a", kind="fake"))})


async def ask(router: Router, name: str) -> None:
    with suppress(SignalboxError):
        await router.complete(name, "hi")


@pytest.mark.slow
def test_memory_ends_growing() -> None:
    """With somebody who watches, and a model that does not exist now and then."""

    async def story() -> None:
        async with router() as running:
            sizes = []
            for number in range(8_001):
                await ask(running, f"a/model-{number}")
                await asyncio.sleep(20)
                if number % 1_000 == 0:
                    running.snapshot()
                if number in (4_000, 8_000):
                    gc.collect()
                    sizes.append(sys.getallocatedblocks())
            assert sizes[1] - sizes[0] < 60_000  # pieces of memory; remembering the names takes over 50 of them each
            assert running.snapshot().figures.totals.calls == 8_001

    run(story())


def test_what_is_in_use_is_not_forgotten() -> None:
    """A hold, a breaker that is open, a call under way, and what a route names."""

    async def story() -> None:
        async with router() as running:
            used = ("a/held-1", "a/gone-1", "chat", "a/planned")
            for name in used:
                await ask(running, name)
            before = [running.states.find_target(running.chain(name).targets[0].identity) for name in used]
            await ask(running, "a/idle")
            idle = running.chain("a/idle").targets[0].identity
            for number in range(3_000):
                await ask(running, f"a/model-{number}1")
            assert running.states.find_target(idle) is None
            assert [running.states.find_target(running.chain(name).targets[0].identity) for name in used] == before
            assert None not in before

    run(story())
