"""What a schema demands, said in words: for the description, where a vendor does not take the keyword itself."""

from __future__ import annotations

from typing import Any

import msgspec

# Those that say nothing about a value: they are left out.
SAY_NOTHING = frozenset(
    {"$schema", "$id", "$anchor", "$comment", "$vocabulary", "title", "readOnly", "writeOnly", "deprecated"}
    | {"contentEncoding", "contentMediaType", "contentSchema", "nullable", "propertyOrdering", "discriminator"}
    | {"xml", "externalDocs"}
)
# Limits of single values: the vendors' own SDKs move these into the description as well.
LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "matches the regular expression {}",
    "format": "written as {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "uniqueItems": "no item twice",
    "minProperties": "at least {} keys",
    "maxProperties": "at most {} keys",
    "default": "{} if it is left out",
    "example": "for example {}",
    "examples": "for example {}",
    "enum": "one of {}",
    "const": "always {}",
}
# What the model can only be told; said where it reads the schema without being held to it.
_WORDS = {
    **LIMITS,
    "additionalProperties": "every other key holds {}",
    "unevaluatedProperties": "every other key holds {}",
    "patternProperties": "what keys of a pattern hold: {}",
    "propertyNames": "every key is {}",
    "dependentRequired": "keys that need others: {}",
    "not": "never {}",
    "if": "if it is {}",
    "then": "then it is {}",
    "else": "else it is {}",
    "oneOf": "exactly one of {}",
    "allOf": "all of {}",
    "contains": "at least one item is {}",
    "prefixItems": "the first items are {}",
}


def say(keyword: str, value: Any) -> str:
    """One demand in words; the keyword and its value where there are no words for it."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if keyword == "uniqueItems" and value is False:
        return ""
    return _WORDS[keyword].replace("{}", text) if keyword in _WORDS else f"{keyword}: {text}"


def described(node: dict[str, Any], said: list[str]) -> dict[str, Any]:
    """The schema with these words added to its description."""
    text = "; ".join(each for each in said if each)
    if not text:
        return node
    before = node.get("description")
    return {**node, "description": f"{before} ({text})" if isinstance(before, str) and before else text}
