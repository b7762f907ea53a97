"""Answers that are not what was asked for: asked for again, told to the next target, or raised with the path."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, TypedDict

import pytest
from pydantic import BaseModel, TypeAdapter, field_validator

from providers.errors import CONSEQUENCES, ErrorCode, ProviderError
from providers.fake import Fail, FakeProvider, Reply, Step
from providers.types import CompletionRequest, Message, Native, ToolCall, Usage
from router import RouteExhausted, Router
from router.testing import run

FILE = """
providers: {a: {kind: fake}, b: {kind: fake}, c: {kind: fake}}
models:
  one: {provider: a, id: m1, price: {input: 1, output: 1}}
  two: {provider: b, id: m2, price: {input: 1, output: 1}}
  three: {provider: c, id: m3, price: {input: 0, output: 0}}
defaults: {retry: {backoff: 1s}}
routes:
  chat: {targets: [one], fallbacks: [two]}
  solo: one
  once: {targets: [one], fallbacks: [two], retry: {same_target: 0}}
  named: {targets: [one], fallbacks: [{to: two, on: [invalid_output]}]}
  other: {targets: [one], fallbacks: [{to: two, on: [timeout]}]}
  again: {targets: [one], fallbacks: [two], on_stream_break: restart}
  going: {targets: [one], fallbacks: [two], on_stream_break: continue}
  full: {targets: [one], fallbacks: [two], accept: {not_empty: true}}
  firm: {targets: [one], fallbacks: [two], accept: {not_refused: true}}
  json: {targets: [one], fallbacks: [two], accept: {valid_json: true}}
  hedged: {targets: [one, two], balance: ordered, hedge: {after: 1s, budget: 100%}}
  paid: {targets: [one], fallbacks: [three], budget: $0.00004/d}
"""


class Item(BaseModel):
    name: str
    price: float


class Invoice(BaseModel):
    items: list[Item]


GOOD = '{"items": [{"name": "bolt", "price": 0.5}]}'
BAD = '{"items": [{"name": "bolt", "price": 0.5}, {"name": "nut", "price": 1}, {"name": "x", "price": "a lot"}]}'
FAULT = "$.items[2].price: Input should be a valid number"


class World:
    """A router over scripted providers; the last step of each is repeated."""

    def __init__(self, a: Any = GOOD, b: Any = GOOD, c: Any = GOOD, **more: Any) -> None:
        self.fakes = {
            name: FakeProvider.scripted(*map(step, script if isinstance(script, list) else [script]), name=name)
            for name, script in {"a": a, "b": b, "c": c}.items()
        }
        self.router = Router.from_text(FILE, env={}, seed=1, providers=self.fakes, **more)

    def complete(self, route: str = "chat", **params: Any) -> Any:
        return run(self.router.complete(route, "An invoice.", **{"response_format": Invoice, **params}))

    def calls(self) -> list[int]:
        return [len(fake.requests) for fake in self.fakes.values()]


def step(written: str | Step) -> Step:
    return Reply(written) if isinstance(written, str) else written


# --- plain calls


def test_the_answer_is_a_value_of_the_type() -> None:
    reply = World().complete()
    assert reply.parsed == Invoice(items=[Item(name="bolt", price=0.5)])
    assert reply.text == GOOD


class Named(TypedDict):
    name: str


@dataclass
class Sized:
    size: int
    tags: list[str]


@pytest.mark.parametrize(
    ("wanted", "answer", "value"),
    [
        (Named, '{"name": "a"}', {"name": "a"}),
        (Sized, '{"size": 2, "tags": ["x"]}', Sized(2, ["x"])),
        (list[Item], '{"answer": [{"name": "a", "price": 1}]}', [Item(name="a", price=1)]),
        (list[Item], '[{"name": "a", "price": 1}]', [Item(name="a", price=1)]),
        (int | str, '{"answer": 5}', 5),
        (TypeAdapter(dict[str, int]), '{"a": 1}', {"a": 1}),
        ({"name": "n", "schema": {"type": "object", "required": ["a"]}}, '{"a": [1, null]}', {"a": [1, None]}),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "array"}}}, "[1]", [1]),
        ("json", '```json\n{"a": 1.5}\n```', {"a": 1.5}),
        ({"type": "json_object"}, "Here: [1]", [1]),
    ],
    ids=str,
)
def test_what_may_be_asked_for(wanted: Any, answer: str, value: Any) -> None:
    assert World(answer).complete("solo", response_format=wanted).parsed == value


@pytest.mark.parametrize("wanted", [None, "text", {"type": "text"}], ids=str)
def test_an_answer_of_words_has_no_value(wanted: Any) -> None:
    reply = World("Hello.").complete(response_format=wanted)
    assert (reply.text, reply.parsed) == ("Hello.", None)


@pytest.mark.parametrize(
    "wanted", [5, object(), lambda: 1, {"schema": 5}, "xml", [1]], ids=lambda each: type(each).__name__
)
def test_what_is_no_type_is_the_callers_mistake(wanted: Any) -> None:
    world = World()
    with pytest.raises(ProviderError, match="response_format: ") as raised:
        world.complete(response_format=wanted)
    assert (raised.value.code, world.calls()) == (ErrorCode.INVALID_REQUEST, [0, 0, 0])


def test_the_same_target_is_asked_once_more_and_told_why() -> None:
    world = World([BAD, GOOD])
    reply = world.complete()
    assert (reply.target, world.calls()) == ("one", [2, 0, 0])
    first, again = world.fakes["a"].requests
    assert again.messages[:1] == first.messages
    assert again.messages[1] == Message.assistant(BAD)
    assert FAULT in again.messages[2].text
    assert again.messages[2].role == "user"
    assert again.response_format == first.response_format


def test_then_the_next_target_is_asked_as_if_nothing_had_been() -> None:
    world = World(BAD)
    reply = world.complete()
    assert (reply.target, world.calls()) == ("two", [2, 1, 0])
    assert world.fakes["b"].requests[0].messages == (Message.user("An invoice."),)
    assert [attempt.code for attempt in reply.trace.attempts] == ["invalid_output", "invalid_output", None]
    assert FAULT in reply.trace.render()


def test_without_further_tries_the_next_target_is_asked_at_once() -> None:
    world = World(BAD)
    assert (world.complete("once").target, world.calls()) == ("two", [1, 1, 0])


def test_nobody_waits_for_another_try() -> None:
    async def story() -> float:
        await world.router.complete("chat", "An invoice.", response_format=Invoice)
        return asyncio.get_running_loop().time()

    world = World(BAD)
    assert run(story()) == 0


def test_a_target_that_asks_to_wait_is_not_waited_for() -> None:
    """The limit of the first target is used up by its first answer: the next is asked, not the clock."""
    text = FILE.replace("a: {kind: fake}", "a: {kind: fake, limits: {requests: 1/min}}")
    world = World(BAD)
    router = Router.from_text(text, env={}, seed=1, providers=world.fakes)

    async def story() -> tuple[Any, float]:
        reply = await router.complete("chat", "An invoice.", response_format=Invoice)
        return reply.target, asyncio.get_running_loop().time()

    assert run(story()) == ("two", 0)


def test_when_all_fail_the_path_and_the_text_are_told() -> None:
    world = World(BAD, BAD)
    with pytest.raises(RouteExhausted) as raised:
        world.complete()
    error = raised.value
    assert error.code is ErrorCode.INVALID_OUTPUT
    assert FAULT in str(error)
    assert error.partial is not None
    assert error.partial.text == BAD
    assert world.calls() == [2, 2, 0]


def test_a_tier_may_name_it() -> None:
    assert World(BAD).complete("named").target == "two"
    world = World(BAD)
    with pytest.raises(RouteExhausted):
        world.complete("other")
    assert world.calls() == [2, 0, 0]


def test_what_was_paid_for_it_is_counted() -> None:
    """All three answers cost 15 tokens at $1 a million."""
    reply = World(BAD).complete()
    assert reply.cost == pytest.approx(45e-6)
    assert reply.usage == Usage(10, 5)
    assert reply.trace.wasted == pytest.approx(30e-6)


def test_a_budget_counts_it() -> None:
    """Two answers of $0.000015 and the reservation of a third are more than is left: the free model answers."""
    world = World(BAD, c=GOOD)
    reply = world.complete("paid", max_tokens=5)
    assert (reply.target, world.calls()) == ("three", [2, 0, 1])
    assert world.router.spending[0].usd == pytest.approx(30e-6)


def test_figures_and_events_name_it() -> None:
    async def story() -> Any:
        await world.router.complete("chat", "An invoice.", response_format=Invoice)
        await asyncio.sleep(2)
        return world.router.snapshot()

    world = World(BAD)
    snapshot = run(story())
    one = next(target for provider in snapshot.providers for target in provider.targets if target.name == "one")
    assert one.figures.window.errors == {"invalid_output": 2}


def test_no_number_of_them_opens_a_breaker() -> None:
    """It tells of the request: another one may ask for less."""

    async def story() -> None:
        for _ in range(30):
            with pytest.raises(RouteExhausted):
                await world.router.complete("solo", "An invoice.", response_format=Invoice)
        reply = await world.router.complete("solo", "Hello", response_format=None)
        assert reply.target == "one"

    world = World(BAD)
    run(story())
    assert CONSEQUENCES[ErrorCode.INVALID_OUTPUT].breaker == "none"


def test_tries_take_from_the_routes_budget_of_retries() -> None:
    """A model that never gets it right does not double the bill of a herd."""

    async def story() -> None:
        for _ in range(100):
            await world.router.complete("chat", "An invoice.", response_format=Invoice)

    world = World(BAD)
    run(story())
    assert 110 <= world.calls()[0] <= 140
    assert world.calls()[1] == 100


def test_an_answer_that_was_cut_says_so() -> None:
    world = World(Reply(BAD[:40], finish_reason="length"), Reply(BAD[:40], finish_reason="length"))
    with pytest.raises(RouteExhausted, match="cut off at its longest length"):
        world.complete()


def test_a_refusal_is_none_of_the_type() -> None:
    world = World(Reply("I can't help with that.", finish_reason="content_filter"))
    assert (world.complete().target, world.calls()) == ("two", [2, 1, 0])


def test_calls_of_tools_are_not_checked() -> None:
    call = ToolCall("c1", "look", {}, "{}")
    reply = World(Reply("", tool_calls=(call,), finish_reason="tool_calls")).complete(
        tools=[{"name": "look", "parameters": {}}]
    )
    assert (reply.tool_calls, reply.parsed) == ((call,), None)


def test_an_answer_without_text_is_asked_again_without_it() -> None:
    world = World([Reply("", usage=Usage(1, 1)), GOOD])
    assert world.complete().parsed
    assert [message.role for message in world.fakes["a"].requests[1].messages] == ["user", "user"]


def test_another_failure_of_the_second_try_goes_on_as_ever() -> None:
    world = World([BAD, Fail(ErrorCode.SERVER_ERROR)])
    assert (world.complete().target, world.calls()) == ("two", [2, 1, 0])


def test_a_long_answer_is_quoted_in_part_only() -> None:
    world = World([json.dumps({"items": "x" * 200_000}), GOOD])
    assert world.complete().parsed
    assert len(world.fakes["a"].requests[1].messages[1].text) < 25_000


def test_an_answer_of_megabytes_is_read() -> None:
    items = [{"name": f"n{number}", "price": number} for number in range(50_000)]
    assert len(World(json.dumps({"items": items})).complete("solo").parsed.items) == 50_000


def test_of_a_hedge_the_valid_answer_wins() -> None:
    world = World(Reply(BAD, delay=1.5), Reply(GOOD, delay=2.0))
    reply = world.complete("hedged")
    assert (reply.target, reply.parsed.items[0].name, world.calls()) == ("two", "bolt", [1, 1, 0])


# --- streams


async def streamed(world: World, route: str, chunks: list[Any], **params: Any) -> Any:
    params = {"response_format": Invoice, **params}
    async with world.router.stream(route, "An invoice.", **params) as stream:
        async for chunk in stream:
            chunks.append(chunk)  # noqa: PERF401  # those before a failure are looked at
        return stream.response


def test_a_stream_is_checked_at_its_end() -> None:
    reply = run(streamed(World(), "chat", []))
    assert reply.parsed == Invoice(items=[Item(name="bolt", price=0.5)])


def test_a_stream_whose_end_is_not_valid_raises_the_code_and_has_the_partial() -> None:
    world, chunks = World(BAD), list[Any]()
    with pytest.raises(ProviderError) as raised:
        run(streamed(world, "chat", chunks))
    assert raised.value.code is ErrorCode.INVALID_OUTPUT
    assert FAULT in raised.value.message
    assert raised.value.partial is not None
    assert raised.value.partial.text == BAD == "".join(chunk.text for chunk in chunks)
    assert not any(chunk.done for chunk in chunks)
    assert world.calls() == [1, 0, 0]


@pytest.mark.parametrize("route", ["again", "going"])
def test_a_stream_that_may_restart_begins_anew(route: str) -> None:
    """The same target is told what was wrong, then the next one is asked; an answer of a form is never continued."""
    world, chunks = World(BAD), list[Any]()
    reply = run(streamed(world, route, chunks))
    assert (reply.target, world.calls()) == ("two", [2, 1, 0])
    assert [chunk.restarted for chunk in chunks].count(True) == 2
    assert FAULT in world.fakes["a"].requests[1].messages[-1].text
    assert reply.cost == pytest.approx(45e-6)
    last = max(place for place, chunk in enumerate(chunks) if chunk.restarted)
    assert "".join(chunk.text for chunk in chunks[last:]) == GOOD == reply.text


def test_a_stream_that_can_not_restart_raises() -> None:
    world = World(BAD)
    with pytest.raises(ProviderError) as raised:
        run(streamed(world, "again", [], can_restart=False))
    assert (raised.value.code, world.calls()) == (ErrorCode.INVALID_OUTPUT, [1, 0, 0])


def test_when_nothing_is_left_of_a_stream_the_code_is_raised() -> None:
    world = World(BAD, BAD)
    with pytest.raises(ProviderError) as raised:
        run(streamed(world, "again", []))
    assert (raised.value.code, world.calls()) == (ErrorCode.INVALID_OUTPUT, [2, 2, 0])


# --- what a route accepts


def test_an_empty_answer_is_not_taken_where_the_route_says_so() -> None:
    empty = Reply(" \n", usage=Usage(10, 1))
    world = World(empty, "Hello.")
    assert world.complete("full", response_format=None).text == "Hello."
    assert world.calls() == [2, 1, 0]
    assert World(empty).complete("solo", response_format=None).text == " \n"


def test_a_refusal_is_not_taken_where_the_route_says_so() -> None:
    refused = Reply("I can't.", finish_reason="content_filter")
    assert World(refused, "Hello.").complete("firm", response_format=None).text == "Hello."
    assert World(refused).complete("solo", response_format=None).finish_reason == "content_filter"


def ready(**more: Any) -> CompletionRequest:
    return CompletionRequest(model="m", messages=(Message.user("x"),), **more)


SCHEMA = {"name": "n", "schema": {"type": "object", "required": ["a"]}}


def test_requests_that_are_ready_are_checked_where_the_route_says_so() -> None:
    """So are those of a gateway's clients."""
    world = World('{"b": 1}', '{"a": 1}')
    assert run(world.router.ask(ready(response_format=SCHEMA), route="solo")).parsed is None
    reply = run(world.router.ask(ready(response_format=SCHEMA), route="json"))
    assert (reply.target, reply.parsed) == ("two", {"a": 1})
    assert run(world.router.ask(ready(), route="json")).text == '{"b": 1}'  # it asks for no JSON


def test_a_clients_own_body_is_asked_again_as_it_is() -> None:
    world = World(["no", '{"a": 1}'])
    native = Native("openai.chat", {"model": "m", "messages": [{"role": "user", "content": "x"}]})
    run(world.router.ask(ready(response_format=SCHEMA, native=native), route="json"))
    first, again = world.fakes["a"].requests
    assert first == again


# --- what an app accepts


def test_an_apps_function_refuses_with_its_reason() -> None:
    def accept(reply: Any) -> bool | str:
        assert (reply.route, reply.target) == ("chat", "one" if reply.text != "long enough" else "two")
        return len(reply.text) > 5 or "it is too short"

    world = World("no", "long enough", accept=accept)
    assert world.complete(response_format=None).text == "long enough"
    assert "it is too short" in world.fakes["a"].requests[1].messages[-1].text


def test_it_sees_the_value() -> None:
    world = World(BAD.replace('"a lot"', "3"), accept=lambda reply: len(reply.parsed.items) == 1)
    assert world.complete().target == "two"


@pytest.mark.parametrize("verdict", [True, None, "", 1])
def test_all_but_false_and_a_reason_is_taken(verdict: Any) -> None:
    assert World(accept=lambda reply: verdict).complete().target == "one"


def test_it_may_be_async_and_ask_the_router_again() -> None:
    async def accept(reply: Any) -> bool:
        if reply.route == "solo":
            return True
        judged = await world.router.complete("solo", f"Is this right? {reply.text}")
        return judged.text == "yes"

    world = World(["draft", "yes"], accept=accept)
    assert world.complete(response_format=None).text == "draft"
    assert world.calls() == [2, 0, 0]


def test_one_that_hangs_is_bounded_by_the_deadline() -> None:
    async def accept(reply: Any) -> bool:
        await asyncio.Event().wait()
        return True

    async def story() -> float:
        with pytest.raises(RouteExhausted) as raised:
            await world.router.complete("chat", "x", timeout={"total": 5})
        assert raised.value.code is ErrorCode.TIMEOUT
        return asyncio.get_running_loop().time()

    world = World(accept=accept)
    assert run(story()) == 5


@pytest.mark.parametrize("error", [ValueError, AssertionError])
def test_a_value_error_refuses(error: type[Exception]) -> None:
    def accept(reply: Any) -> bool:
        if reply.target == "one":
            raise error("not this one")
        return True

    world = World(accept=accept)
    assert world.complete().target == "two"
    assert "not this one" in world.fakes["a"].requests[1].messages[-1].text


class Odd(BaseModel):
    a: int

    @field_validator("a")
    @classmethod
    def _odd(cls, value: int) -> int:
        raise ZeroDivisionError("a mistake of the app")


def odd(reply: Any) -> bool:
    raise ZeroDivisionError("a mistake of the app")


@pytest.mark.parametrize("route", ["chat", "hedged", "again"])
@pytest.mark.parametrize("more", [{"response_format": Odd}, {}], ids=["validator", "accept"])
def test_a_mistake_of_the_apps_own_code_is_raised_as_it_is(route: str, more: dict[str, Any]) -> None:
    """Nobody else is asked, what was had is paid for, and no place is kept."""
    world = World('{"a": 1}', accept=None if more else odd)

    async def plain() -> None:
        with pytest.raises(ZeroDivisionError) as raised:
            await world.router.complete(route, "x", **more)
        assert raised.value.trace is not None  # type: ignore[attr-defined]  # every error of a request has it

    async def stream() -> None:
        with pytest.raises(ZeroDivisionError):
            async with world.router.stream(route, "x", **more) as chunks:
                async for _ in chunks:
                    pass

    run(plain())
    run(stream())
    assert world.calls() == [2, 0, 0]
    target = world.router.chain("one").targets[0]
    assert world.router.states.target(target).limits.in_flight == 0


# --- its type


class Node(BaseModel):
    name: str
    inner: list[Node] = []


def test_a_type_may_hold_itself() -> None:
    assert World('{"name": "a", "inner": [{"name": "b"}]}').complete(response_format=Node).parsed.inner[0].name == "b"
    deep = '{"name":"a","inner":[' * 5000 + "]}" * 5000
    with pytest.raises(RouteExhausted, match="invalid_output"):
        World(deep).complete("solo", response_format=Node)


class Optional(BaseModel):
    size: int = 3
    note: str | None = "none"


def test_a_null_that_strict_modes_write_for_a_default_is_that_default() -> None:
    world = World('{"size": null, "note": null}')
    assert world.complete(response_format=Optional).parsed == Optional(size=3, note=None)
    assert world.fakes["a"].requests[0].response_format["strict"] is True  # type: ignore[index]


def test_adapters_are_made_once() -> None:
    world = World()
    world.complete()
    world.complete()
    first, second = (request.answer_type for request in world.fakes["a"].requests)
    assert first is second


def test_a_reply_with_a_value_is_data() -> None:
    reply = World().complete()
    assert json.loads(reply.to_json())["text"] == GOOD
