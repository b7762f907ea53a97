"""Bedrock's InvokeModel through real sockets: signed, the model in the path, streams in AWS's own frames."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from providers import CompletionRequest, ErrorCode, Message, ProviderError, ProviderSettings, StreamChunk, registry
from providers.anthropic.endpoints import endpoint_for
from providers.anthropic.provider import AnthropicProvider
from providers.credentials.aws import AwsSource
from providers.simulator import Simulator
from providers.simulator.bedrock_invoke import frame
from providers.simulator.callers import Callers
from providers.simulator.sigv4 import Keys
from providers.transport.event_stream import EventStreamDecoder
from providers.types import Native, Tool

MODELS = [
    "anthropic.claude-3-haiku-20240307-v1:0",
    "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc def",
]
CHUNK = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}


@asynccontextmanager
async def bedrock(**settings: Any) -> AsyncIterator[tuple[Simulator, AnthropicProvider]]:
    options = {"endpoint": "bedrock_invoke", "max_retries": 0, **settings.pop("options", {})}
    async with Simulator() as simulator:
        simulator.vendor("anthropic").set(fast=True)
        url = f"{simulator.url}/anthropic/model"
        provider = registry.create(
            ProviderSettings(name="b", kind="anthropic", base_url=url, options=options, **({"api_key": "k"} | settings))
        )
        assert isinstance(provider, AnthropicProvider)
        try:
            yield simulator, provider
        finally:
            await provider.aclose()


def asked(model: str = MODELS[0], **more: Any) -> CompletionRequest:
    return CompletionRequest(model=model, messages=(Message.user("How is the sea?"),), max_tokens=500, **more)


async def streamed(provider: AnthropicProvider, request: CompletionRequest) -> list[StreamChunk]:
    async with provider.stream(request) as stream:
        return [chunk async for chunk in stream]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://bedrock-runtime.us-east-1.amazonaws.com/model", "bedrock_invoke"),
        ("https://bedrock-runtime.us-east-1.amazonaws.com/model/", "bedrock_invoke"),
        ("https://bedrock-runtime-fips.us-east-1.amazonaws.com/model", "bedrock_invoke"),
        ("https://bedrock-runtime.us-east-1.amazonaws.com/anthropic", "bedrock"),
        ("https://bedrock-mantle.us-east-1.api.aws/anthropic", "bedrock"),
        ("https://api.anthropic.com/model", "anthropic"),
    ],
)
def test_the_address_tells_it(url: str, name: str) -> None:
    assert endpoint_for(url).name == name


def test_an_endpoint_that_nobody_knows_is_told() -> None:
    with pytest.raises(ValueError, match=r"options\.endpoint is one of"):
        registry.create(ProviderSettings(name="b", kind="anthropic", options={"endpoint": "bedrok"}))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_the_model_is_in_the_path_and_the_version_in_the_body(model: str, stream: bool) -> None:
    async with bedrock() as (simulator, provider):
        if stream:
            chunks = await streamed(provider, asked(model))
            assert "".join(chunk.text for chunk in chunks)
            assert chunks[-1].done
            assert chunks[-1].finish_reason == "stop"
        else:
            assert (await provider.complete(asked(model))).text
        recorded = simulator.vendor("anthropic").last_request
        assert recorded is not None
        way = "invoke-with-response-stream" if stream else "invoke"
        assert recorded.path == f"/model/{model}/{way}"
        assert recorded.body["anthropic_version"] == "bedrock-2023-05-31"
        assert not {"model", "stream"} & set(recorded.body)


async def test_a_stream_says_what_a_plain_answer_does() -> None:
    tool = Tool("look", "Looks.", {"type": "object", "properties": {"where": {"type": "string"}}})
    for more in ({}, {"tools": (tool,), "tool_choice": "required"}):
        async with bedrock() as (_, provider):
            plain = await provider.complete(asked(**more))
            async with provider.stream(asked(**more)) as stream:
                async for _chunk in stream:
                    pass
            whole = stream.response
            assert (whole.text, whole.usage, whole.finish_reason) == (plain.text, plain.usage, plain.finish_reason)
            assert [call.arguments for call in whole.tool_calls] == [call.arguments for call in plain.tool_calls]


@pytest.mark.parametrize("model", MODELS)
async def test_aws_takes_the_signature(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a path with colons and slashes too, which is encoded once more where it is signed."""
    pytest.importorskip("botocore")
    keys = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_key)
    source = AwsSource(region="eu-west-1")
    async with bedrock(credential=source, api_key=None) as (simulator, provider):
        callers = simulator.vendor("anthropic").callers = Callers()
        callers.add_keys(keys)
        assert (await provider.complete(asked(model))).text
        assert await streamed(provider, asked(model))
        assert callers.refused == 0


async def test_betas_go_in_the_body_those_of_clients_as_well() -> None:
    async with bedrock(options={"betas": ["a-1", "b-2"]}) as (simulator, provider):
        body = {"max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
        await provider.complete(asked())
        recorded = simulator.vendor("anthropic").last_request
        assert recorded is not None
        assert recorded.body["anthropic_beta"] == ["a-1", "b-2"]
        native = Native("anthropic.messages", body, {"anthropic-beta": "b-2, c-3"})
        await provider.complete(asked(native=native))
        recorded = simulator.vendor("anthropic").last_request
        assert recorded is not None
        assert recorded.body["anthropic_beta"] == ["a-1", "b-2", "c-3"]


async def test_a_clients_own_stream_gets_server_sent_events() -> None:
    async with bedrock() as (_, provider):
        body = {"max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
        chunks = await streamed(provider, asked(native=Native("anthropic.messages", body)))
        raw = b"".join(chunk.raw for chunk in chunks)
        assert raw.startswith(b"event: message_start\ndata: {")
        assert b"event: message_stop\n" in raw


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("rate_limited", ErrorCode.RATE_LIMITED),
        ("overloaded", ErrorCode.OVERLOADED),
        ("server_error", ErrorCode.SERVER_ERROR),
        ("context_length", ErrorCode.CONTEXT_LENGTH_EXCEEDED),
    ],
)
async def test_errors_are_those_of_the_table(kind: Any, code: ErrorCode) -> None:
    async with bedrock() as (simulator, provider):
        simulator.vendor("anthropic").set(error_rate=1.0, error=kind)
        for call in (provider.complete(asked()), streamed(provider, asked())):
            with pytest.raises(ProviderError) as caught:
                await call
            assert caught.value.code is code


@pytest.mark.parametrize("kind", ["rate_limited", "overloaded", "server_error"])
async def test_an_exception_in_the_middle_interrupts_the_stream(kind: Any) -> None:
    async with bedrock() as (simulator, provider):
        simulator.vendor("anthropic").set(error_after=2, error=kind)
        with pytest.raises(ProviderError) as caught:
            await streamed(provider, asked())
        assert caught.value.code is ErrorCode.STREAM_INTERRUPTED
        assert caught.value.partial is not None
        assert caught.value.partial.text


@pytest.mark.parametrize("knobs", [{"cut_after": 2}, {"truncated": True}])
async def test_a_stream_that_breaks_off_is_no_answer(knobs: dict[str, Any]) -> None:
    async with bedrock() as (simulator, provider):
        simulator.vendor("anthropic").set(**knobs)
        with pytest.raises(ProviderError):
            await streamed(provider, asked())


# --- frames


def event(data: dict[str, Any]) -> bytes:
    return frame(CHUNK, json.dumps({"bytes": b64encode(json.dumps(data).encode()).decode(), "p": "ab"}).encode())


def test_frames_are_read_whatever_pieces_they_come_in() -> None:
    told = [{"type": "ping"}, {"type": "content_block_delta", "text": "é" * 500}, {"type": "message_stop"}]
    stream = b"".join(map(event, told))
    for size in (1, 2, 7, 13, 400, len(stream)):
        decoder, found = EventStreamDecoder(), []
        for at in range(0, len(stream), size):
            found += decoder.feed(stream[at : at + size])
        assert decoder.flush() == []
        assert [json.loads(each.data) for each in found] == told
        assert [each.event for each in found] == [each["type"] for each in told]


def test_any_bit_that_is_changed_is_seen() -> None:
    good = event({"type": "message_stop"})
    for place in range(len(good)):
        harmed = bytearray(good)
        harmed[place] ^= 1 << (place % 8)
        decoder = EventStreamDecoder()
        with pytest.raises(ProviderError) as caught:
            decoder.feed(bytes(harmed))
            decoder.flush()
        assert caught.value.code is ErrorCode.PROTOCOL_ERROR


@pytest.mark.parametrize(
    "data",
    [
        b"data: {}\n\n" * 5,
        b"\0" * 64,
        b"\xff" * 64,
        event({"type": "ping"})[:-1],
        frame(CHUNK, b"no JSON"),
        frame(CHUNK, b'{"bytes": 5}'),
        frame(CHUNK, b'{"bytes": "!"}'),
        frame(CHUNK, json.dumps({"bytes": b64encode(b"[1]").decode()}).encode()),
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_no_event_is_an_error(data: bytes) -> None:
    decoder = EventStreamDecoder()
    with pytest.raises(ProviderError) as caught:
        decoder.feed(data)
        decoder.flush()
    assert caught.value.code is ErrorCode.PROTOCOL_ERROR


def test_other_frames_say_nothing_and_odd_headers_are_passed_over() -> None:
    other = frame({":event-type": "initial-response", ":message-type": "event"}, b"{}")
    assert EventStreamDecoder().feed(other + event({"type": "ping"}))[0].event == "ping"


def exception(name: str) -> dict[str, str]:
    return {":message-type": "exception", ":exception-type": name}


SORRY = {":message-type": "error", ":error-code": "InternalError", ":error-message": "Sorry"}


@pytest.mark.parametrize(
    ("headers", "payload", "kind", "message"),
    [
        (exception("throttlingException"), b'{"message": "Slow"}', "rate_limit_error", "Slow"),
        (exception("modelStreamErrorException"), b"", "api_error", "modelStreamErrorException"),
        (SORRY, b"", "api_error", "Sorry"),
        (exception("validationException"), b"no JSON", "invalid_request_error", "validationException"),
    ],
)
def test_exceptions_become_error_events(headers: dict[str, str], payload: bytes, kind: str, message: str) -> None:
    [found] = EventStreamDecoder().feed(frame(headers, payload))
    assert found.event == "error"
    assert json.loads(found.data)["error"] == {"type": kind, "message": message}
