"""Every shape of vendor error is read, and means the right code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.classify import classify, classify_payload, error_in, scrub
from providers.errors import ErrorCode, ProviderError


def of(status: int | None, body: Any, headers: dict[str, str] | None = None) -> ProviderError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify(status, data, headers or {}, provider="p", model="m", now=1_000_000.0)


def err(**error: Any) -> dict[str, Any]:
    return {"error": error}


CASES: list[tuple[int | None, Any, str]] = [
    (429, err(message="x", type="insufficient_quota", code="insufficient_quota"), "quota_exhausted"),
    (429, err(message="x", type="insufficient_quota", code="project_spend_limit_exceeded"), "quota_exhausted"),
    (429, err(message="Slow", type="requests", code="rate_limit_exceeded"), "rate_limited"),
    (503, err(message="x", type="service_unavailable_error", code="server_is_overloaded"), "overloaded"),
    (400, err(message="x", code="string_above_max_length"), "invalid_request"),
    (400, err(message="x", code="content_filter", innererror={"code": "X"}), "content_filtered"),
    (400, err(message="x", code="unsupported_parameter"), "unsupported"),
    (400, {"error": '"m" does not support tools'}, "unsupported"),
    (404, {"error": "model 'x' not found"}, "model_not_found"),
    (404, err(message="x", code="DeploymentNotFound"), "model_not_found"),
    (503, {"error": "server busy, please try again.  maximum pending requests exceeded"}, "overloaded"),
    (400, {"code": "invalid-argument", "error": "Incorrect API key provided: x"}, "authentication"),
    (400, [err(code=400, message="API key not valid", status="INVALID_ARGUMENT")], "authentication"),
    (429, {"object": "error", "message": "Rate limit", "type": "rate_limited", "code": "1300"}, "rate_limited"),
    (429, {"object": "error", "message": "Service tier capacity exceeded for this model."}, "overloaded"),
    (422, {"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required"}]}, "invalid_request"),
    (401, {"message": "Unauthorized", "request_id": "r"}, "authentication"),
    (403, err(code=403, message="flagged", metadata={"reasons": ["violence"]}), "content_filtered"),
    (403, err(message="Country not supported"), "permission_denied"),
    (402, err(message="Insufficient Balance"), "quota_exhausted"),
    (400, err(type="invalid_request_error", message="Your credit balance is too low to …"), "quota_exhausted"),
    (
        429,
        {
            "type": "error",
            "error": {"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}},
        },
        "quota_exhausted",
    ),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "overloaded"),
    (None, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "overloaded"),
    (None, err(code=429, message="slow"), "rate_limited"),
    (200, err(code=502, message="bad upstream"), "server_error"),
    (None, err(message="what"), "server_error"),
    (413, b"", "request_too_large"),
    (418, b"", "invalid_request"),
    (408, b"", "timeout"),
    (500, b"<html><title>Oops</title></html>", "server_error"),
    (599, b"[]", "server_error"),
    (302, b"", "protocol_error"),
    (500, {"error": 'option "num_ctx" must be of type integer'}, "invalid_request"),
]


@pytest.mark.parametrize(("status", "body", "code"), CASES)
def test_each_vendor_error_means_its_code(status: int | None, body: Any, code: str) -> None:
    """Code before type before text before status, for every body shape in use."""
    assert of(status, body).code == code


@pytest.mark.parametrize(
    ("message", "window", "prompt"),
    [
        (
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
            8192,
            9000,
        ),
        ("prompt is too long: 200016 tokens > 200000 maximum", 200000, 200016),
        ("The input token count (12) exceeds the maximum number of tokens allowed (10).", 10, 12),
        ("This model's maximum prompt length is 131072 but the request contains 140000 tokens.", 131072, 140000),
        ("request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it", 4096, 5000),
        ("Please reduce the length of the messages or completion.", None, None),
    ],
)
def test_a_too_long_prompt_tells_its_numbers(message: str, window: int | None, prompt: int | None) -> None:
    """Context length is recognised by text, and the error's numbers teach the window."""
    error = of(400, err(message=message, type="invalid_request_error"))
    assert error.code is ErrorCode.CONTEXT_LENGTH_EXCEEDED
    assert (error.context_window, error.prompt_tokens) == (window, prompt)


def test_llama_cpp_numbers_come_from_fields() -> None:
    """llama.cpp says the window in n_ctx and the prompt in n_prompt_tokens."""
    error = of(400, err(code=400, type="exceed_context_size_error", message="x", n_ctx=4096, n_prompt_tokens=5000))
    assert (error.code, error.context_window, error.prompt_tokens) == ("context_length_exceeded", 4096, 5000)


def test_a_rate_limit_that_speaks_of_tokens_is_no_context_error() -> None:
    """A 429 is never a context error, whatever its text is."""
    assert of(429, err(message="Please reduce the length of the messages")).code is ErrorCode.RATE_LIMITED


@pytest.mark.parametrize(("quota", "code"), [("PerDay", "quota_exhausted"), ("PerMinute", "rate_limited")])
def test_gemini_tells_a_day_from_a_minute(quota: str, code: str) -> None:
    """The same text, told apart by the quota's name; the wait is in retryDelay."""
    details = [{"violations": [{"quotaId": f"Requests{quota}"}]}, {"retryDelay": "14s"}]
    error = of(429, [err(code=429, message="You exceeded your current quota", status="X", details=details)])
    assert (error.code, error.retry_after) == (code, 14.0)


def test_the_header_says_how_long_to_wait() -> None:
    """Retry-After reaches the error, before what the body says."""
    body = err(message="x", availability={"retry_after": 3})
    assert of(429, body, {"retry-after": "7"}).retry_after == 7.0
    assert of(429, body).retry_after == 3.0


def test_nothing_that_looks_like_a_key_is_kept() -> None:
    """Keys are taken out of the message and the excerpt, and the excerpt is at most 4 KB."""
    text = "Incorrect key sk-abcdEFGH1234567890 in Bearer abc.def-123 " + "x" * 9000
    error = of(401, err(message=text))
    assert "sk-abcd" not in str(error)
    assert "abc.def" not in str(error)
    assert error.body_excerpt is not None
    assert "sk-abcd" not in error.body_excerpt
    assert len(error.body_excerpt.encode()) <= 4096
    assert scrub("a secret-one b", "secret-one") == "a [key] b"


def test_an_error_inside_a_200_is_seen() -> None:
    """In all places where vendors put it, and nowhere else."""
    assert error_in({"error": "x"})
    assert error_in([{"error": {"message": "x"}}])
    assert error_in({"choices": [], "x_groq": {"error": "over"}})
    assert error_in({"object": "error", "message": "x"})
    assert not error_in({"error": None, "choices": [{}]})
    assert not error_in({"choices": [], "x_groq": {"id": "1"}})
    assert not error_in("text")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "detail", "code", "type", "metadata", "details", "violations", "msg", "loc"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.none() | st.integers(300, 599))
def test_no_body_makes_it_raise(payload: Any, status: int | None) -> None:
    """Any JSON gives an error with a code."""
    assert classify_payload(payload, status, provider="p", model="m", now=0.0).code in ErrorCode


@given(st.binary(max_size=60), st.none() | st.integers(300, 599))
def test_no_bytes_make_it_raise(body: bytes, status: int | None) -> None:
    """So do any bytes."""
    assert classify(status, body, provider="p", model="m", now=0.0).message
