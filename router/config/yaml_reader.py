"""Reads YAML into a tree of values that know their place in the file.

No object is ever constructed from YAML: PyYAML only composes its node graph, which this module walks itself.
Scalars follow the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import yaml

from router.config.diagnostics import Findings, Path_
from router.config.yaml_errors import TOO_DEEP, explain

MAX_NODES = 100_000
MAX_TEXT = 4 * 1024 * 1024  # characters, once aliases are filled in
MAX_DEPTH = 50
Place = tuple[int, int]

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]{1,300}")
_BASED = re.compile(r"0o[0-7]{1,100}|0x[0-9a-fA-F]{1,100}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INF = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # chosen at run time
    """Composes only; without resolvers a plain scalar stays text, to be resolved by `core_scalar`."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # the name is PyYAML's


class Node(msgspec.Struct):
    """A value, its path, where it stands, and where its key stands (for an entry of a mapping).

    `value` is a scalar, a list of nodes, or a dict of nodes.
    """

    value: Any
    path: Path_
    at: Place
    key_at: Place
    plain: bool = False
    unset: bool = False  # it has a variable that could not be filled in, which has been reported

    @property
    def place(self) -> Place:
        """Where a message about this value points: the scalar itself, or a collection's key."""
        return self.key_at if isinstance(self.value, dict | list) else self.at

    def get(self, key: str) -> Node | None:
        return self.value.get(key) if isinstance(self.value, dict) else None

    def data(self) -> Any:
        """The values without their places."""
        if isinstance(self.value, dict):
            return {key: child.data() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.data() for child in self.value]
        return self.value


def core_scalar(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means in YAML 1.2's core schema."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    found = _INF.fullmatch(text)
    return float(found[1] + "inf" if found[2] else "nan") if found else text


def read_yaml(text: str, findings: Findings, *, needs: str = "providers and routes") -> Node | None:
    """The tree of a text; None, with a finding, when it is not YAML or has no content (which `needs` to be there)."""
    if _has_tabs(text, findings) or _has_forbidden(text, findings):
        return None
    try:
        if _too_deep(text, findings):
            return None
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        at, words = explain(error, text, MAX_DEPTH)
        findings.add(at, (), words)
        return None
    if root is None:
        findings.add((1, 1), (), f"the file is empty; it needs {needs}")
        return None
    return _Walk(findings).start(root)


def _has_forbidden(text: str, findings: Findings) -> bool:
    # PyYAML's own error counts in bytes or in characters, depending on which of its parsers is installed.
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if found is None:
        return False
    before = text[: found.start()]
    at = (before.count("\n") + 1, len(before) - before.rfind("\n"))
    findings.add(at, (), "a character that YAML does not allow; remove it")
    return True


def _too_deep(text: str, findings: Findings) -> bool:
    """Whether collections nest without bound: composing recurses, in C without a guard against it."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                findings.add(_at(event), (), TOO_DEEP.format(MAX_DEPTH))
                return True
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return False


def _has_tabs(text: str, findings: Findings) -> bool:
    found = False
    for number, line in enumerate(text.splitlines(), 1):
        indent = line[: len(line) - len(line.lstrip())]
        if "\t" in indent and line.strip():
            findings.add((number, indent.index("\t") + 1), (), "a tab; YAML is indented with spaces")
            found = True
    return found


class _Stop(Exception):
    """The walk has found that the file is without bound."""


class _Walk:
    """Turns PyYAML's graph into a tree, expanding aliases and merge keys."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._nodes = 0
        self._text = 0

    def start(self, root: yaml.Node) -> Node | None:
        try:
            return self._walk(root, (), _at(root), 0)
        except _Stop as stop:
            self._findings.add((1, 1), (), str(stop))
            return None

    def _walk(self, node: yaml.Node, path: Path_, key_at: Place, depth: int) -> Node:
        self._count(depth)
        if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.endswith(("binary", "set", "omap")):
            self._findings.add(_at(node), path, "YAML tags (!…) are not supported; remove it")
        made = Node(None, path, _at(node), key_at)
        if isinstance(node, yaml.MappingNode):
            made.value = self._mapping(node, path, depth)
        elif isinstance(node, yaml.SequenceNode):
            made.value = [
                self._walk(item, (*path, index), _at(item), depth + 1) for index, item in enumerate(node.value)
            ]
        else:
            self._text += len(node.value)
            if self._text > MAX_TEXT:
                raise _Stop(f"over {MAX_TEXT >> 20} MiB once aliases are filled in; the file is without bound")
            made.plain = isinstance(node, yaml.ScalarNode) and not node.style  # None, or "" from the C parser
            made.value = core_scalar(node.value) if made.plain else node.value
        return made

    def _mapping(self, node: yaml.MappingNode, path: Path_, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        merges: list[yaml.Node] = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._findings.add(_at(key), path, "a key must be plain text")
            elif key.value == "<<" and not key.style:
                merges += value.value if isinstance(value, yaml.SequenceNode) else [value]
            elif key.value in entries:
                first = entries[key.value].key_at[0]
                message = f'the key "{key.value}" is here twice (first in line {first})'
                self._findings.add(_at(key), (*path, key.value), message)
            else:
                entries[key.value] = self._walk(value, (*path, key.value), _at(key), depth + 1)
        for merged in merges:
            if not isinstance(merged, yaml.MappingNode):
                self._findings.add(_at(merged), path, "<< takes a mapping, such as *name, or a list of them")
                continue
            self._count(depth)
            if depth > MAX_DEPTH:
                raise _Stop("anchors and aliases go in a circle")
            # What the mapping says itself wins, then the first of the merged ones.
            entries = {**self._mapping(merged, path, depth + 1), **entries}
        return entries

    def _count(self, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _Stop(f"over {MAX_NODES:,} values once aliases are filled in; the file is without bound")
        if depth > MAX_DEPTH:
            raise _Stop(f"{TOO_DEEP.format(MAX_DEPTH)} (do anchors go in a circle?)")


def _at(node: yaml.Node | yaml.Event) -> Place:
    mark = node.start_mark  # always there when text was parsed
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
