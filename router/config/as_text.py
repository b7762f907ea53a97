"""Writes a dict as the text of a routes.yaml, a key a line, so that what is wrong in it has a line and column too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from router.config.diagnostics import dotted, is_variable
from router.config.yaml_reader import MAX_DEPTH, core_scalar

_PLAIN_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_NO_JSON = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def as_text(data: Mapping[str, Any]) -> str:
    """The text of a routes.yaml that says the same: text stays text, whatever it looks like, but for a variable alone
    (`"${LIMIT}"`), which stands for what it holds, as in a file.

    Raises:
        TypeError: something is no mapping, list, text, number, boolean or None; the message says where.
    """
    if not isinstance(data, Mapping):
        raise TypeError(f"a routes.yaml is a mapping, not {type(data).__name__}")
    return "\n".join(_block(data, (), "")) + "\n" if data else "{}\n"


def _block(
    value: Mapping[str, Any] | list[Any] | tuple[Any, ...], path: tuple[str | int, ...], indent: str
) -> Iterator[str]:
    if len(path) > MAX_DEPTH:
        raise TypeError(f"{dotted(path[:3])}…: nested more than {MAX_DEPTH} levels deep")
    is_mapping = isinstance(value, Mapping)
    for name, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
        if is_mapping and not isinstance(name, str):
            raise TypeError(f"{dotted(path) or 'the top'}: a key is text, not {type(name).__name__} ({name!r})")
        head = f"{indent}{_key(str(name))}:" if is_mapping else f"{indent}-"
        way = (*path, name)
        if isinstance(inner, Mapping | list | tuple) and inner:
            yield head
            yield from _block(inner, way, indent + "  ")
        else:
            yield f"{head} {_scalar(inner, way)}"


def _key(name: str) -> str:
    # A word that YAML would read as something else (`null`, `true`) is quoted too.
    return name if _PLAIN_KEY.fullmatch(name) and isinstance(core_scalar(name), str) else _quoted(name)


def _scalar(value: Any, path: tuple[str | int, ...]) -> str:
    if isinstance(value, str):
        text = str.__str__(value)
        return text if is_variable(text) and text.startswith("${") else _quoted(text)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}.get(text := float.__repr__(value), text)
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    raise TypeError(
        f"{dotted(path)}: text, a number, a boolean, a list or a mapping is expected, not {type(value).__name__}"
    )


def _quoted(text: str) -> str:
    """A text in double quotes: JSON's, whose escapes YAML has too."""
    return _NO_JSON.sub(_escaped, json.dumps(text, ensure_ascii=False))


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
