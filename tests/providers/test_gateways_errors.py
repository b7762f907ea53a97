"""Errors of clouds and gateways in words and forms of their own: who is meant, and when to come back."""

from __future__ import annotations

import json

import pytest

from providers.classify import classify
from providers.errors import CONSEQUENCES
from providers.errors import ErrorCode as E


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (403, {"message": "The security token included in the request is expired"}, E.AUTHENTICATION),
        (403, {"__type": "com.amazon.coral.service#UnrecognizedClientException", "message": "?"}, E.AUTHENTICATION),
        (400, {"__type": "ExpiredTokenException"}, E.AUTHENTICATION),
        (403, {"message": "The request signature we calculated does not match the signature"}, E.AUTHENTICATION),
        (403, {"error": {"message": "Your access token has expired"}}, E.AUTHENTICATION),
        (400, {"message": "Could not resolve the foundation model from the provided identifier."}, E.MODEL_NOT_FOUND),
        (400, {"error": {"message": "Your organization must be verified to stream this model."}}, E.PERMISSION_DENIED),
        (400, {"error": {"message": "Invalid prompt: your prompt was flagged"}}, E.CONTENT_FILTERED),
        (422, {"error": {"message": "Request blocked by guardrails"}}, E.CONTENT_FILTERED),
        (400, {"error": {"message": "Guardrail intervened"}}, E.CONTENT_FILTERED),
        (400, {"error": {"message": "系统检测到输入或生成内容可能包含不安全或敏感内容"}}, E.CONTENT_FILTERED),
        (400, {"error": {"message": "模型不存在"}}, E.MODEL_NOT_FOUND),
        (499, {"error": {"code": 499, "message": "Cancelled.", "status": "CANCELLED"}}, E.SERVER_ERROR),
        (499, {"error": {"message": "Client Closed Request"}}, E.SERVER_ERROR),
    ],
)  # fmt: skip
def test_who_is_meant(status: int, body: object, code: E) -> None:
    assert classify(status, json.dumps(body).encode(), provider="p", model="m").code is code
    assert CONSEQUENCES[code].fallback != "no"  # none of them is the caller's fault


@pytest.mark.parametrize(
    ("headers", "text", "wait"),
    [
        ({}, "Rate limited. Retry after 60", 60),
        ({}, "too many requests (retry_after: 2.5)", 2.5),
        ({}, "Retry after 3 models were tried", None),
        ({"retry-after": "10, 10"}, "", 10),
        ({"retry-after": "5, 30"}, "", 30),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:20 GMT"}, "", 20),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "7"}, "", 7),
        ({"ratelimit-remaining": "3", "ratelimit-reset": "7"}, "", None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], text: str, wait: float | None) -> None:
    body = json.dumps({"error": {"message": text or "Slow down."}}).encode()
    now = 1_767_225_600.0  # the first of January 2026
    assert classify(429, body, headers, provider="p", model="m", now=now).retry_after == wait
