"""Answers that are not what was asked for, from servers that speak like the vendors, through real sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel

from providers.errors import ErrorCode, ProviderError
from providers.simulator import Simulator
from router import Router
from tests.support.vendors import VENDORS, routes


class Item(BaseModel):
    name: str
    price: float


class Invoice(BaseModel):
    items: list[Item]


VALUE = Invoice(items=[Item(name="bolt, ]", price=0.5), Item(name="nut", price=1)])
GOOD = VALUE.model_dump_json()
MENDED = {
    "a fence": f"```json\n{GOOD}\n```",
    "sentences": f"Here is the invoice:\n{GOOD}\nAnything else?",
    "a comma": f"{GOOD[:-2]},],}}",
}
BROKEN = {
    "words": "I can't read the invoice.",
    "cut": GOOD[:-5],
    "quotes of Python": str(VALUE.model_dump()),
    "a name without quotes": GOOD.replace('"items"', "items"),
    "a comma that is missing": GOOD.replace("},{", "} {"),
    "a comment": GOOD.replace("[{", "[ /* all */ {"),
    "two values": f"{GOOD}\n{GOOD.replace('nut', 'cap')}",
    "no number": GOOD.replace("0.5", "NaN"),
    "another type": GOOD.replace("0.5", '"a lot"'),
    "a field that is missing": GOOD.replace('"name":"nut",', ""),
    "a list in its place": GOOD[len('{"items":') : -1],
    "another name": GOOD.replace("items", "lines"),
    "null": "null",
    "an empty object": "{}",
    "a wrapping object": f'{{"invoice":{GOOD}}}',
}
FIRST = {"openai": "openai-first", "anthropic": "anthropic-first", "ollama": "ollama-first"}
NEXT = {"openai": "anthropic", "anthropic": "ollama", "ollama": "openai"}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        for vendor in simulator.vendors.values():
            vendor.set(fast=True, answer=GOOD)
        yield simulator


@pytest.fixture
async def router(sim: Simulator) -> AsyncIterator[Router]:
    text = routes(sim).replace("defaults:", "defaults:\n  on_stream_break: restart")
    async with Router.from_text(text, env={}) as made:
        yield made


async def ask(router: Router, route: str, way: str) -> Any:
    if way == "plain":
        return await router.complete(route, "Read it.", response_format=Invoice, max_tokens=1000)
    async with router.stream(route, "Read it.", response_format=Invoice, max_tokens=1000) as stream:
        text = ""
        async for chunk in stream:
            text = "" if chunk.restarted else text + chunk.text
        assert text == stream.response.text
        return stream.response


both = pytest.mark.parametrize("way", ["plain", "stream"])
vendors = pytest.mark.parametrize("vendor", VENDORS)


@both
@vendors
@pytest.mark.parametrize("what", MENDED)
async def test_wrong_wrappings_are_mended(router: Router, sim: Simulator, vendor: str, what: str, way: str) -> None:
    sim.vendor(vendor).set(answer=MENDED[what])
    reply = await ask(router, FIRST[vendor], way)
    assert (reply.parsed, reply.provider, len(reply.trace.attempts)) == (VALUE, vendor, 1)


@both
@vendors
@pytest.mark.parametrize("what", BROKEN)
async def test_broken_answers_fail_over(router: Router, sim: Simulator, vendor: str, what: str, way: str) -> None:
    """After a second try, whose request has the answer and what was wrong with it."""
    sim.vendor(vendor).set(answer=BROKEN[what])
    reply = await ask(router, FIRST[vendor], way)
    codes = [attempt.code for attempt in reply.trace.attempts if attempt.code]
    assert (reply.parsed, reply.provider, codes) == (VALUE, NEXT[vendor], ["invalid_output"] * 2)
    last = sim.vendor(vendor).last_request
    assert last is not None
    said = json.dumps(last.body, ensure_ascii=False)
    assert json.dumps(BROKEN[what], ensure_ascii=False)[1:-1] in said
    assert "This answer can't be used: $" in said


@both
async def test_where_nobody_is_left_it_is_raised(router: Router, sim: Simulator, way: str) -> None:
    for vendor in sim.vendors.values():
        vendor.set(answer=BROKEN["another type"])
    with pytest.raises(Exception, match=r"\$\.items\[0\]\.price: ") as raised:
        await ask(router, "openai-first", way)
    error: Any = raised.value
    assert error.code is ErrorCode.INVALID_OUTPUT
    assert error.partial.text == BROKEN["another type"]


async def test_a_stream_that_may_not_restart_raises_it(sim: Simulator) -> None:
    sim.vendor("openai").set(answer=BROKEN["cut"])
    async with Router.from_text(routes(sim), env={}) as router:
        with pytest.raises(ProviderError) as raised:
            await ask(router, "openai-first", "stream")
    assert raised.value.code is ErrorCode.INVALID_OUTPUT
    assert raised.value.partial is not None
    assert raised.value.partial.text == BROKEN["cut"]


class Reading(BaseModel):
    size: int
    unit: str = "mm"
    note: str | None = None


@vendors
async def test_a_schema_reaches_each_vendor(router: Router, sim: Simulator, vendor: str) -> None:
    """The simulated vendors answer what the schema asks for: that is of the type."""
    sim.vendor(vendor).set(answer=None)
    reply = await router.complete(FIRST[vendor], "Read it.", response_format=Reading)
    assert (isinstance(reply.parsed, Reading), len(reply.trace.attempts)) == (True, 1)


@vendors
async def test_a_list_reaches_each_vendor(router: Router, sim: Simulator, vendor: str) -> None:
    sim.vendor(vendor).set(answer=None)
    reply = await router.complete(FIRST[vendor], "Read them.", response_format=list[Reading])
    assert all(isinstance(each, Reading) for each in reply.parsed)
    assert (reply.provider, len(reply.trace.attempts)) == (vendor, 1)
