"""The JSON Schema says of every key what it is, what holds without it, and what to write; and all of that is true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from router.config.json_schema import json_schema
from router.config.policies import BUILT_IN
from router.config.units import duration, percent, size

SCHEMA = json_schema()


def _keys() -> Iterator[tuple[str, dict[str, Any], bool]]:
    for section, definition in {**SCHEMA["$defs"], "RoutesFile": SCHEMA}.items():
        either = definition.get("anyOf", ({},))[0].get("required", ())  # it may be in a file that is included
        for name, node in definition.get("properties", {}).items():
            yield f"{section}.{name}", node, name in (*definition.get("required", ()), *either)


KEYS = {place: (node, required) for place, node, required in _keys()}


def _fits(value: object, node: dict[str, Any]) -> None:
    # The schema itself is checked once elsewhere, which takes longer than all of these together.
    jsonschema.Draft202012Validator({"$defs": SCHEMA["$defs"], **node}).validate(value)


@pytest.mark.parametrize("place", KEYS)
def test_every_key_has_description_default_and_examples(place: str) -> None:
    """A default that is no value (what the vendor, the model or the environment says) is told in words."""
    node, required = KEYS[place]
    assert node["description"].endswith(".")
    assert required or "efault: " in node["description"]
    assert node["examples"]
    for example in node["examples"]:
        _fits(example, node)
    if "default" in node:
        _fits(node["default"], node)


@pytest.mark.parametrize(
    ("policy", "section"),
    [
        ("timeout", "TimeoutPolicy"),
        ("retry", "RetryPolicy"),
        ("breaker", "BreakerPolicy"),
        ("hedge", "HedgePolicy"),
        ("cache", "CachePolicy"),
    ],
)
def test_the_defaults_of_policies_are_those_in_force(policy: str, section: str) -> None:
    """Written as the file says them, and read back they are what is built in."""
    for name, value in BUILT_IN[policy].items():
        default = KEYS[f"{section}.{name}"][0].get("default")
        if isinstance(default, str) and default != value:
            read = percent if default.endswith("%") else size if default.endswith("B") else duration
            default = read(default)
        assert default == value, name


def test_an_editor_offers_no_null() -> None:
    """A key is written with a value, or left out."""
    assert not [place for place, (node, _) in KEYS.items() if "default" in node and node["default"] is None]


@pytest.mark.parametrize(
    ("place", "default"),
    [
        ("ServeConfig.listen", "127.0.0.1:4180"),
        ("ServeConfig.max_body", "32MB"),
        ("ServeConfig.drain", "30s"),
        ("SharedConfig.share", ["limits"]),
        ("SharedConfig.single_flight", "off"),
        ("TargetRef.weight", 1),
        ("Defaults.balance", "weighted"),
        ("CacheStore.max_size", "1GB"),
        ("RouteConfig.timeout", {}),
    ],
)
def test_other_defaults_are_as_the_file_says_them(place: str, default: object) -> None:
    assert KEYS[place][0]["default"] == default
