"""Schemas of older drafts and of careless tools, and the limits of single vendors."""

from __future__ import annotations

from typing import Any

import pytest

from providers import CompletionRequest, Message, Tool
from providers.schemas.adapt import adapted
from providers.schemas.rules import CEREBRAS, GEMINI, GROQ, OPENAI


def sent(schema: dict[str, Any], rules: Any = OPENAI) -> dict[str, Any]:
    """What becomes of the schema of one property of a tool."""
    tool = Tool("f", parameters={"type": "object", "properties": {"n": schema}})
    request = adapted(CompletionRequest(model="m", messages=(Message.user("Hi"),), tools=(tool,)), rules)
    found: dict[str, Any] = request.tools[0].parameters["properties"]["n"]
    return found


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True}, {"type": "number", "exclusiveMinimum": 0}),
        ({"type": "number", "maximum": 9, "exclusiveMaximum": False}, {"type": "number", "maximum": 9}),
        (
            {"type": "array", "items": [{"type": "string"}], "additionalItems": False},
            {"type": "array", "prefixItems": [{"type": "string"}], "items": False},
        ),
        ({"type": "number", "description": None, "enum": None}, {"type": "number"}),
        ({"type": "string", "default": None}, {"type": "string", "default": None}),
        ({"type": "object", "properties": []}, {"type": "object", "properties": {}}),
        ({"type": "string", "enum": []}, {"type": "string"}),
        ({"type": "array", "items": {"enum": [1, True, 1]}}, None),
    ],
)
def test_older_drafts_are_said_in_the_newest(schema: dict[str, Any], expected: dict[str, Any] | None) -> None:
    if expected is None:
        assert sent(schema)["items"]["enum"] == [1, True]
    else:
        assert sent(schema) == expected


def test_a_required_flag_goes_to_the_object() -> None:
    inner = {"type": "object", "properties": {"a": {"type": "string", "required": True}, "b": {"required": False}}}
    found = sent(inner)
    assert found["required"] == ["a"]
    assert "required" not in found["properties"]["a"]
    assert "required" not in found["properties"]["b"]


def test_gemini_takes_nothing_beside_a_union_and_no_empty_value() -> None:
    union = {"description": "a size", "anyOf": [{"type": "string"}, {"type": "integer"}]}
    assert sent(union, GEMINI) == {
        "anyOf": [{"description": "a size", "type": "string"}, {"description": "a size", "type": "integer"}]
    }
    assert sent({"type": "string", "enum": ["", "a"]}, GEMINI)["enum"] == ["a"]


def test_cerebras_wants_every_object_to_list_its_keys() -> None:
    assert sent({"type": "object"}, CEREBRAS)["properties"] == {}


@pytest.mark.parametrize("rules", [GROQ, CEREBRAS])
@pytest.mark.parametrize("strict", [True, False])
def test_lengths_of_lists_are_said_in_words(rules: Any, strict: bool) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "array", "items": {"type": "string"}, "minItems": 2}},
        "required": ["n"],
    }
    wanted = {"name": "a", "schema": schema, "strict": strict}
    request = CompletionRequest(model="m", messages=(Message.user("Hi"),), response_format=wanted)
    fitted: Any = adapted(request, rules).response_format
    found = fitted["schema"]["properties"]["n"]
    assert "minItems" not in found
    assert "at least 2 items" in found["description"]
    assert fitted["schema"].get("additionalProperties") is (False if rules is CEREBRAS or strict else None)
