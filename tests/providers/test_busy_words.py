"""Servers that are busy say so with whatever status: the next target gets the request."""

from __future__ import annotations

import json

import pytest

from providers.classify import classify
from providers.errors import CONSEQUENCES, ErrorCode

BUSY = [
    (400, "the request queue is full, retry later"),
    (400, "Too many pending requests: the limit is reached"),
    (400, "pending requests limit reached"),
    (400, "waiting queue length exceeds the limit"),
    (400, "No slots available"),
    (400, "No worker is available right now"),
    (400, "Temporarily out of capacity"),
    (400, "Service unavailable"),
    (400, "The server is starting up"),
    (400, "backend not ready"),
    (400, "temporary failure, retry in 3s"),
    (400, "upstream timeout"),
    (400, "too many concurrent requests"),
    (422, "Model busy"),
    (409, "the model is being loaded"),
    (423, "locked"),
    (424, "failed dependency"),
    (425, "too early"),
    (421, "misdirected"),
    (405, "Not allowed here"),
    (410, "Gone"),
    (451, "Unavailable for legal reasons"),
]


@pytest.mark.parametrize(("status", "message"), BUSY)
def test_the_next_target_gets_the_request(status: int, message: str) -> None:
    error = classify(status, json.dumps({"error": {"message": message}}).encode(), provider="p", model="m")
    assert CONSEQUENCES[error.code].fallback == "yes"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "messages: at least one message is required"),
        (400, "Invalid image: the queue of parts is not an array"),
        (422, "temperature must be at most 2"),
        (400, "max_tokens must be at least 1"),
    ],
)
def test_a_mistake_stays_the_callers(status: int, message: str) -> None:
    error = classify(status, json.dumps({"error": {"message": message}}).encode(), provider="p", model="m")
    assert error.code is ErrorCode.INVALID_REQUEST
