"""The JSON Schema of routes.yaml, made from the models that read it, for editors that complete and check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from router.config.includes import SECTIONS
from router.config.key_notes import annotate
from router.config.schema import RoutesFile
from router.config.shorthand import ALONE, WITHOUT_SETTINGS

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# Where a string of the file may stand for another type, it holds a variable.
_VARIABLE = {"type": "string", "pattern": r"\$\{"}
_ROUTE = {"type": "string", "description": "A model of this file, provider/model-id, or another route's name."}
_NAME = {"type": "string", "description": "A model of this file, or provider/model-id."}


def json_schema(*, included: bool = False) -> dict[str, Any]:
    """The schema (draft 2020-12), short forms and variables included; every key has a description, examples and a
    default, in words where it is no value.

    Args:
        included: of a file that another one includes, and not of a whole one.
    """
    schema = RoutesFile.model_json_schema()
    definitions = schema["$defs"]
    defaults = {
        f"{section}.{name}": node.get("default")
        for section, definition in {**definitions, "RoutesFile": schema}.items()
        for name, node in definition.get("properties", {}).items()
    }
    _add_short_forms(schema, definitions)
    schema["patternProperties"] = {"^x-": {"description": "A place for anchors; nothing else is read of it."}}
    cleaned: dict[str, Any] = _with_variables(clean(schema))
    annotate(cleaned, defaults)
    required = cleaned.pop("required")
    if included:
        keys = {name: node for name, node in cleaned["properties"].items() if name in (*SECTIONS, "include")}
        return {
            "$schema": DIALECT,
            "title": "A file that routes.yaml of Signalbox includes",
            **cleaned,
            "properties": keys,
        }
    cleaned["anyOf"] = [{"required": required}, {"required": ["include"]}]  # what is missing may be in those
    return {"$schema": DIALECT, "title": "routes.yaml of Signalbox", **cleaned}


def _add_short_forms(schema: dict[str, Any], definitions: dict[str, Any]) -> None:
    """What `router.config.shorthand` expands before the models see it."""
    one: dict[str, Any] = {"anyOf": [_NAME, {"$ref": "#/$defs/TargetRef"}]}
    many: dict[str, Any] = {"type": "array", "items": one, "minItems": 1}
    weights: dict[str, Any] = {
        "type": "object",
        "description": "Weights by model.",
        "minProperties": 1,
        "additionalProperties": definitions["TargetRef"]["properties"]["weight"],
    }
    one["anyOf"].append({**weights, "maxProperties": 1})
    route, fallback = definitions["RouteConfig"], definitions["Fallback"]
    for owner in (route, fallback):
        description = owner["properties"]["targets"]["description"]
        owner["properties"]["targets"] = {"description": description, "anyOf": [many, weights, _NAME]}
    codes = fallback["properties"]["on"]
    code = codes["anyOf"][0]["items"]
    fallback["properties"]["on"] = {
        "description": codes["description"],
        "anyOf": [code, {"type": "array", "items": code, "minItems": 1}],
    }
    items = route["properties"]["fallbacks"]["items"]
    name = {"type": "string", "description": "A model, a route, or provider/model-id."}
    fallbacks = route["properties"]["fallbacks"]
    fallbacks["items"] = {"anyOf": [name, items]}
    route["properties"]["fallbacks"] = {
        "description": fallbacks["description"],
        "anyOf": [fallbacks, name, items],
    }
    rules = route["properties"]["when"]
    route["properties"]["when"] = {"description": rules["description"], "anyOf": [rules, rules["items"]]}
    clients = definitions["ServeConfig"]["properties"]["keys"]
    alone = {"type": "string", "description": definitions["ClientKeyConfig"]["properties"]["key"]["description"]}
    clients["additionalProperties"] = {"anyOf": [alone, clients["additionalProperties"]]}
    models = schema["properties"]["models"]
    models["additionalProperties"] = {
        "anyOf": [{"type": "string", "pattern": "/", "description": "PROVIDER/MODEL."}, models["additionalProperties"]]
    }
    _add_keys(definitions["ProviderConfig"]["properties"], definitions["KeyConfig"]["properties"])
    certificate = definitions["ProviderConfig"]["properties"]["client_cert"]
    path = definitions["ClientCertificateConfig"]["properties"]["cert"]
    definitions["ProviderConfig"]["properties"]["client_cert"] = {
        "description": certificate["description"],
        "anyOf": [*certificate["anyOf"], path],
    }
    embeds = definitions["ModelConfig"]["properties"]["embeds"]
    definitions["ModelConfig"]["properties"]["embeds"] = {
        "description": embeds["description"],
        "anyOf": [*embeds["anyOf"], {"const": True}],
    }
    include = schema["properties"]["include"]
    schema["properties"]["include"] = {
        "description": include["description"],
        "anyOf": [{"type": "string", "description": "The path of a file, or a pattern."}, include],
    }
    _add_values_alone(definitions)
    written = schema["properties"]["routes"]["additionalProperties"]
    schema["properties"]["routes"]["additionalProperties"] = {"anyOf": [_ROUTE, many, written]}


def _add_keys(provider: dict[str, Any], key: dict[str, Any]) -> None:
    """A key alone, a pool of one, and sources without settings."""
    one = [{"type": "string", "description": key["key"]["description"]}, {"$ref": "#/$defs/KeyConfig"}]
    many = {"type": "array", "items": {"anyOf": one}}
    provider["api_key"] = {"description": provider["api_key"]["description"], "anyOf": one}
    provider["api_keys"] = {"description": provider["api_keys"]["description"], "anyOf": [many, *one]}
    for name in WITHOUT_SETTINGS:
        plain = {"const": "default", "description": "As it is found, without settings."}
        whole = clean(key[name])
        key[name] = {"description": whole["description"], "anyOf": [plain, {"$ref": whole["$ref"]}]}


_SECTIONS = {
    "defaults": "Defaults",
    "providers": "ProviderConfig",
    "models": "ModelConfig",
    "routes": "RouteConfig",
    "clients": "ClientKeyConfig",
    "shadows": "ShadowPolicy",
    "telemetry": "Telemetry",
}


def _add_values_alone(definitions: dict[str, Any]) -> None:
    """`timeout: 30s` and the like, where a policy is a mapping."""
    for (owner, policy), (first, *_) in ALONE.items():
        properties = definitions[_SECTIONS[owner]]["properties"]
        whole = clean(properties[policy])
        alone = dict(definitions[whole["$ref"].rpartition("/")[2]]["properties"][first])
        if first == "usd":  # alone it has its sign
            alone["pattern"] = alone["pattern"].replace(r"\$?", r"\$", 1)
        choices = [whole, alone, *([{"const": True}] if policy in ("hedge", "health", "log") else [])]
        properties[policy] = {"description": whole["description"], "anyOf": choices}


def clean(schema: Any) -> Any:
    """A schema of pydantic's without titles, defaults and null (a key is written or left out)."""
    return _rewritten(schema, _plainer)


def _with_variables(schema: Any) -> Any:
    """With variables where they may stand."""
    return _rewritten(schema, _with_variable)


def _rewritten(node: Any, rewrite: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Rewrite a schema from the leaves up."""
    if isinstance(node, list):
        return [_rewritten(item, rewrite) for item in node]
    if not isinstance(node, dict):
        return node
    found = {
        key: value if key in ("examples", "enum", "const", "properties") else _rewritten(value, rewrite)
        for key, value in node.items()
    }
    if isinstance(node.get("properties"), dict):  # whose keys are names, not words of the schema
        found["properties"] = {name: _rewritten(value, rewrite) for name, value in node["properties"].items()}
    return rewrite(found)


def _plainer(node: dict[str, Any]) -> dict[str, Any]:
    return _without_null({key: value for key, value in node.items() if key not in ("title", "default")})


def _without_null(node: dict[str, Any]) -> dict[str, Any]:
    choices = node.get("anyOf")
    if choices is None:
        return node
    left = [choice for choice in choices if choice != {"type": "null"}]
    if len(left) == 1:
        rest = {key: value for key, value in node.items() if key != "anyOf"}
        return {**left[0], **rest}
    return {**node, "anyOf": left}


def _with_variable(node: dict[str, Any]) -> dict[str, Any]:
    if node.get("type") not in ("boolean", "integer", "number") and "enum" not in node and "const" not in node:
        return node
    description = {"description": node["description"]} if "description" in node else {}
    plain = {key: value for key, value in node.items() if key != "description"}
    return {**description, "anyOf": [plain, _VARIABLE]}
