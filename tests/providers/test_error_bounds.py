"""Whatever a vendor answers with an error costs a bounded amount of time and memory to read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from providers import classify, context_errors, error_body, error_waits, refused_fields, vendor_words
from providers.classify import scrub
from tests.support.scripted import Vendor

pytestmark = pytest.mark.slow

SIZE = 32 * 1024


def patterns_in(value: object) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, error_body.Words):
        yield value.compiled
    elif isinstance(value, tuple):
        for inner in value:
            yield from patterns_in(inner)


PATTERNS = {
    pattern.pattern: pattern
    for module in (classify, context_errors, error_body, error_waits, refused_fields, vendor_words)
    for value in vars(module).values()
    for pattern in patterns_in(value)
}
SEEDS = (
    "key-", "sk-", "eyJ", "eyJ-", "eyJaaaaaaaaaaaaa.", "bearer ", "bearer", "<title", "<title>", " ", "a", "1",
    "1,", "1.", "1s", "1h ", "-", "\"", "'a", "{", "model ", "model x ", "limit 1 ", "limit: 1, ", "requested 1 ",
    "try again in ", "retry ", "reset at 2026-01-01t00:00 ", "parameter ", "field x ", "input ", "prompt ",
    "context length ", "max_tokens ", "credits ", "exceeded your ", "thinking block ", "additionalproperties ",
    "\n", "é", "_", "x.y",
)  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=range(len(PATTERNS)))
def test_every_pattern_is_linear(pattern: re.Pattern[str]) -> None:
    """No text of 32 KB (never as much of an error is read) holds up the process; a quadratic one takes minutes.

    The beginnings that each pattern looks for are among the texts, over and over.
    """
    own = [word for word in re.findall(r"[a-z_`'\[ ]{3,}", re.sub(r"\(\?[:!<=]+|\\b", "|", pattern.pattern)) if word]
    for seed, size in [*((seed, SIZE) for seed in SEEDS), *((word, SIZE // 4) for word in set(own))]:
        text = seed * (size // len(seed) + 1)
        pattern.search(text)
        pattern.fullmatch(text)


def test_there_are_patterns() -> None:
    """The search for them finds those of all modules."""
    assert len(PATTERNS) > 60


@pytest.mark.parametrize("seed", SEEDS)
def test_a_text_is_cut_before_it_is_read(seed: str) -> None:
    """Messages, codes, types and ids are short, however long the vendor's are."""
    long = seed * (SIZE // len(seed) + 1)
    for body in ({"error": {"message": long, "type": long, "code": long}, "request_id": long}, {"error": long}, long):
        error = classify.classify_payload(body, 400, {"x-request-id": long}, provider="p", model="m")
        told = (error.message, error.vendor_type, error.vendor_code, error.request_id, error.body_excerpt)
        assert all(len(text or "") <= 4200 for text in told)


def test_keys_are_still_blanked_out() -> None:
    """In chains of words that begin like one as well."""
    secret = "sk-abcdEFGH1234567890"
    for text in (f"key-key-key-{secret}", f"Bearer {secret}", f"({secret})", f"x {'eyJ' + 'a' * 20}.bbb.ccc"):
        found = scrub(text)
        assert "1234567890" not in found
        assert "bbb" not in found


def test_lists_and_nesting_without_end() -> None:
    """A thousand validation errors, or a hundred levels, make one short sentence."""
    entries = [{"loc": ["body"] * 100, "msg": "Field required"}] * 1000
    assert len(classify.classify_payload({"detail": entries}, 422, provider="p", model="m").message) <= 1100
    for key in ("error", "detail", "message", "errors"):
        nested: Any = "x"
        for _ in range(5000):
            nested = {key: [nested]} if key == "errors" else {key: nested}
        assert classify.classify_payload(nested, 400, provider="p", model="m").code == "invalid_request"
    lists: Any = []
    for _ in range(5000):
        lists = [lists]
    assert not classify.error_in(lists)
    assert classify.classify_payload(lists, 400, provider="p", model="m").code == "invalid_request"


async def test_an_error_is_not_read_to_its_end() -> None:
    """Of a body that goes on and on the beginning is read, and the connection closed."""
    given = 0

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            nonlocal given
            yield b'{"error": {"message": "'
            while given < 2000:
                given += 1
                yield b"x" * 65536

    error = await Vendor("openai", lambda body: httpx.Response(500, stream=Endless())).fails()
    assert (error.code, error.status) == ("server_error", 500)
    assert given <= 8
