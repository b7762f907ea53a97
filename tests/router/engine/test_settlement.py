"""What a call took of limits and budgets, by how it ended: nothing for one that no vendor has read, what was read and
what came of the answer for one that broke or was left, what the vendor counted where it says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from providers import ErrorCode
from providers.errors import CONSEQUENCES
from providers.fake import Fail, Hang, Reply, Step
from providers.types import ToolCall, Usage
from router import Router
from router.testing import run
from tests.support.cancelling import AtAwait, settled
from tests.support.idle import assert_idle
from tests.support.world import World

PROMPT = "word " * 800
READ = 1004  # tokens, as estimated
FILE = (
    "# a: limits: {requests: 1000/h, tokens: 100k/h}\n"
    "models: {m: {provider: a, id: m, price: {input: 10, output: 10}}}\n"
    "routes: {chat: {targets: [m]MORE, budget: $10/d}}\n"
    "defaults: {retry: {same_target: 0, max_wait: 0s}}\n"
)
NO_USAGE = Usage()

Ask = Callable[[Router], Coroutine[Any, Any, object]]


async def plain(router: Router) -> object:
    return await router.complete("chat", PROMPT, max_tokens=1000)


async def streamed(router: Router) -> object:
    async with router.stream("chat", PROMPT, max_tokens=1000) as stream:
        return [chunk async for chunk in stream]


async def left_early(router: Router) -> object:
    async with router.stream("chat", PROMPT, max_tokens=1000) as stream:
        return [await anext(stream) for _ in range(10)]


def taken(router: Router) -> tuple[int, int, int]:
    """Requests and tokens that are taken of the limits, and tokens that are paid."""
    (provider,) = [provider for provider in router.snapshot().providers if provider.name == "a"]
    uses = {use.what: use.pressure for use in provider.keys[0].limits}
    (spent,) = router.spending
    assert spent.usd is not None
    return round(uses.get("requests", 0) * 1000), round(uses.get("tokens", 0) * 100_000), round(spent.usd * 1e5)


def after(ask: Ask, *steps: Step, more: str = "", **others: Step) -> tuple[int, int, int]:
    async def main() -> tuple[int, int, int]:
        left = list(steps)
        world = World(
            FILE.replace("MORE", more),
            a=lambda _: left.pop(0) if len(left) > 1 else left[0],
            **{name: (lambda _, step=step: step) for name, step in others.items()},
        )
        await settled(ask(world.router))
        assert_idle(world.router)
        return taken(world.router)

    return run(main())


TEXT = "x" * 400  # a hundred tokens
CALL = ToolCall("1", "f" * 4, {"a": 1}, "a" * 36)


@pytest.mark.parametrize("ask", [plain, streamed])
@pytest.mark.parametrize(
    ("step", "tokens"),
    [
        (Reply(TEXT, usage=Usage(700, 300)), 1000),
        (Reply(TEXT, usage=NO_USAGE), READ + 100),
        (Reply(TEXT, usage=Usage(700, None)), 700 + 100),
        (Reply(TEXT, usage=Usage(None, 300)), READ + 300),
        (Reply("", tool_calls=(CALL,), usage=NO_USAGE), READ + 10),
        (Reply("", thinking=TEXT, finish_reason="length", usage=NO_USAGE), READ + 100),
    ],
    ids=["told", "told nothing", "told the prompt", "told the answer", "tool call", "thinking"],
)
def test_an_answer(ask: Ask, step: Step, tokens: int) -> None:
    """What no vendor told is estimated, never free."""
    assert after(ask, step) == (1, tokens, tokens)


@pytest.mark.parametrize("ask", [plain, streamed])
@pytest.mark.parametrize("code", [code for code in ErrorCode if code != ErrorCode.CANCELLED])
def test_a_failure(ask: Ask, code: ErrorCode) -> None:
    """Each code by the one table; a failed request is one nevertheless, since vendors count those too."""
    tokens = READ if CONSEQUENCES[code].read else 0
    assert after(ask, Fail(code)) == (1, tokens, tokens)


def test_the_codes_of_calls_that_were_read() -> None:
    read = {code.value for code in ErrorCode if CONSEQUENCES[code].read}
    of_answers = {"content_filtered", "invalid_output"}
    assert read == of_answers | {"timeout", "protocol_error", "stream_interrupted", "cancelled"}


@pytest.mark.parametrize("ask", [plain, streamed])
@pytest.mark.parametrize("code", [ErrorCode.CONNECTION_FAILED, ErrorCode.TIMEOUT])
def test_one_that_never_connected(ask: Ask, code: ErrorCode) -> None:
    assert after(ask, Fail(code, phase="connect")) == (0, 0, 0)


@pytest.mark.parametrize("broken", [ErrorCode.STREAM_INTERRUPTED, ErrorCode.SERVER_ERROR, ErrorCode.OVERLOADED])
def test_a_stream_that_breaks(broken: ErrorCode) -> None:
    """By whatever: it was read, and fifty tokens came."""
    step = Reply("x" * 400, every=0.1, break_after=50, break_with=broken)
    assert after(streamed, step) == (1, READ + 50, READ + 50)


def test_a_stream_that_is_left() -> None:
    assert after(left_early, Reply(TEXT, every=0.1)) == (1, READ + 10, READ + 10)


def test_a_stream_that_is_never_begun() -> None:
    async def ask(router: Router) -> object:
        return router.stream("chat", PROMPT)

    assert after(ask, Reply(TEXT)) == (0, 0, 0)


@pytest.mark.parametrize("ask", [plain, streamed])
def test_an_answer_that_was_refused(ask: Ask) -> None:
    """A refusal that goes on to another tier has been counted by its vendor."""
    refused = Reply("no", finish_reason="content_filter", usage=Usage(700, 300))
    more = ", fallbacks: [{to: b/m, on: [content_filtered]}]"
    assert after(ask, refused, more=more, b=Reply("fine")) == (1, 1000, 1000)


@pytest.mark.parametrize("ask", [plain, streamed])
def test_who_loses_a_race(ask: Ask) -> None:
    """It has read the prompt."""
    more = ", hedge: {after: 1s, budget: 100%}"
    text = FILE.replace("MORE", more).replace("targets: [m]", "targets: [m, b/m], balance: ordered")

    async def main() -> tuple[int, int, int]:
        world = World(text, a=lambda _: Hang(), b=lambda _: Reply("fine"))
        await ask(world.router)
        return taken(world.router)

    assert run(main()) == (1, READ, READ)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@pytest.mark.parametrize("ask", [plain, streamed])
def test_cancelled_at_every_await(ask: Ask, late: bool) -> None:
    """The prompt, and no more than what came of the answer; never what was reserved for it."""

    async def one(strike: int) -> bool:
        world = World(FILE.replace("MORE", ""), a=lambda _: Reply(TEXT, delay=1.0, every=0.1, usage=Usage(READ, 100)))
        striking = AtAwait(ask(world.router), strike, late=late)
        await settled(striking)
        requests, tokens, paid = taken(world.router)
        assert requests == 1
        assert READ <= tokens <= READ + 100
        assert paid == tokens
        return striking.awaits >= strike

    strike = 1
    while strike < 120 and run(one(strike)):
        strike += 1
    assert strike > 1


def test_failed_calls_leave_the_limit_to_others() -> None:
    """Thirty calls of a thousand tokens fail, of a limit of 30,000 an hour: thirty others are served."""

    async def main() -> int:
        failing = [True]
        text = FILE.replace("MORE", "").replace("100k/h", "33k/h").replace("breaker", "")
        text = text.replace("defaults: {", "defaults: {breaker: {consecutive: 1000, min_calls: 1000}, ")
        world = World(text, a=lambda _: Fail(ErrorCode.OVERLOADED) if failing[0] else Reply("x", usage=Usage(1000, 1)))
        for _ in range(30):
            await settled(world.router.complete("chat", PROMPT, max_tokens=1))
        failing[0] = False
        asked = [settled(world.router.complete("chat", PROMPT, max_tokens=1)) for _ in range(30)]
        await asyncio.gather(*asked)
        return world.router.snapshot().figures.totals.succeeded

    assert run(main()) == 30
