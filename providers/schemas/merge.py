"""Several schemas that hold together (`allOf`), or of which one holds (`anyOf`, `oneOf`), as a single one."""

from __future__ import annotations

from typing import Any

from providers.schemas.refs import Unfit, target
from providers.schemas.words import say

_NARROWER = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min),
}
_FIRST = frozenset({"title", "description", "default", "examples", "$comment", "$schema", "$id"})


def all_merged(node: dict[str, Any], document: dict[str, Any], path: str) -> dict[str, Any]:
    """The schema with its `allOf` worked into it.

    Raises:
        Unfit: two branches say different things of one keyword.
    """
    merged = {key: value for key, value in node.items() if key != "allOf"}
    branches = node.get("allOf")
    for place, branch in enumerate(branches if isinstance(branches, list) else ()):
        where = f"{path}.allOf[{place}]"
        merged = _both(merged, _resolved(branch, document, where), document, where)
    return merged


def _resolved(branch: Any, document: dict[str, Any], path: str) -> dict[str, Any]:
    seen: list[object] = []
    while isinstance(branch, dict) and "$ref" in branch:
        ref = branch["$ref"]
        if ref in seen:
            raise Unfit(f"{path}.$ref", f"{ref!r} contains itself")
        seen.append(ref)
        found = target(document, ref, path)
        if not isinstance(found, dict):
            raise Unfit(f"{path}.$ref", f"{ref!r} is no schema that could be merged")
        branch = {**found, **{key: value for key, value in branch.items() if key != "$ref"}}
    if branch is True:
        return {}
    if not isinstance(branch, dict):
        raise Unfit(path, "it is no schema that could be merged")
    return all_merged(branch, document, path) if "allOf" in branch else branch


def _both(one: dict[str, Any], other: dict[str, Any], document: dict[str, Any], path: str) -> dict[str, Any]:
    merged = dict(one)
    for key, value in other.items():
        if key not in merged:
            merged[key] = value
        elif merged[key] != value and key not in _FIRST:
            merged[key] = _narrowed(key, merged[key], value, document, path)
    return merged


def _narrowed(key: str, one: Any, other: Any, document: dict[str, Any], path: str) -> Any:
    """What both values of a keyword demand."""
    if key == "required":
        return list(dict.fromkeys([*one, *other]))
    if key == "properties":
        return {
            **one,
            **{
                name: all_merged({"allOf": [one[name], value]}, document, f"{path}.properties.{name}")
                if name in one
                else value
                for name, value in other.items()
            },
        }
    if key == "enum":
        return [value for value in one if value in other]
    if key in _NARROWER and isinstance(one, int | float) and isinstance(other, int | float):
        return _NARROWER[key](one, other)
    raise Unfit(f"{path}.{key}", "it differs from what stands beside it, and cannot be merged")


def one_of_objects(node: dict[str, Any], keyword: str, document: dict[str, Any], path: str) -> dict[str, Any]:
    """An object that takes all that any of its forms takes; the forms themselves have to be said in words.

    Raises:
        Unfit: a form is no object.
    """
    forms = [_resolved(form, document, f"{path}.{keyword}[{place}]") for place, form in enumerate(node[keyword])]
    for place, form in enumerate(forms):
        if form.get("type", "object") != "object":
            raise Unfit(f"{path}.{keyword}[{place}].type", "arguments are an object always")
    properties = dict(node.get("properties") or {})
    for form in forms:
        for name, schema in (form.get("properties") or {}).items():
            before = properties.setdefault(name, schema)
            if before != schema:
                known = before.get("anyOf", [before]) if isinstance(before, dict) else [before]
                properties[name] = {"anyOf": [*known, *([] if schema in known else [schema])]}
    always = [name for name in forms[0].get("required") or () if all(name in (f.get("required") or ()) for f in forms)]
    merged = {key: value for key, value in node.items() if key not in (keyword, "additionalProperties")}
    merged["properties"] = properties
    required = list(dict.fromkeys([*(node.get("required") or ()), *always]))
    if required:
        merged["required"] = required
    return merged


def forms_in_words(node: dict[str, Any], keyword: str, document: dict[str, Any], path: str) -> str:
    """Which keys belong together, for the description of `one_of_objects`."""
    said = []
    for place, form in enumerate(node[keyword]):
        form = _resolved(form, document, f"{path}.{keyword}[{place}]")
        required = form.get("required") or ()
        properties = form.get("properties") or dict.fromkeys(required)
        said.append(", ".join(_key_in_words(name, properties[name], required) for name in properties) or "none")
    return ("exactly one" if keyword == "oneOf" else "one") + " of these sets of keys: " + " | ".join(said)


def _key_in_words(name: str, schema: Any, required: Any) -> str:
    if isinstance(schema, dict) and "const" in schema:
        return f"{name} ({say('const', schema['const'])})"
    return name if name in required else f"{name} (may be left out)"
