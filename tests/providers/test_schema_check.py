"""Whether a value is what a JSON Schema says: as the reference implementation has it, with the path of the fault."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from providers.schemas.check import faults

NODE = {"$ref": "#/$defs/node", "$defs": {"node": {
    "type": "object", "required": ["name"], "properties": {
        "name": {"type": "string"}, "inner": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}}}  # fmt: skip
ORDER = {
    "type": "object",
    "required": ["items"],
    "additionalProperties": False,
    "properties": {
        "items": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["price"],
                "properties": {"price": {"type": "number", "minimum": 0}, "kind": {"enum": ["a", "b", None]}},
            },
        },
        "note": {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}]},
        "odd name": {"const": 1},
    },
}


@pytest.mark.parametrize(
    ("value", "schema", "fault"),
    [
        ({"items": [{"price": 1}, {"price": "x"}]}, ORDER, ("$.items[1].price", "number is expected, not a string")),
        ({"items": [{"price": -1}]}, ORDER, ("$.items[0].price", "at least 0 is expected")),
        ({"items": [{}]}, ORDER, ("$.items[0].price", "it is missing")),
        ({"items": []}, ORDER, ("$.items", "at least 1 elements are expected, not 0")),
        ({}, ORDER, ("$.items", "it is missing")),
        ([], ORDER, ("$", "object is expected, not an array")),
        ({"items": [{"price": 1}], "x": 1}, ORDER, ("$.x", "no such name is known here")),
        ({"items": [{"price": 1}], "note": 5}, ORDER, ("$.note", "it fits none of the forms")),
        ({"items": [{"price": 1}], "odd name": True}, ORDER,
         ("$['odd name']", "it is none of the values that are allowed")),
        ({"items": [{"price": True}]}, ORDER, ("$.items[0].price", "number is expected, not a boolean")),
        ({"items": [{"price": 1, "kind": "c"}]}, ORDER,
         ("$.items[0].kind", "it is none of the values that are allowed")),
        ({"name": "a", "inner": [{"name": "b", "inner": [{}]}]}, NODE, ("$.inner[0].inner[0].name", "it is missing")),
        (1.5, {"type": "integer"}, ("$", "integer is expected, not a number")),
        (7, {"multipleOf": 2}, ("$", "a multiple of 2 is expected")),
        ("ab", {"pattern": "^c"}, ("$", "a text like ^c is expected")),
        ("x", {"pattern": r"\p{L}+(?<name>x)"}, ("$", r"a text like \p{L}+(?<name>x) is expected")),
        ([1, 1.0], {"uniqueItems": True}, ("$", "an element is there twice")),
        (5, False, ("$", "nothing is allowed here")),
    ],
    ids=str,
)  # fmt: skip
def test_the_first_fault_is_told_with_its_path(value: Any, schema: Any, fault: tuple[str, str]) -> None:
    assert next(faults(value, schema)) == fault


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (1.0, {"type": "integer"}),
        (None, {"type": "string", "nullable": True}),
        (0.3, {"multipleOf": 0.1}),
        (1, {"const": 1.0}),
        ("x", {"$ref": "https://example.com/other.json"}),
        ("x", {"$ref": "#/nowhere"}),
        ("x", {"$ref": "#"}),
        ({}, {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
        ({"a": {}}, {"allOf": [{"$ref": "#"}], "properties": {"a": {"anyOf": [{"$ref": "#"}]}}}),
        ("x", {"pattern": r"^(?=a)"}),
        ("x", {"type": "tuple"}),
        ("x", {"enum": "x", "required": 5, "properties": [], "minLength": "3", "anyOf": {}}),
        (5, {"minimum": 5, "exclusiveMinimum": False}),
        (5, {}),
        (5, True),
    ],
    ids=str,
)
def test_what_is_not_known_refuses_nothing(value: Any, schema: Any) -> None:
    assert list(faults(value, schema)) == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, -2.5, "", "a", "abc"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
KINDS = ["string", "number", "integer", "boolean", "null", "array", "object"]


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=3)
    named = st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    small = st.integers(0, 3)
    return st.fixed_dictionaries({}, optional={
        "type": st.sampled_from(KINDS) | st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True),
        "enum": st.lists(VALUES, min_size=1, max_size=3), "const": VALUES, "properties": named,
        "patternProperties": st.dictionaries(st.sampled_from(["a", "^b"]), inner, max_size=2),
        "additionalProperties": inner, "propertyNames": inner, "items": inner, "prefixItems": some, "contains": inner,
        "minContains": small, "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
        "anyOf": some, "oneOf": some, "allOf": some, "not": inner, "if": inner, "then": inner, "else": inner,
        "minimum": st.integers(-2, 2), "exclusiveMaximum": st.integers(-2, 2),
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "minLength": small, "maxLength": small, "minItems": small, "maxItems": small, "minProperties": small,
        "uniqueItems": st.booleans(), "pattern": st.sampled_from(["a", "^$"]),
        "dependentRequired": st.dictionaries(st.sampled_from("ab"), st.lists(st.sampled_from("bc"), max_size=1)),
        "dependentSchemas": st.dictionaries(st.sampled_from("ab"), inner, max_size=1),
    })  # fmt: skip


SCHEMAS = st.recursive(st.booleans() | st.just({}), _schemas, max_leaves=4)


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
@pytest.mark.parametrize("leaf", [5, "x"])
def test_unions_within_unions_take_no_exponential_time(keyword: str, leaf: Any) -> None:
    inner = {"type": "array", "items": {"$ref": "#/$defs/a"}}
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {keyword: [inner, {**inner, "maxItems": 0}, {"type": "string"}]}}}
    value: Any = leaf
    for _ in range(40):
        value = [value]
    assert (not list(faults(value, schema))) is (leaf == "x")


@settings(max_examples=5 * settings().max_examples, deadline=None)
@given(VALUES, SCHEMAS)
def test_it_judges_as_the_reference_does(value: Any, schema: Any) -> None:
    plain = json.loads(json.dumps(schema))
    assert (not list(faults(value, schema))) == Draft202012Validator(plain).is_valid(value)
