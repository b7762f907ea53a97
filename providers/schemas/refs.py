"""References inside one JSON Schema document (`#/$defs/…`): looked up, and written out where they stand."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

_LARGEST = 20_000  # schemas in a document after references were written out: some grow without end


class Unfit(ValueError):
    """A schema, or a part of one, that a vendor has no way to say; `path` leads there from the document's root."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


def target(document: dict[str, Any], ref: object, path: str) -> Any:
    """What a reference points to (RFC 6901, as a URI fragment).

    Raises:
        Unfit: it points out of the document, or to nothing.
    """
    if not isinstance(ref, str) or not ref.startswith("#"):
        raise Unfit(f"{path}.$ref", f"{ref!r} points out of the schema")
    found: Any = document
    for step in unquote(ref[1:]).split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            raise Unfit(f"{path}.$ref", f"{ref!r} points to nothing")
    return found


def inlined(document: dict[str, Any]) -> dict[str, Any]:
    """The document without references.

    Raises:
        Unfit: a schema contains itself, or the whole grows too large.
    """
    whole: dict[str, Any] = _Inliner(document).copy(document, "", ())
    return whole


class _Inliner:
    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._size = 0

    def copy(self, node: Any, path: str, within: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [self.copy(each, f"{path}[{place}]", within) for place, each in enumerate(node)]
        if not isinstance(node, dict):
            return node
        self._size += 1
        if self._size > _LARGEST:
            raise Unfit(path, "the schema is too large without references")
        ref = node.get("$ref")
        if not isinstance(ref, str):
            skipped = ("$defs", "definitions") if not path else ()
            return {key: self.copy(each, f"{path}.{key}", within) for key, each in node.items() if key not in skipped}
        if ref in within:
            raise Unfit(f"{path}.$ref", f"{ref!r} contains itself, which has no end without references")
        found = self.copy(target(self._document, ref, path), path, (*within, ref))
        beside = {key: self.copy(each, f"{path}.{key}", within) for key, each in node.items() if key != "$ref"}
        return {**found, **beside} if isinstance(found, dict) else found
