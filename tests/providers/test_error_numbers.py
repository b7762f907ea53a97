"""The numbers that errors name in their sentences: windows, prompts and waits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.classify import classify
from providers.errors import ErrorCode, ProviderError

NOW = 1_795_000_000.0


def of(status: int, body: Any) -> ProviderError:
    return classify(status, json.dumps(body).encode(), {}, provider="p", model="m", now=NOW)


def err(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


CONTEXT: list[tuple[int, Any, int | None, int | None]] = [
    (400, err("Input is too long for requested model."), None, None),
    (400, err("Prompt exceeds max length", code="1261"), None, None),
    (400, {"code": "InvalidParameter", "message": "Range of input length should be [1, 98304]"}, 98304, None),
    (422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` "
                    "tokens and 100 `max_new_tokens`", "error_type": "validation"}, 4096, 5000),
    (422, {"error": "Input validation error: `inputs` must have less than 4095 tokens. Given: 5000"}, 4095, 5000),
    (413, err("Request body too large for x model. Max size: 8000 tokens.", code="tokens_limit_reached"), 8000, None),
    (400, err("prompt token count of 131072 exceeds the limit of 128000", code="model_max_prompt_tokens_exceeded"),
     128000, 131072),
    (400, {"message": "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000"},
     4081, 5000),
    (400, err("You passed 9001 input tokens and requested 100 output tokens. However, the model's context length is "
              "only 8192 tokens, resulting in a maximum input length of 8092 tokens."), 8192, 9001),
    (400, err("This model's maximum context length is 196608 tokens. However, you requested 16384 output tokens and "
              "your prompt contains at least 180225 input tokens, for a total of at least 196609 tokens."),
     196608, 180225),
    (400, err("'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum context length is 8192 "
              "tokens and your request has 2000 input tokens (9000 > 8192 - 2000)."), 8192, 2000),
    (400, err("The input (9000 tokens) is longer than the model's context length (8192 tokens)."), 8192, 9000),
    (400, err("This model's maximum context length is 8192 tokens. However, you requested 9500 tokens (9000 in the "
              "messages, 500 in the completion)."), 8192, 9000),
    (400, {"error": "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded "
                    "with context length of only 4096 tokens"}, 4096, 9000),
    (400, err("Input length 262200 exceeds the maximum allowed input length of 262144 tokens"), 262144, 262200),
    (400, err("litellm.ContextWindowExceededError: AnthropicException - prompt is too long"), None, None),
    (400, err("Please reduce the length of the messages or completion. Current length is 8500 while limit is 8192",
              code="context_length_exceeded"), 8192, 8500),
    (400, err("Your request exceeded model token limit: 8192 (requested: 9000)"), 8192, 9000),
    (400, err("invalid params, context window exceeds limit (2013)"), None, None),
    (400, err("Provider returned error", code=400,
              metadata={"raw": '{"error":{"message":"prompt is too long: 215000 tokens > 200000 maximum"}}'}),
     200000, 215000),
    (429, err("Request too large for x on tokens per min (TPM): Limit 30000, Requested 35000."), 30000, 35000),
    (413, err("Request too large on tokens per minute (TPM): Limit 6000, Requested 9000", code="rate_limit_exceeded"),
     6000, 9000),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "window", "prompt"), CONTEXT)
def test_a_prompt_that_is_too_long(status: int, body: Any, window: int | None, prompt: int | None) -> None:
    """The window is the model's, never what was asked for; the prompt's length is without the answer's."""
    error = of(status, body)
    assert error.code is ErrorCode.CONTEXT_LENGTH_EXCEEDED
    assert (error.context_window, error.prompt_tokens) == (window, prompt)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (429, "Rate limit reached on tokens per day (TPD): Limit 100000, Used 99900, Requested 500."),
        (429, "Please reduce the length of the messages"),
        (400, "Invalid 'messages[0].content': string too long. Expected a string with maximum length 10."),
        (400, "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for x"),
        (400, "image exceeds 5 MB maximum"),
        (400, "tools.0.name: string should have at most 64 characters"),
    ],
)
def test_other_limits_are_no_window(status: int, message: str) -> None:
    """A rate, one string, an image, the answer's own limit: a larger window would not help."""
    assert of(status, err(message)).code is not ErrorCode.CONTEXT_LENGTH_EXCEEDED


WAITS: list[tuple[int, Any, float | None]] = [
    (429, err("Rate limit reached for x. Please try again in 5m45.6s."), 345.6),
    (429, err("Please try again in 1h2m"), 3720.0),
    (429, err("Please try again in 250ms. Visit https://x"), 0.25),
    (429, err("have exceeded token rate limit of your tier. Please retry after 26 seconds."), 26.0),
    (429, err("Please retry in 14.5s."), 14.5),
    (429, err("Too many requests. Please wait 1 minute and 30 seconds"), 90.0),
    (429, err("Your quota will reset after 3h12m5s."), 11525.0),
    (429, err("No deployments available, Try again in 60 seconds. Passed model=x"), 60.0),
    (429, err("You may try again at 2026-11-18T12:00:00Z"), 3200.0),
    (429, err("slow down, and try again later"), None),
    (429, err("x", metadata={"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795000060000"}}), 60.0),
    (429, err("x", resets_in_seconds=120), 120.0),
    (429, err("x", resets_at=1795000030), 30.0),
    (429, {**err("x"), "retry_after": 7}, 7.0),
    (429, err("x", retry_after_ms=1500), 1.5),
    (429, [err("x", details=[{"retryDelay": "14s"}])], 14.0),
    (503, {"error": "Model x is currently loading", "estimated_time": 20.0}, 20.0),
    (429, err("x", metadata={"headers": {"X-RateLimit-Reset": "1794999999"}}), None),  # it is over
    (400, err("Invalid 'retry' in 5 seconds"), None),  # a fault of the request
]


@pytest.mark.parametrize(("status", "body", "wait"), WAITS)
def test_a_wait_that_only_the_body_tells(status: int, body: Any, wait: float | None) -> None:
    """A field of its own, or the sentence; a header comes before both."""
    assert of(status, body).retry_after == (None if wait is None else pytest.approx(wait))
    headers = {"retry-after": "3"}
    assert classify(status, json.dumps(body).encode(), headers, provider="p", model="m", now=NOW).retry_after == 3.0


def test_a_wait_of_years_is_cut() -> None:
    """A clock that is wrong somewhere does not hold a key for ever."""
    error = of(429, err("x", metadata={"headers": {"X-RateLimit-Reset": "4070908800000"}}))
    assert error.retry_after is not None
    assert 0 < error.retry_after <= 366 * 86_400
