"""Whatever a vendor says that it counted, the answer arrives, and the call counts as a success."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx
import pytest

from providers import CompletionRequest, CompletionResponse, FakeProvider, ProviderSettings, registry
from providers.errors import ErrorCode
from providers.fake import Fail, Reply
from providers.types import RemainingQuota, Usage
from router import RouteExhausted, Router
from tests.support.world import story

ODD: list[Any] = [
    *(0, -1, -(10**30), 10**30, 2**64, 1.5, 1e308, None, "12", "many", "", "NaN", True, [], {}, [1], {"a": 1}),
    *(float("nan"), float("inf"), "\ud800", "１２"),
]


def openai_chat(count: Any, streamed: bool) -> tuple[list[Any], str]:
    details = {"cached_tokens": count, "reasoning_tokens": count}
    usage = {
        "prompt_tokens": count,
        "completion_tokens": count,
        "prompt_tokens_details": details,
        "total_tokens": count,
    }
    if not streamed:
        return [{"choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}], "usage": usage}], ""
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": "fine"}}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
    ]
    return [*chunks, {"choices": [], "usage": usage}], "data: [DONE]\n\n"


def anthropic(count: Any, streamed: bool) -> tuple[list[Any], str]:
    usage = {"input_tokens": count, "output_tokens": count, "cache_read_input_tokens": count}
    if not streamed:
        content = [{"type": "text", "text": "fine"}]
        return [{"type": "message", "content": content, "stop_reason": "end_turn", "usage": usage}], ""
    return [
        {"type": "message_start", "message": {"usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "fine"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
        {"type": "message_stop"},
    ], ""


def responses(count: Any, streamed: bool) -> tuple[list[Any], str]:
    usage = {"input_tokens": count, "output_tokens": count, "input_tokens_details": {"cached_tokens": count}}
    content = [{"type": "output_text", "text": "fine"}]
    output = [{"type": "message", "role": "assistant", "content": content}]
    whole = {"object": "response", "status": "completed", "output": output, "usage": usage}
    if not streamed:
        return [whole], ""
    delta = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "fine"}
    return [delta, {"type": "response.completed", "response": whole}], ""


def ollama(count: Any, streamed: bool) -> tuple[list[Any], str]:
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": count, "eval_count": count}
    return [
        {"message": {"content": "fine"}, **({"done": False} if streamed else end)},
        *([end] if streamed else []),
    ], ""


WIRES: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "chat": (openai_chat, "openai", {"api": "chat"}),
    "responses": (responses, "openai", {"api": "responses"}),
    "anthropic": (anthropic, "anthropic", {}),
    "ollama": (ollama, "ollama", {}),
}
TEXT = """
providers: {p: {kind: fake, budget: $5/d}}
defaults: {limits: {tokens: 1M/min, requests: 1000/min}}
models: {m: {provider: p, id: m, price: {input: 1, output: 2, cache_read: 0.1}}}
routes: {chat: m}
"""


def speaking(wire: str, count: Any, streamed: bool) -> FakeProvider | Any:
    body, kind, options = WIRES[wire]
    events, end = body(count, streamed)

    def answer(request: httpx.Request) -> httpx.Response:
        if not streamed:
            return httpx.Response(200, text=json.dumps(events[0]), headers={"content-type": "application/json"})
        if kind == "ollama":
            lines = "".join(f"{json.dumps(event)}\n" for event in events)
            return httpx.Response(200, text=lines, headers={"content-type": "application/x-ndjson"})
        text = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + end
        return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})

    given = {**options, "transport": httpx.MockTransport(answer), "max_retries": 0}
    return registry.create(ProviderSettings(name="p", kind=kind, api_key="sk-12345678", options=given))


async def asked(router: Router, streamed: bool) -> CompletionResponse:
    if not streamed:
        return await router.complete("chat", "hi")
    async with router.stream("chat", "hi") as stream:
        assert "".join([chunk.text async for chunk in stream]) == "fine"
        return stream.response


def counted_as_a_success(router: Router, reply: CompletionResponse) -> None:
    assert reply.text == "fine"
    assert reply.cost is None or reply.cost >= 0
    totals = router.snapshot().figures.totals
    assert (totals.succeeded, totals.failed) == (1, 0)
    assert router.snapshot().figures.in_flight == 0
    assert router.states.in_flight(router.chain("chat").targets[0]) == 0


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("count", ODD, ids=repr)
async def test_over_all_wires(wire: str, count: Any, streamed: bool) -> None:
    router = Router.from_text(TEXT, env={}, seed=1, providers={"p": speaking(wire, count, streamed)}, monitor=False)
    counted_as_a_success(router, await asked(router, streamed))


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("count", [*ODD, object()], ids=[*map(repr, ODD), "object()"])
def test_of_an_apps_own_provider(count: Any, streamed: bool) -> None:
    """What no decoder has looked at."""

    @story
    async def test() -> None:
        usage: Any = Usage(count, count, count, count, count)
        for odd in (usage, count):
            fake = FakeProvider.scripted(Reply("fine", usage=odd), name="p")
            router = Router.from_text(TEXT, env={}, seed=1, providers={"p": fake}, monitor=False)
            counted_as_a_success(router, await asked(router, streamed))

    test()


class Boom:
    """An exporter whose every word raises."""

    def began(self, recorder: Any) -> None:
        raise RuntimeError("the exporter broke at the begin")

    def ended(self, recorder: Any, response: Any) -> None:
        raise RuntimeError("the exporter broke at the end")


class Quotas(FakeProvider):
    """A provider that fails when it is asked what is left."""

    def remaining_quota(self, model: str) -> RemainingQuota | None:
        raise ValueError("no quota")


@pytest.mark.parametrize("streamed", [False, True])
def test_who_listens_cannot_fail_a_request(streamed: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The answer arrives, the other listener hears of it, and each trouble is logged once."""

    @story
    async def test() -> None:
        heard: list[str] = []

        class Good:
            def began(self, recorder: Any) -> None:
                heard.append("began")

            def ended(self, recorder: Any, response: Any) -> None:
                heard.append("ended")

        def broken(event: Any) -> None:
            raise KeyError("subscriber")

        fake = Quotas(ProviderSettings(name="p", kind="fake", options={"script": [Reply("fine")]}))
        router = Router.from_text(TEXT, env={}, seed=1, providers={"p": fake}, monitor=False)
        router.telemetry.listeners = (Boom(), Good())
        router.telemetry.subscribers.add(broken)
        router.drain("m")  # an event
        router.undrain("m")
        for _ in range(3):
            assert (await asked(router, streamed)).text == "fine"
        assert heard == ["began", "ended"] * 3
        assert router.snapshot().figures.totals.succeeded == 3

    with caplog.at_level(logging.ERROR, logger="signalbox.reports"):
        test()
    words = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert len(words) == len(set(words))


@story
async def test_nor_can_they_change_how_it_fails() -> None:
    fake = FakeProvider.scripted(Fail(ErrorCode.TIMEOUT), name="p")
    router = Router.from_text(TEXT, env={}, seed=1, providers={"p": fake}, monitor=False)
    router.telemetry.listeners = (Boom(),)
    with pytest.raises(RouteExhausted) as caught:
        await router.complete("chat", "hi")
    assert caught.value.code is ErrorCode.TIMEOUT
    assert router.snapshot().figures.totals.failed == 1


def test_a_request_has_the_usage_that_is_plausible() -> None:
    """What is no count is unknown; the rest stands."""

    @story
    async def test() -> None:
        usage: Any = Usage(10, -5, 3, "x", None)
        fake = FakeProvider.scripted(Reply("fine", usage=usage), name="p")
        router = Router.from_text(TEXT, env={}, seed=1, providers={"p": fake}, monitor=False)
        reply = await router.complete("chat", "hi")
        assert reply.usage == Usage(10, None, 3, None, None)
        assert reply.cost is None
        assert isinstance(fake.requests[0], CompletionRequest)

    test()
