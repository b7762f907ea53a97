"""Reads a LiteLLM config: its YAML with the files that it includes, and mappings of which nothing is lost unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from router.config.diagnostics import ConfigError, Findings
from router.config.loader import read_text
from router.config.yaml_reader import Node, read_yaml
from router.importers.notes import Notes, Place, Sort, shown_name

SECTIONS = ("model_list", "litellm_settings", "router_settings", "general_settings")


class NotLiteLLM(Exception):
    """The file is something else; the message says what."""


class Config:
    """A config as it was read, with the files that it includes: `root` has all of it."""

    def __init__(self, root: Node, name: str) -> None:
        self.root = root
        self._files = [(0, name)]  # how many lines those before it have, for each file

    def add_file(self, before: int, name: str) -> None:
        """Count the lines of one more file, behind all others."""
        self._files.append((before, name))

    @property
    def files(self) -> list[str]:
        return [name for _, name in self._files]

    def place(self, node: Node) -> Place:
        """Where a key stands, or the value of a list."""
        line = node.key_at[0]
        before, name = max(entry for entry in self._files if entry[0] < line)
        return Place(name, line - before)


def read_config(text: str, path: Path, notes: Notes) -> Config:
    """Read a config's text, and the files that it includes.

    Raises:
        ConfigError: it is no YAML; has all that is wrong.
        NotLiteLLM: it has none of LiteLLM's sections.
        UnreadableFile: a file that it includes can't be read.
    """
    root = _tree(text, path.name)
    known = root.value if isinstance(root.value, dict) else {}
    if "include" not in known and not any(section in known for section in SECTIONS):
        if "providers" in known and "routes" in known:
            raise NotLiteLLM(f"{path.name} is a routes.yaml already: `signalbox check {path.name}`")
        raise NotLiteLLM(
            f"{path.name} is no LiteLLM config: it has neither {', '.join(SECTIONS[:-1])} nor {SECTIONS[-1]}"
        )
    config = Config(root, path.name)
    lines = len(text.splitlines())
    for node in _items(known.pop("include", None)):
        lines += _include(config, node, path.parent, lines, notes)
    return config


def _include(config: Config, node: Node, folder: Path, before: int, notes: Notes) -> int:
    """Add what an included file has, lists at the end of lists, as LiteLLM does; gives the number of its lines."""
    name = str(node.value)
    text = read_text(folder / name)
    tree = _tree(text, name)
    for each in _all(tree):
        each.at, each.key_at = (each.at[0] + before, each.at[1]), (each.key_at[0] + before, each.key_at[1])
    config.add_file(before, name)
    for key, value in tree.value.items() if isinstance(tree.value, dict) else ():
        there = config.root.value.get(key)
        if there is not None and isinstance(there.value, list) and isinstance(value.value, list):
            there.value.extend(value.value)
        else:
            if there is not None:
                text_ = f"{shown_name(key)} of {name} takes the place of this one, as it does in LiteLLM"
                notes.add("check", config.place(there), shown_name(key), text_)
            config.root.value[key] = value
    return len(text.splitlines())


def _tree(text: str, name: str) -> Node:
    findings = Findings(name, text)
    root = read_yaml(text, findings, needs="model_list")
    if root is None or findings.failed:
        raise ConfigError(findings.sorted())
    return root


def _all(node: Node) -> Iterator[Node]:
    yield node
    children = node.value.values() if isinstance(node.value, dict) else node.value
    if isinstance(node.value, dict | list):
        for child in children:
            yield from _all(child)


def _items(node: Node | None) -> list[Node]:
    if node is None:
        return []
    return node.value if isinstance(node.value, list) else [node]


def texts(root: Node) -> Iterator[str]:
    """All texts of a tree."""
    return (node.value for node in _all(root) if isinstance(node.value, str))


Tell: TypeAlias = Callable[[Sort, str, str], None]
"""Takes the sort of a note, the key that it is about, and the text."""


class Fields:
    """A mapping whose entries are taken one by one: what is left at the end has not been mapped."""

    def __init__(self, node: Node | None, **more: Node) -> None:
        self.left: dict[str, Node] = {
            **more,
            **(node.value if node is not None and isinstance(node.value, dict) else {}),
        }

    def take(self, *names: str) -> Node | None:
        """The first of these that says something; all of them count as taken."""
        found = [node for name in names if (node := self.left.pop(name, None)) is not None]
        return next((node for node in found if node.value is not None), None)

    def text(self, *names: str) -> str | None:
        """A value as text; a list or mapping stays, to be told as not mapped."""
        are_texts = [name for name in names if name in self.left and not isinstance(self.left[name].value, dict | list)]
        node = self.take(*are_texts)
        return None if node is None else str(node.value)

    def number(self, name: str) -> float | None:
        """A number above 0; 0, a variable, and what is no number stay, to be told as not mapped."""
        node = self.left.get(name)
        value = None if node is None else as_number(node)
        if value:
            del self.left[name]
        return value or None

    def flag(self, name: str) -> bool | None:
        node = self.left.get(name)
        if node is None or not isinstance(node.value, bool):
            return None
        del self.left[name]
        return node.value


def as_number(node: Node) -> float | None:
    """A number, also as text (`1e-6` is text to PyYAML, `100_000` is a number to it); None where it is none."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(str(value).replace("_", ""))
    except ValueError:
        return None
    return number if 0 <= number < 1e15 else None


def entries(node: Node | None) -> dict[str, Node]:
    return node.value if node is not None and isinstance(node.value, dict) else {}


def items(node: Node | None) -> list[Node]:
    return node.value if node is not None and isinstance(node.value, list) else []
