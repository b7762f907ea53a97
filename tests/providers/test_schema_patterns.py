"""Patterns of schemas are an app's or a client's own: whatever they are, an answer is checked in little time."""

from __future__ import annotations

import time
from typing import Any

import pytest

from providers.errors import ErrorCode, ProviderError
from providers.fake import FakeProvider, Reply
from providers.schemas.check import faults, unreadable
from router import Router
from router.testing import run

FILE = """
providers: {a: {kind: fake}}
routes: {chat: a/m}
"""
# Each takes exponential or high polynomial time in an engine that goes back.
CATASTROPHIC = [
    r"^(a+)+$",
    r"^(a|aa)+$",
    r"^(a|a)*$",
    r"^(.*a){25}$",
    r"^([a-zA-Z]+)*$",
    r"^(\w+\s?)*$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"a*a*a*a*a*a*a*a*b",
    r"^(a?){60}a{60}$",
    r"^((a*)*)*$",
]


@pytest.mark.parametrize("pattern", CATASTROPHIC)
@pytest.mark.parametrize("where", ["pattern", "patternProperties", "propertyNames"])
def test_no_pattern_takes_long(pattern: str, where: str) -> None:
    text = "a" * 5000 + "!"
    schemas: dict[str, tuple[Any, Any]] = {
        "pattern": (text, {"pattern": pattern}),
        "patternProperties": ({text: 1}, {"patternProperties": {pattern: False}}),
        "propertyNames": ({text: 1}, {"propertyNames": {"pattern": pattern}}),
    }
    value, schema = schemas[where]
    began = time.process_time()
    found = list(faults(value, schema))
    assert time.process_time() - began < 5  # and not for ever
    assert bool(found) is (where != "patternProperties")


@pytest.mark.parametrize("pattern", [r"^(?=.*\d).+$", r"(?<!a)b", r"(a)\1", "(", "a{100000}{100000}", "[z-a]"])
@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "{}"},
        {"properties": {"a": {"items": {"pattern": "{}"}}}},
        {"patternProperties": {"{}": {}}},
        {"$defs": {"a": {"anyOf": [{}, {"pattern": "{}"}]}}},
    ],
    ids=str,
)
def test_a_pattern_that_cannot_be_checked_is_told_before_anything_is_sent(pattern: str, schema: Any) -> None:
    def filled(each: Any) -> Any:
        if isinstance(each, dict):
            return {name.replace("{}", pattern): filled(value) for name, value in each.items()}
        if isinstance(each, list):
            return [filled(value) for value in each]
        return each.replace("{}", pattern)

    fake = FakeProvider.scripted(Reply("{}"), name="a")

    async def story() -> None:
        async with Router.from_text(FILE, env={}, providers={"a": fake}) as router:
            with pytest.raises(ProviderError, match="can't be checked") as caught:
                await router.complete("chat", "x", response_format={"name": "x", "schema": filled(schema)})
            assert caught.value.code is ErrorCode.INVALID_REQUEST
            assert pattern[:20] in caught.value.message

    run(story())
    assert not fake.requests


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": [{"pattern": "(?=a)"}], "default": {"pattern": "("}, "const": {"pattern": "("}},
        {"properties": {"pattern": {"type": "string"}, "patternProperties": {"type": "object"}}},
        {"pattern": 5, "patternProperties": ["("]},
        {"pattern": r"^\d{4}-\d{2}\/\p{L}+(?<name>x)[\w.-]*@é$"},
    ],
    ids=str,
)
def test_what_is_no_pattern_or_a_good_one_is_taken(schema: Any) -> None:
    assert unreadable(schema) == ""


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("b", "abc", True),
        ("^b", "abc", False),
        ("c$", "abc\n", False),
        (r"^\d+$", "123", True),
        (r"^.$", "é", True),
        (r"^.$", "\ud800", False),
        ("(?i)^ABC$", "abc", True),
    ],
)
def test_a_pattern_is_looked_for_anywhere_as_json_schema_has_it(pattern: str, text: str, fits: bool) -> None:
    assert (list(faults(text, {"pattern": pattern})) == []) is fits
