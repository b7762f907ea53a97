"""More of what servers and gateways say, and what it means: refusals, windows, waits, quotas, reasons, reasoning."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.answers import checked
from providers.classify import classify, error_in
from providers.errors import ErrorCode, ProviderError
from providers.finish_reasons import finish_reason
from providers.openai.chat_decode import ChatStreamDecoder, decode
from providers.tool_calls import ToolCallAssembler
from providers.transport.lines import SSEEvent
from providers.types import CompletionRequest, CompletionResponse, Message

NOW = 1_795_000_000.0  # 2026-11-18T11:06:40Z


def of(status: int | None, message: str, **more: Any) -> ProviderError:
    body = json.dumps({"error": {"message": message, **more}}).encode()
    return classify(status, body, provider="p", model="m", now=NOW)


def answered(message: dict[str, Any], finish: str) -> CompletionResponse:
    body = {"choices": [{"message": message, "finish_reason": finish}]}
    return decode(body, provider="p", model="m", request_id=None)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Unable to generate parser for this template. Error: Jinja Exception: No user query found in messages."),
        (400, "Image inputs are disabled for this deployment"),
        (400, "Unrecognized chat message part type: input_audio"),
        (400, "Grammar error: Unimplemented keys: [pattern]"),
        (400, "A schema in the request exceeds the maximum allowed nesting depth."),
        (400, "System message must be at the beginning."),
        (400, "Unexpected message role."),
        (400, "developer is not one of ['system', 'assistant', 'user', 'tool', 'function'] - 'messages.0.role'"),
        (400, "Budget 0 is invalid. This model only works in thinking mode."),
        (400, "parameter.enable_thinking must be set to false for non-streaming calls"),
        (422, "body.messages.0.content: str type expected"),
        (400, "This model has no vision encoder"),
        (400, "Invalid 'tools': array too long. Expected an array with maximum length 128, but got length 140."),
        (400, "The model has a maximum of 128 tools"),
        (400, "Tool calling is only available on paid plans for this model"),
        (400, "Invalid value: 'xhigh'. Supported values are: 'low', 'medium', and 'high'."),
        (400, "reasoning_effort must be one of `low`, `medium`, or `high`"),
        (400, "'loc': ('body', 'reasoning_effort'), 'msg': \"Input should be 'low', 'medium' or 'high'\""),
        (400, "tools.0.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12"),
        (400, "Invocation of model ID c with on-demand throughput isn\u2019t supported."),
    ],
)
def test_another_target_may_do_it(status: int, message: str) -> None:
    assert of(status, message).code is ErrorCode.UNSUPPORTED


@pytest.mark.parametrize(
    ("message", "window", "prompt"),
    [
        ("Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)", 7424, 15028),
        ("context_overflow: the request does not fit", None, None),
        ("The prompt is longer: over the 200000 token context window", 200000, None),
    ],
)
def test_a_prompt_that_is_too_long(message: str, window: int | None, prompt: int | None) -> None:
    error = of(400, message)
    assert error.code is ErrorCode.CONTEXT_LENGTH_EXCEEDED
    assert (error.context_window, error.prompt_tokens) == (window, prompt)
    assert of(None, message).code is ErrorCode.CONTEXT_LENGTH_EXCEEDED  # in a stream


@pytest.mark.parametrize(
    ("status", "message", "more"),
    [
        (403, "Sorry, your account balance is insufficient", {}),
        (403, "This request requires more credits, or fewer max_tokens. You can only afford 3000.", {}),
        (400, "You're out of extra usage. Add more in the settings.", {}),
        (401, "No payment method. Add a payment method here.", {"type": "CreditsError"}),
        (401, "Not now.", {"type": "CreditsError"}),
        (403, "用户额度不足", {}),
        (403, "x", {"code": "insufficient_user_quota"}),
        (403, "x", {"code": "pre_consume_token_quota_failed"}),
        (None, "Open api daily request limit reached", {}),
    ],
)
def test_spent_quotas(status: int | None, message: str, more: dict[str, Any]) -> None:
    assert of(status, message, **more).code is ErrorCode.QUOTA_EXHAUSTED


@pytest.mark.parametrize("message", ["Content Exists Risk", "This prompt contains sensitive words"])
def test_filters(message: str) -> None:
    assert of(400, message).code is ErrorCode.CONTENT_FILTERED


def test_a_json_mode_that_failed_may_be_tried_again() -> None:
    assert of(400, "Failed to generate JSON.", code="json_validate_failed").code is ErrorCode.SERVER_ERROR


def test_a_moment_with_a_word_before_the_hour() -> None:
    error = of(
        400, "You have reached your specified API usage limits. You will regain access on 2026-11-19 at 00:26 UTC."
    )
    assert (error.code, error.retry_after) == (ErrorCode.QUOTA_EXHAUSTED, 13 * 3600 + 19 * 60 + 20)


def test_a_status_in_a_body_without_an_answer() -> None:
    body = {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 12 seconds."}
    error = classify(None, json.dumps(body).encode(), provider="p", model="m")
    assert error_in(body)
    assert (error.code, error.retry_after) == (ErrorCode.RATE_LIMITED, 12)


@pytest.mark.parametrize(
    ("raw", "unified"),
    [
        ("content_filter: PROHIBITED_CONTENT", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("SPII", "content_filter"),
        ("guardrail_intervened", "content_filter"),
        ("max_length", "length"),
        ("stop_token", "stop"),
        ("a: b", "unknown"),
    ],
)
def test_reasons_in_other_words(raw: str, unified: str) -> None:
    assert finish_reason(raw, has_calls=False) == unified


def test_a_call_that_a_filter_took_away_is_a_failure() -> None:
    request = CompletionRequest(model="m", messages=(Message.user("Hi"),))
    with pytest.raises(ProviderError) as caught:
        checked(answered({"content": None}, "function_call_filter: MALFORMED_FUNCTION_CALL"), request)
    assert caught.value.code is ErrorCode.SERVER_ERROR


@pytest.mark.parametrize(
    "thought",
    [
        {"reasoning_text": "Hm"},
        {"thinking": "Hm"},
        {"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]}]},
        {"reasoning": "Hm", "reasoning_content": "Hm"},
    ],
)
def test_reasoning_is_found(thought: dict[str, Any]) -> None:
    decoder = ChatStreamDecoder("p", "m", None)
    for delta, reason in ((thought, None), ({"content": "Hi"}, "stop")):
        data = json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}).encode()
        decoder.feed(SSEEvent("", data))
    decoder.finish()
    streamed, plain = decoder.response(), answered({"content": "Hi", **thought}, "stop")
    assert [part.text for part in streamed.thinking] == [part.text for part in plain.thinking] == ["Hm"]
    assert streamed.text == "Hi"


def test_an_empty_object_after_the_arguments_is_no_part_of_them() -> None:
    calls = ToolCallAssembler()
    calls.add(0, "a", "f", '{"q":1}')
    calls.add(0, None, None, "{}")
    calls.finish()
    assert [call.arguments for call in calls.calls()] == [{"q": 1}]
