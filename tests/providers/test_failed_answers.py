"""A failure inside a 200 is an error, so that a fallback can take over; an empty answer on purpose is none."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from providers.errors import ErrorCode
from tests.support.scripted import Vendor, sse


def chat(finish: str | None = "stop", message: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message or {"content": ""}, "finish_reason": finish}], **more}


def chunk(finish: str | None = None, text: str = "", **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish, **more}]}


def ok(body: Any) -> httpx.Response:
    return httpx.Response(200, json=body)


NO_BALANCE = {"status_code": 1008, "status_msg": "insufficient balance"}
CHOICE_ERROR = {"error": {"code": 502, "message": "Upstream error from X"}}


@pytest.mark.parametrize(
    ("kind", "answer", "stream", "code"),
    [
        ("openai", ok({"choices": [{**chat("error")["choices"][0], **CHOICE_ERROR}]}), False, "server_error"),
        ("openai", sse(chunk("error", **CHOICE_ERROR), "[DONE]"), True, "server_error"),
        ("openai", sse(chunk("error"), "[DONE]"), True, "server_error"),
        ("openai", ok(chat("error", {"content": "half an"})), False, "server_error"),
        ("openai", ok(chat("insufficient_system_resource")), False, "overloaded"),
        ("openai", sse(chunk("insufficient_system_resource"), "[DONE]"), True, "overloaded"),
        ("openai", ok(chat("network_error")), False, "server_error"),
        ("openai", ok({"choices": None, "base_resp": NO_BALANCE}), False, "quota_exhausted"),
        ("openai", sse({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}), True, "rate_limited"),
        ("openai", ok(chat("MALFORMED_FUNCTION_CALL", usage={"completion_tokens": 4})), False, "server_error"),
        ("openai", ok(chat("abort")), False, "server_error"),
        ("openai", ok(chat()), False, "protocol_error"),
        ("openai", ok(chat(None)), False, "protocol_error"),
        ("openai", ok(chat(usage={"prompt_tokens": 9, "completion_tokens": 0})), False, "protocol_error"),
        ("openai", sse(chunk(), chunk("stop"), "[DONE]"), True, "protocol_error"),
        ("openai", sse("[DONE]"), True, "protocol_error"),
        ("openai", ok({"success": False, "errors": [{"code": 3040, "message": "no capacity"}]}), False, "overloaded"),
        ("openai", ok({"error_code": 18, "error_msg": "Open api qps rate limit reached"}), False, "rate_limited"),
        ("openai", ok({"code": 1113, "msg": "Insufficient balance", "success": False}), False, "quota_exhausted"),
        ("openai", ok({"code": "1302", "message": "slow down"}), True, "rate_limited"),
        ("anthropic", ok({"content": [], "stop_reason": "end_turn"}), False, "protocol_error"),
        ("ollama", ok({"message": {"content": ""}, "done": True, "done_reason": "load"}), False, "overloaded"),
        ("ollama", ok({"message": {"content": ""}, "done": True, "done_reason": "load"}), True, "overloaded"),
    ],
)  # fmt: skip
async def test_a_failure_inside_a_200(kind: str, answer: httpx.Response, stream: bool, code: str) -> None:
    """Wherever the vendor puts it, and where there is nothing at all."""
    assert (await Vendor(kind, answer).fails(stream=stream)).code == code


async def test_a_failure_after_text_is_an_interruption() -> None:
    """What had come is kept as the partial answer."""
    for last in (chunk("error"), chunk("error", **CHOICE_ERROR), chunk("network_error")):
        error = await Vendor("openai", sse(chunk(text="half an"), last, "[DONE]")).fails(stream=True)
        assert error.code is ErrorCode.STREAM_INTERRUPTED
        assert error.partial is not None
        assert error.partial.text == "half an"


@pytest.mark.parametrize(
    ("kind", "body", "fields"),
    [
        ("openai", chat("length"), {}),
        ("openai", chat("content_filter"), {}),
        ("openai", chat("stop", {"content": None, "refusal": "I can't"}), {}),
        ("openai", chat(usage={"prompt_tokens": 9, "completion_tokens": 2}), {}),
        ("openai", chat(), {"stop": ("\n",)}),
        ("openai", chat(), {"max_tokens": 1}),
        ("openai", chat("stop", {"content": "", "reasoning_content": "hm"}), {}),
        ("anthropic", {"content": [], "stop_reason": "stop_sequence"}, {}),
        ("anthropic", {"content": [], "stop_reason": "refusal"}, {}),
        ("anthropic", {"content": [], "stop_reason": "max_tokens"}, {}),
        ("anthropic", {"content": [], "stop_reason": "end_turn", "usage": {"output_tokens": 3}}, {}),
        ("ollama", {"message": {"content": ""}, "done": True, "done_reason": "stop", "eval_count": 1}, {}),
    ],
)
async def test_an_empty_answer_on_purpose_stays_one(kind: str, body: dict[str, Any], fields: dict[str, Any]) -> None:
    """The model stopped by itself, was cut, refused, or was billed for what it made."""
    reply = await Vendor(kind, ok(body)).ask(**fields)
    assert reply.tool_calls == ()


async def test_a_failed_response_tells_its_wait() -> None:
    """The Responses API says it in a sentence of its last event."""
    failed = {"code": "rate_limit_exceeded", "message": "Rate limit reached. Please try again in 11.5s."}
    stream = sse({"type": "response.failed", "response": {"status": "failed", "error": failed, "output": []}})
    options = {"api": "responses", "dialect": "generic"}
    error = await Vendor("openai", stream, options=options).fails(stream=True)
    assert (error.code, error.retry_after) == (ErrorCode.RATE_LIMITED, 11.5)


async def test_an_answer_with_a_byte_order_mark() -> None:
    """It is read, and so is an error's code."""
    mark = b"\xef\xbb\xbf"
    body = mark + b'{"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}'
    assert (await Vendor("openai", httpx.Response(200, content=body)).ask()).text == "hi"
    failed = httpx.Response(400, content=mark + b'{"error": {"message": "x", "code": "insufficient_quota"}}')
    error = await Vendor("openai", failed).fails()
    assert (error.code, error.vendor_code) == (ErrorCode.QUOTA_EXHAUSTED, "insufficient_quota")


async def test_a_wrong_path_says_where_to_look() -> None:
    """A page, or a server's bare "Not Found", is no missing model."""
    for answer in (
        httpx.Response(404, json={"detail": "Not Found"}),
        httpx.Response(404, text="<html><head><title>404 Not Found</title></head></html>"),
        httpx.Response(404, text="404 page not found"),
        httpx.Response(
            404, json={"error": {"message": "Invalid URL (POST /v1/chat)", "type": "invalid_request_error"}}
        ),
        httpx.Response(404, json={"title": "Not Found", "status": 404}),
    ):
        error = await Vendor("openai", answer).fails()
        assert error.code is ErrorCode.INVALID_REQUEST
        assert "check base_url" in error.message
