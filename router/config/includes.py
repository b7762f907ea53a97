"""Reads the files that a file includes, and makes one tree of all: a team has its providers, models and routes in a
file of its own, everything else stands in the first.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from router.config.diagnostics import Findings, shown_way
from router.config.files import MAX_BYTES, Contents, NoContent, text_of
from router.config.yaml_reader import MAX_NODES, Node, read_yaml
from router.patterns import Pattern, is_pattern

MAX_FILES = 500
MAX_DEPTH = 20  # of files that include files
SECTIONS = ("providers", "models", "routes")  # what an included file may say
_FORM = "the path of a file, or a list of paths, such as [teams/*.yaml]"
_MAY_SAY = "an included file has providers, models, routes, include and x-… keys"


class Source(msgspec.Struct, frozen=True):
    """One file of several: where it is, how messages call it, and its path from the folder of the first."""

    path: Path
    name: str
    inner: str = ""

    def beside(self, written: str) -> Source:
        """The file that this one means by a path."""
        written = os.path.expanduser(written)
        name, inner = (os.path.normpath(os.path.join(os.path.dirname(own), written)) for own in (self.name, self.inner))
        return Source(self.path.parent / written, name, inner)


Read = Callable[[Path], bytes]
Match = Callable[[Pattern], tuple[Path, ...]]
Prepare = Callable[[Node, Source], None]


class Includes(msgspec.Struct):
    """Takes what other files say into the tree of the first.

    Args:
        findings: of all files together.
        read: gives the bytes of a file, or raises NoContent.
        match: gives the files that a pattern matches.
        prepare: called with the tree of each included file, whose variables it fills in, before anything is taken.

    `texts` has what was read, by the path of each file from the folder of the first. `is_whole` is False where one
    could not be read: what is missing then may stand there.
    """

    findings: Findings
    read: Read
    match: Match
    prepare: Prepare
    texts: dict[str, str] = {}
    is_whole: bool = True
    _left: int = MAX_BYTES
    _nodes: int = MAX_NODES
    _known: set[str] = set()

    def into(self, root: Node, source: Source, text: str) -> None:
        """Take all that a tree includes into it; its key `include` goes."""
        self._left -= len(text)
        self._include(root, root, source, {os.path.realpath(source.path): source.name})

    def _include(self, tree: Node, root: Node, source: Source, way: dict[str, str]) -> None:
        """Follow what `tree`, which is in the file `source`, includes; `way` are the files that led here."""
        written = tree.value.pop("include", None) if isinstance(tree.value, dict) else None
        if written is None or written.unset:
            return
        items = written.value if isinstance(written.value, list) else [written]
        for item in items:
            if item.unset:
                continue
            if not isinstance(item.value, str) or not item.value:
                self.findings.add(item.place, item.path, f"this must be {_FORM}")
                continue
            for file in self._files(item, source):
                self._take(file, item, root, way)

    def _files(self, item: Node, source: Source) -> list[Source]:
        if not is_pattern(item.value):
            return [source.beside(item.value)]
        if "**" in item.value:
            self.findings.add(item.at, item.path, '"**" is not supported; name the folders, such as teams/*/*.yaml')
            return []
        pattern = Pattern((source.path.parent / os.path.expanduser(item.value)).absolute())
        found = self.match(pattern)
        if not found:
            self.findings.add(item.at, item.path, "no file matches this yet", severity="warning")
        start = source.path.parent.absolute()
        is_absolute = os.path.isabs(os.path.expanduser(item.value))
        return [source.beside(str(path) if is_absolute else os.path.relpath(path, start)) for path in found]

    def _take(self, file: Source, item: Node, root: Node, way: dict[str, str]) -> None:
        real = os.path.realpath(file.path)
        if real in way:
            names = [*list(way.values())[list(way).index(real) :], file.name]
            near = (
                "; the pattern matches the file that it stands in" if is_pattern(item.value) and len(names) == 2 else ""
            )
            self.findings.add(
                item.at, item.path, f"these files include each other in a circle: {shown_way(names)}{near}"
            )
        elif real in self._known:
            pass  # two patterns match it, or two files include it
        elif len(self._known) >= MAX_FILES or len(way) > MAX_DEPTH:
            text = f"over {MAX_FILES} files, or files that include files over {MAX_DEPTH} deep; are these all meant?"
            self.findings.add(item.at, item.path, text)
        else:
            self._known.add(real)
            tree = self._read(file, item)
            if tree is None:
                self.is_whole = False
            else:
                self.prepare(tree, file)
                self._merge(tree, root)
                self._include(tree, root, file, {**way, real: file.name})

    def _read(self, file: Source, item: Node) -> Node | None:
        try:
            text = text_of(self.read(file.path.absolute()))
        except NoContent as error:
            reason = f"there is no file {file.name}" if error.missing else f"{file.name}: {error.reason}"
            self.findings.add(item.at, item.path, reason)
            return None
        self._left -= len(text)
        if self._left < 0:
            self.findings.add(item.at, item.path, f"with {file.name} all files are over {MAX_BYTES >> 20} MiB together")
            return None
        self.texts[file.inner] = text
        own = Findings(file.name, text)
        tree = read_yaml(text, own, needs="providers, models or routes")
        before = self.findings.include(file.name, text, own)
        if tree is None:
            return None
        self._nodes -= _move(tree, before)
        if self._nodes < 0:
            text = f"with {file.name} all files have over {MAX_NODES:,} values together"
            self.findings.add(item.at, item.path, text)
            return None
        if not isinstance(tree.value, dict):
            self.findings.add(tree.at, (), "the file must be a mapping with providers, models or routes")
            return None
        return tree

    def _merge(self, tree: Node, root: Node) -> None:
        for name, section in tree.value.items():
            if name not in SECTIONS:
                if name != "include":
                    text = f"{_MAY_SAY}; write this in {self.findings.name}"
                    self.findings.add(section.key_at, section.path, text)
            elif not isinstance(section.value, dict):
                self.findings.add(section.key_at, section.path, "this must be a mapping (key: value)")
            else:
                whole = root.value.setdefault(name, Node({}, section.path, section.at, section.key_at))
                if isinstance(whole.value, dict):
                    self._merge_section(section.value, whole.value)

    def _merge_section(self, entries: dict[str, Node], whole: dict[str, Node]) -> None:
        for name, node in entries.items():
            first = whole.setdefault(name, node)
            if first is not node:
                text = f'"{name}" is defined in {self.findings.line(first.key_at)} already; a name is defined once'
                self.findings.add(node.key_at, node.path, text)


def with_included(root: Node, path: Path, text: str, findings: Findings) -> None:
    """Take what other files say into the tree of a file, as it is written."""
    contents = Contents()
    includes = Includes(findings, contents.of, contents.matched, lambda _tree, _source: None)
    includes.into(root, Source(path, str(path)), text)


def _move(tree: Node, lines: int) -> int:
    """Move all places of a tree down by some lines; gives the number of its values."""
    count, nodes = 0, [tree]
    while nodes:
        node = nodes.pop()
        count += 1
        node.at, node.key_at = (node.at[0] + lines, node.at[1]), (node.key_at[0] + lines, node.key_at[1])
        if isinstance(node.value, dict | list):
            nodes += node.value.values() if isinstance(node.value, dict) else node.value
    return count
