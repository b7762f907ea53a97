"""One JSON Schema, made to fit what a vendor takes."""

from __future__ import annotations

import re
from typing import Any

from providers.schemas.drafts import BY_NAME, LISTS, SINGLE, modern
from providers.schemas.merge import all_merged, forms_in_words, one_of_objects
from providers.schemas.refs import Unfit, inlined, target
from providers.schemas.rules import Subset
from providers.schemas.words import LIMITS, SAY_NOTHING, described, say

_UNIONS = ("anyOf", "oneOf")
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_DEEP_PATTERN = re.compile(r"\(\?[=!<]|\\[bB1-9]")  # what compilers of grammars do not take


def fit(schema: dict[str, Any], subset: Subset) -> dict[str, Any]:
    """The schema as this subset says it: with the same meaning, or (where `subset.hint`) with the rest said in words.

    Raises:
        Unfit: it cannot be said.
    """
    schema = modern(schema)
    document = inlined(schema) if subset.refs == "inline" else schema
    fitter = _Fitter(subset, document)
    fitted: dict[str, Any] = fitter.fit(fitter.root(document) if subset.root_object else document, "", root=True)
    return fitted


class _Fitter:
    def __init__(self, subset: Subset, document: dict[str, Any]) -> None:
        self._subset = subset
        self._document = document

    # --- the root

    def root(self, node: dict[str, Any]) -> dict[str, Any]:
        """An object with properties."""
        seen: list[Any] = []
        while isinstance(node.get("$ref"), str):  # the definitions stay where they are
            if node["$ref"] in seen:
                raise Unfit("$ref", f"{node['$ref']!r} contains itself")
            seen.append(node["$ref"])
            found = target(self._document, node["$ref"], "")
            node = {**found, **{key: value for key, value in node.items() if key != "$ref"}}
        if not self._subset.root_union:
            node = self._without_unions(node)
        kind = node.get("type")
        if kind not in (None, "object") and not (isinstance(kind, list) and "object" in kind):
            raise Unfit("type", f"the root has to be an object, not {kind!r}")
        allowed = self._subset.property_names
        for name in node.get("properties") or () if allowed else ():
            if allowed and not allowed.fullmatch(name):
                raise Unfit(f"properties.{name}", f"its name does not match {allowed.pattern}")
        if any(keyword in node for keyword in ("anyOf", "oneOf", "allOf")):
            return node  # it says what it holds
        return {**node, "type": "object", "properties": node.get("properties") or {}}

    def _without_unions(self, node: dict[str, Any]) -> dict[str, Any]:
        said: list[str] = []
        if "allOf" in node:
            node = all_merged(node, self._document, "")
        for keyword in (*_UNIONS, "enum", "const", "not"):
            if keyword not in node:
                continue
            if not self._subset.hint:
                raise Unfit(keyword, "it may not stand at the root")
            if keyword in _UNIONS and isinstance(node[keyword], list) and node[keyword]:
                said.append(forms_in_words(node, keyword, self._document, ""))
                node = one_of_objects(node, keyword, self._document, "")
            else:
                said.append(say(keyword, node[keyword]))
                node = {key: value for key, value in node.items() if key != keyword}
        return described(node, said)

    # --- every schema

    def fit(self, node: Any, path: str, *, root: bool = False) -> Any:
        subset = self._subset
        if node is True:
            node = {}
        if not isinstance(node, dict):
            if node is False and not subset.knows("not"):
                raise Unfit(path, "nothing would fit it")
            return node
        node = self._rewritten(node, path)
        out: dict[str, Any] = {}
        said: list[str] = []
        for key, value in node.items():
            where = f"{path}.{key}" if path else key
            if subset.knows(key) and not self._beyond(key, value):
                out[key] = self._value(key, value, where)
            else:
                self._say(key, value, where, said)
        if "$ref" not in out:
            self._complete(out, path, root=root)
        out = described(out, said)
        return _union_alone(out) if subset.union_alone else out

    def _beyond(self, key: str, value: Any) -> bool:
        """Whether the keyword is known, but not with this value."""
        if key == "format":
            return self._subset.formats is not None and value not in self._subset.formats
        return key == "pattern" and self._subset.closed and _DEEP_PATTERN.search(str(value)) is not None

    def _value(self, key: str, value: Any, path: str) -> Any:
        if key in BY_NAME and isinstance(value, dict):
            return {name: self.fit(each, f"{path}.{name}") for name, each in value.items()}
        if key in LISTS and isinstance(value, list):
            return [self.fit(each, f"{path}[{place}]") for place, each in enumerate(value)]
        if key in SINGLE and isinstance(value, dict):
            return self.fit(value, path)
        return value

    def _say(self, key: str, value: Any, path: str, said: list[str]) -> None:
        """What has no keyword here is said in words, or is an error where the words would not be kept to."""
        if key in SAY_NOTHING or key.startswith("x-") or (key == "additionalProperties" and isinstance(value, bool)):
            return
        if key == "propertyNames" and value == {"type": "string"}:
            return  # they always are
        if key in LIMITS or self._subset.hint:
            said.append(say(key, value))
        else:
            raise Unfit(path, "this keyword has no meaning there")

    # --- other forms of the same

    def _rewritten(self, node: dict[str, Any], path: str) -> dict[str, Any]:
        subset = self._subset
        node = dict(node)
        if subset.refs == "bare" and len(node) > 1 and isinstance(node.get("$ref"), str):
            node = self._bare(node, path)
        if "allOf" in node and not subset.knows("allOf"):
            node = all_merged(node, self._document, path)
        if "oneOf" in node and "anyOf" not in node and not subset.knows("oneOf") and subset.knows("anyOf"):
            node["anyOf"] = node.pop("oneOf")
        if "const" in node and not subset.knows("const") and (isinstance(node["const"], str) or not subset.text_enums):
            node["enum"] = [node.pop("const")]
        if subset.type_lists != "keep":
            node = self._single_type(node)
        values = node.get("enum")
        if subset.text_enums and isinstance(values, list) and "" in values:
            values = node["enum"] = [each for each in values if each != ""]
            node = described(node, ["may be empty"])
            if not values:
                del node["enum"]
        if subset.text_enums and isinstance(values, list) and not all(isinstance(each, str) for each in values):
            texts = [each for each in values if isinstance(each, str)]
            if None in values and len(texts) == len(values) - 1:
                node.update(enum=texts, nullable=True)
            else:
                node = described(node, [say("enum", node.pop("enum"))])
        return node

    def _bare(self, node: dict[str, Any], path: str) -> dict[str, Any]:
        """A reference that something stands beside: written out once, or left alone where it would not end."""
        ref = node["$ref"]
        beside = {key: value for key, value in node.items() if key not in ("$ref", "$defs", "definitions")}
        found = target(self._document, ref, path)
        kept = {key: value for key, value in node.items() if key in ("$defs", "definitions")}
        if not beside or not isinstance(found, dict) or _mentions(found, ref):
            return {"$ref": ref, **kept}
        return {**found, **beside, **kept}

    def _single_type(self, node: dict[str, Any]) -> dict[str, Any]:
        kinds = node.get("type")
        if isinstance(kinds, list):
            others = [kind for kind in kinds if kind != "null"]
            if self._subset.type_lists == "nullable" and len(others) < len(kinds):
                node["nullable"] = True
                kinds = others
            if len(kinds) == 1:
                node["type"] = kinds[0]
            else:
                inner = {key: value for key, value in node.items() if key not in ("type", "description", "nullable")}
                outer = {key: value for key, value in node.items() if key in ("description", "nullable")}
                node = {**outer, "anyOf": [_of_type(inner, kind) for kind in kinds]}
        forms = node.get("anyOf")
        if self._subset.type_lists == "nullable" and isinstance(forms, list) and {"type": "null"} in forms:
            left = [form for form in forms if form != {"type": "null"}]
            node["nullable"] = True
            node["anyOf"] = left
            if len(left) == 1 and isinstance(left[0], dict):
                del node["anyOf"]
                node = {**left[0], **node}
        return node

    # --- what has to be there

    def _complete(self, out: dict[str, Any], path: str, *, root: bool) -> None:
        subset = self._subset
        if subset.typed:
            self._add_type(out, path)
        if not (_is(out, "object") or "properties" in out):
            return
        if subset.listed and "properties" not in out and "anyOf" not in out:
            out["properties"] = {}
        properties = out.get("properties")
        if subset.text_enums and isinstance(properties, dict) and isinstance(out.get("required"), list):
            out["required"] = [name for name in out["required"] if name in properties]
        if not subset.closed:
            return
        free = out.get("additionalProperties", False) is not False
        if free or not (properties or (root and subset.root_object)):
            raise Unfit(
                f"{path}.additionalProperties" if path else "additionalProperties", "its keys have to be listed"
            )
        out["additionalProperties"] = False
        if subset.all_required and isinstance(properties, dict):
            wanted = out.get("required") or ()
            out["properties"] = {name: each if name in wanted else _nullable(each) for name, each in properties.items()}
            out["required"] = list(properties)

    def _add_type(self, out: dict[str, Any], path: str) -> None:
        values = [out["const"]] if "const" in out else out.get("enum")
        if "type" not in out and isinstance(values, list):
            kinds = list(dict.fromkeys(_TYPES.get(type(value), "object") for value in values))
            if len(kinds) == 1 or self._subset.type_lists == "keep":
                out["type"] = kinds[0] if len(kinds) == 1 else kinds
        if "type" not in out and "properties" in out:
            out["type"] = "object"
        if _is(out, "array") and "items" not in out and "prefixItems" not in out:
            if not self._subset.any_item:
                raise Unfit(f"{path}.items", "a list has to say what it holds")
            out["items"] = {} if self._subset.any_item == "any" else {"type": "string"}
        if self._subset.all_required and "type" not in out and "anyOf" not in out:
            raise Unfit(f"{path}.type", "it is missing")


def _union_alone(node: dict[str, Any]) -> dict[str, Any]:
    """A union with nothing beside it: what describes it goes into its forms."""
    forms = node.get("anyOf")
    beside = {key: value for key, value in node.items() if key not in ("anyOf", "type", "title", "default")}
    if not isinstance(forms, list) or len(node) == 1 or not beside.keys() <= {"description", "nullable"}:
        return node
    return {"anyOf": [{**beside, **form} if isinstance(form, dict) else form for form in forms]}


def _is(node: dict[str, Any], kind: str) -> bool:
    given = node.get("type")
    return given == kind or (isinstance(given, list) and kind in given)


def _mentions(node: Any, ref: str) -> bool:
    if isinstance(node, list):
        return any(_mentions(each, ref) for each in node)
    if not isinstance(node, dict):
        return False
    return node.get("$ref") == ref or any(_mentions(each, ref) for each in node.values())


_OF_TYPE = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "array": ("items", "minItems", "maxItems", "uniqueItems", "prefixItems", "contains"),
    "object": ("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_OF_TYPE["integer"] = _OF_TYPE["number"]
_BOUND = frozenset(keyword for each in _OF_TYPE.values() for keyword in each)


def _of_type(node: dict[str, Any], kind: str) -> dict[str, Any]:
    """What the keywords of a schema of several types say of one of them."""
    own = _OF_TYPE.get(kind, ())
    found = {"type": kind, **{key: value for key, value in node.items() if key in own or key not in _BOUND}}
    if isinstance(found.get("enum"), list):
        found["enum"] = [value for value in found["enum"] if _TYPES.get(type(value)) == kind] or found["enum"]
    if kind == "null":
        found.pop("enum", None)
        found.pop("const", None)
    return found


def _nullable(node: Any) -> Any:
    """The schema, or null: how strict modes say that a property may be left out."""
    if not isinstance(node, dict) or _is(node, "null"):
        return node
    forms = node.get("anyOf")
    if isinstance(forms, list):
        return node if any(isinstance(f, dict) and _is(f, "null") for f in forms) else {
            **node, "anyOf": [*forms, {"type": "null"}]
        }  # fmt: skip
    if "type" not in node or "const" in node:
        return {"anyOf": [node, {"type": "null"}]}
    kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
    values = node.get("enum")
    more = {"enum": [*values, None]} if isinstance(values, list) and None not in values else {}
    return {**node, "type": [*kinds, "null"], **more}
