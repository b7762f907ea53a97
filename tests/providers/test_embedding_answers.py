"""Odd answers of embeddings: read where nothing is in doubt, else an error that says what is wrong with them."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import httpx
import pytest

from providers import EmbeddingRequest, ErrorCode, ProviderError
from tests.support.scripted import Vendor

FIRST, SECOND = [0.5, 0.25], [1.0, -1.0]
NAN, INFINITY = float("nan"), float("inf")
URLS = ["https://api.openai.com/v1", "https://llm.example/v1"]  # of which one is asked for base64


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def answer(first: Any, second: Any, places: tuple[Any, Any] = (0, 1), **more: Any) -> str:
    entries = [{"index": at, "embedding": vector} for at, vector in zip(places, (first, second), strict=True)]
    return json.dumps({"object": "list", "data": entries, "model": "m", **more})


async def read(text: str, url: str) -> Any:
    vendor = Vendor("openai", httpx.Response(200, text=text), base_url=url)
    provider: Any = vendor.provider
    return await provider.embed(EmbeddingRequest(model="m", inputs=("a", "b")))


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize(
    "text",
    [
        answer(FIRST, SECOND),
        answer(packed(*FIRST), packed(*SECOND)),
        answer(packed(*FIRST), SECOND),  # whatever it was asked for
        answer(SECOND, FIRST, (1, 0)),
        answer(FIRST, SECOND, (None, None)),
        answer(FIRST, [1, -1]),
        answer(FIRST, SECOND, error=None),
        answer(FIRST, SECOND, error={}),
        "\ufeff" + answer(FIRST, SECOND),
    ],
)
async def test_what_is_in_no_doubt_is_read(text: str, url: str) -> None:
    assert (await read(text, url)).lists() == [FIRST, SECOND]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (answer([NAN, 1.0], SECOND), "NaN or infinity"),
        (answer([INFINITY, 1.0], SECOND), "NaN or infinity"),
        (answer([1e39, 1.0], SECOND), "NaN or infinity"),  # more than float32 has
        (answer(packed(1.0, NAN), packed(*SECOND)), "NaN or infinity"),
        (answer(packed(-INFINITY, 1.0), packed(*SECOND)), "NaN or infinity"),
        (answer([None, 1.0], SECOND), "input 0 is neither base64"),
        (answer(["0.5", 1.0], SECOND), "input 0 is neither base64"),
        (answer([FIRST], [SECOND]), "input 0 is neither base64"),
        (answer(FIRST, {"float": SECOND}), "input 1 is neither base64"),
        (answer("a-_-", packed(*SECOND)), "input 0 can't be read"),
        (answer([], []), "0 bytes"),
        (answer("", ""), "0 bytes"),
        (answer(base64.b64encode(b"12345").decode(), base64.b64encode(b"12345").decode()), "5 bytes"),
        (answer(FIRST, [1.0, 2.0, 3.0]), "differ in length: 2, 3"),
        (answer(FIRST, SECOND, (0, 0)), "two embeddings of input 0"),
        (answer(FIRST, SECOND, (1, 2)), "an input 2 came"),
        (answer(FIRST, SECOND, (-1, 0)), "an input -1 came"),
        (answer(FIRST, SECOND, ("0", "1")), "an input '0' came"),
        (answer(FIRST, SECOND, (None, 1)), "an input None came"),
        ('{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "error": "too long"}]}', "input 1 is neither"),
        ('{"data": []}', "2 embeddings were asked for, and 0 came"),
        ('{"detail": "busy"}', "no list of embeddings"),
        ("[]", "no list of embeddings"),
        (answer(FIRST, SECOND)[:-20], "no JSON"),
        ("", "empty"),
    ],
)
async def test_what_is_no_answer_says_why(text: str, words: str, url: str) -> None:
    with pytest.raises(ProviderError, match=words) as raised:
        await read(text, url)
    assert raised.value.code is ErrorCode.PROTOCOL_ERROR


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"message": "This model's maximum context length is 8192 tokens"}, ErrorCode.CONTEXT_LENGTH_EXCEEDED),
        ({"message": "Invalid 'input[1]': maximum input length is 8192 tokens."}, ErrorCode.CONTEXT_LENGTH_EXCEEDED),
        ({"message": "slow down", "code": "rate_limit_exceeded"}, ErrorCode.RATE_LIMITED),
        ("model overloaded", ErrorCode.OVERLOADED),
    ],
)
async def test_an_error_with_a_status_of_200_is_that_error(error: Any, code: ErrorCode, url: str) -> None:
    """Vectors beside it are none."""
    for text in (json.dumps({"error": error}), answer(packed(*FIRST), packed(*SECOND), error=error)):
        with pytest.raises(ProviderError) as raised:
            await read(text, url)
        assert raised.value.code is code
