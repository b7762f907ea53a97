"""Writes data as YAML that people read: short mappings on a line, comments beside, quotes where they are needed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from router.config.yaml_reader import core_scalar

_PLAIN = re.compile(r"[A-Za-z0-9_./*][\w./@+~*-]*(?::[\w./@+~-]+)*", re.ASCII)
_PLAIN_ADDRESS = re.compile(r"https?://[\w.:/@~-]+", re.ASCII)
_VARIABLE = re.compile(r"\$\{[A-Za-z_0-9]+\}")
_LIST_LIKE = (list, tuple)


def scalar(value: object, *, flow: bool = False) -> str:
    """A value on its own. Inside [ ] and { } (`flow`) a variable needs quotes."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return number(value)
    text = str(value)
    plain = (not flow and _VARIABLE.fullmatch(text)) or (
        (_PLAIN.fullmatch(text) or (not flow and _PLAIN_ADDRESS.fullmatch(text)))
        and isinstance(core_scalar(text), str)
        and not text.startswith("*")
        and not (flow and ":" in text)
    )
    return text if plain else json.dumps(text, ensure_ascii=False)


def number(value: float) -> str:
    """A number without an exponent, in its shortest form."""
    if isinstance(value, int) or value == int(value):
        return str(int(value))
    text = f"{value:.12f}".rstrip("0").rstrip(".")
    return text if float(text) else repr(value)


def flow(value: object) -> str:
    """Data on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(str(key), flow=True)}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, _LIST_LIKE):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value, flow=True)


class Page:
    """Lines of a file that is being written."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []

    def add(self, depth: int, text: str, comment: str = "") -> None:
        """A line, `depth` levels deep, with what is said beside it."""
        self._lines.append(("  " * depth + text, comment))

    def entry(self, depth: int, key: str, value: Any, comment: str = "") -> None:
        """A key with its value on the line."""
        text = flow(value) if isinstance(value, Mapping | list | tuple) else scalar(value)
        self.add(depth, f"{scalar(key)}: {text}", comment)

    def comment(self, depth: int, text: str) -> None:
        self.add(depth, f"# {text}".rstrip())

    def blank(self) -> None:
        self.add(0, "")

    def text(self) -> str:
        return "".join(f"{line}   # {comment}\n" if comment else f"{line}\n" for line, comment in self._lines)
