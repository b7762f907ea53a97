"""The keys that the language has and the engine does not act on yet, so that nobody is misled in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from router.config.diagnostics import dotted
from router.config.yaml_reader import Node


def _always(value: Any) -> bool:
    return True


# Pattern of the path (* is any one part), and which values are not acted on. Take out a row to activate it.
INACTIVE: tuple[tuple[str, Callable[[Any], bool]], ...] = ()


def inactive_keys(root: Node) -> tuple[str, ...]:
    """The dotted paths of what the file writes without effect, in the order of the file."""
    found: dict[str, tuple[int, int]] = {}
    for pattern, applies in INACTIVE:
        for node in _matching(root, pattern.split(".")):
            if applies(node.data()):
                found.setdefault(dotted(node.path), node.key_at)
    return tuple(sorted(found, key=lambda path: found[path]))


def _matching(node: Node, pattern: list[str]) -> list[Node]:
    if not pattern:
        return [node]
    head, *rest = pattern
    if isinstance(node.value, dict):
        children = [child for name, child in node.value.items() if head in ("*", name)]
    elif isinstance(node.value, list) and head == "*":
        children = list(node.value)
    else:
        children = []
    return [found for child in children for found in _matching(child, rest)]
