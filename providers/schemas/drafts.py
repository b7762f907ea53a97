"""Schemas of older drafts, and slips of the tools that make them, as JSON Schema 2020-12 says the same.

Vendors check a schema against that draft: "True is not of type 'number'", "None is not of type 'string'",
"has non-unique elements", "[] should be non-empty".
"""

from __future__ import annotations

from typing import Any

import msgspec

BY_NAME = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})
LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
SINGLE = frozenset(
    {"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"}
    | {"unevaluatedProperties", "unevaluatedItems"}
)
_MAY_BE_NULL = frozenset({"default", "const", "example", "examples"})
_BOUNDS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))


def modern(node: Any) -> Any:
    """The schema with the same meaning in the newest draft; what is none is returned as it is."""
    if not isinstance(node, dict):
        return node
    out = {key: _value(key, value) for key, value in node.items() if value is not None or key in _MAY_BE_NULL}
    for exclusive, plain in _BOUNDS:  # draft 4: a flag beside the bound
        if isinstance(out.get(exclusive), bool) and out.pop(exclusive) and plain in out:
            out[exclusive] = out.pop(plain)
    if isinstance(out.get("items"), list):  # before 2020: one schema for each place
        out["prefixItems"] = out.pop("items")
        if "additionalItems" in out:
            out["items"] = out.pop("additionalItems")
    if "enum" in out and isinstance(out["enum"], list):
        out["enum"] = list({msgspec.json.encode(value): value for value in out["enum"]}.values())
        if not out["enum"]:
            del out["enum"]
    if isinstance(out.get("properties"), dict):
        _lift_required(out)
    return out


def _value(key: str, value: Any) -> Any:
    if key in BY_NAME:
        if value == []:  # an empty object of PHP
            return {}
        return {name: modern(each) for name, each in value.items()} if isinstance(value, dict) else value
    if key in LISTS or (key in SINGLE and isinstance(value, list)):
        return [modern(each) for each in value] if isinstance(value, list) else value
    return modern(value) if key in SINGLE else value


def _lift_required(node: dict[str, Any]) -> None:
    """Draft 3: a flag of the property itself."""
    wanted = []
    for name, each in node["properties"].items():
        if isinstance(each, dict) and isinstance(each.get("required"), bool):
            if each["required"]:
                wanted.append(name)
            node["properties"][name] = {key: value for key, value in each.items() if key != "required"}
    before = node.get("required")
    if wanted or isinstance(before, bool):
        named = before if isinstance(before, list) else []
        node["required"] = list(dict.fromkeys([*named, *wanted]))
