"""The official Python SDKs through the gateway: each in its own protocol, before each kind of vendor."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from providers.simulator.vendor import Recorded, SimulatedVendor
from tests.support.gateway import Served
from tests.support.sdks import CALLS, PIXEL, SCHEMA, SDKS, TOOLS, Call, Question, Sdk

pytestmark = pytest.mark.asyncio(loop_scope="module")

both = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])


def last(vendor: SimulatedVendor) -> Recorded:
    assert vendor.last_request is not None
    return vendor.last_request


@both
async def test_an_answer(sdk: Sdk, model: str, vendor: SimulatedVendor, streamed: bool) -> None:
    """Text, why it ends, and what it cost, as the vendor said."""
    vendor.set(answer="Light is spread.")
    answer = await sdk.ask(Question(model, streamed=streamed))
    assert answer.text == "Light is spread."
    assert answer.finish == sdk.finishes["stop"]
    assert answer.tokens == (9, 4)


@both
async def test_a_tool_loop(sdk: Sdk, model: str, vendor: SimulatedVendor, streamed: bool) -> None:
    """Two calls at once, each answered; the results go back with their calls, and text follows."""
    vendor.set(tool_call=CALLS, answer="Mild, and noon.")
    asked = Question(model, "Weather and time?", streamed, TOOLS)
    first = await sdk.ask(asked)
    assert [(call.name, call.arguments) for call in first.calls] == [(call.name, call.arguments) for call in CALLS]
    assert (first.text, first.finish) == ("", sdk.finishes["tool_calls"])
    second = await sdk.ask(asked._replace(calls=first.calls, results=("21 degrees", "12:00")))
    assert (second.text, second.calls, second.finish) == ("Mild, and noon.", (), sdk.finishes["stop"])
    bound(last(vendor), first.calls)


def bound(request: Recorded, calls: tuple[Call, ...]) -> None:
    """Each result is bound to its call in what the vendor got: by id, or by name where there are no ids."""
    said = request.raw.decode()
    assert said.index("21 degrees") < said.index("12:00")
    for call in calls:
        assert said.count(f'"{call.id or call.name}"') >= 2, call


@both
async def test_json_that_fits_a_schema(sdk: Sdk, model: str, vendor: SimulatedVendor, streamed: bool) -> None:
    """The vendor gets the schema, and its JSON comes back whole."""
    answer = await sdk.ask(Question(model, streamed=streamed, schema=SCHEMA))
    assert json.loads(answer.text) == {"city": "example", "degrees": 1}
    assert '"degrees"' in last(vendor).raw.decode()


async def test_an_image(sdk: Sdk, model: str, vendor: SimulatedVendor) -> None:
    """Its bytes are those that the vendor gets."""
    await sdk.ask(Question(model, "What is it?", image=PIXEL))
    assert b64encode(PIXEL) in last(vendor).raw


@both
async def test_thinking(sdk: Sdk, model: str, vendor: SimulatedVendor, streamed: bool) -> None:
    """What the model thinks comes where each SDK reads it, before text and calls; the vendor was asked to."""
    vendor.set(thinking="Air scatters blue most.", answer="It scatters.")
    answer = await sdk.ask(Question(model, streamed=streamed, thinks=True))
    assert (answer.thinking, answer.text) == ("Air scatters blue most.", "It scatters.")
    assert last(vendor).body.keys() & {"reasoning_effort", "reasoning", "thinking", "think"}
    vendor.set(tool_call=CALLS)
    answer = await sdk.ask(Question(model, "Weather?", streamed, TOOLS, thinks=True))
    assert (answer.thinking, len(answer.calls)) == ("Air scatters blue most.", 2)


@both
async def test_an_answer_that_is_cut(sdk: Sdk, model: str, vendor: SimulatedVendor, streamed: bool) -> None:
    """At the limit of tokens that the client set, and by the vendor's filter."""
    answer = await sdk.ask(Question(model, streamed=streamed, max_tokens=16))
    assert (answer.finish, answer.tokens[1]) == (sdk.finishes["length"], 16)
    if model != "llama":  # Ollama has no filter
        vendor.set(finish="content_filter")
        answer = await sdk.ask(Question(model, streamed=streamed))
        assert answer.finish == sdk.finishes["content_filter"]


@both
@pytest.mark.parametrize("name", SDKS)
async def test_a_sync_client(gateway: Served, name: str, model: str, vendor: SimulatedVendor, streamed: bool) -> None:
    """Sees what an async one sees: a tool loop."""
    vendor.set(tool_call=CALLS[0], answer="Mild.")
    asked = Question(model, "Weather?", streamed, TOOLS)
    sdk = SDKS[name](gateway.url, sync=True)
    try:
        first = await sdk.ask(asked)
        second = await sdk.ask(asked._replace(calls=first.calls, results=("21 degrees",)))
    finally:
        await sdk.aclose()
    assert ([call.name for call in first.calls], second.text) == (["weather"], "Mild.")
