"""What files use of each other: modules, and what another one keeps to itself, by a name that begins with `_`."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from tests.support.trees import parsed

# Of named tuples and of the module os: documented, though they look private.
_DOCUMENTED = {"_asdict", "_exit", "_fields", "_make", "_replace"}
_TELLING = (
    ast.Attribute,
    ast.Call,
    ast.ClassDef,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Import,
    ast.ImportFrom,
    ast.Name,
)
_BY_NAME = {"delattr", "getattr", "hasattr", "setattr"}  # of Python, and pytest's monkeypatch


def reaches(files: Iterable[Path]) -> dict[Path, list[str]]:
    """What files use of others, by file, as it is written: `router._states`, or `tui.commands.web._free` where that is
    imported. What one of the files itself gives to something is theirs."""
    trees = {path: _read(path) for path in files}
    own = {name for tree in trees.values() for node in tree for name in _given(node)}
    return {path: sorted(set(_used(tree, own))) for path, tree in trees.items()}


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    for node in _read(path):
        match node:
            case ast.Import(names):
                yield from (each.name for each in names)
            case ast.ImportFrom(str(module)):
                yield module


@cache
def _read(path: Path) -> list[ast.AST]:
    return [node for node in ast.walk(parsed(path)) if isinstance(node, _TELLING)]


def _given(node: ast.AST) -> Iterator[str]:
    """The names that a piece of code gives to something."""
    match node:
        case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
            yield name
        case ast.Name(name, ast.Store()) | ast.Attribute(ast.Name("self" | "cls"), name, ast.Store()):
            yield name


def _used(tree: list[ast.AST], own: set[str]) -> Iterator[str]:
    for node in tree:
        match node:
            case ast.Attribute(value, name) if not _is_self(value) and _is_foreign(name, own):
                yield ast.unparse(node)
            case ast.ImportFrom(module, names):
                yield from (f"{module}.{each.name}" for each in names if _is_foreign(each.name, own))
            case ast.Call(ast.Name(function) | ast.Attribute(_, function), arguments) if function in _BY_NAME:
                texts = (each.value for each in arguments if isinstance(each, ast.Constant))
                yield from (text for text in texts if isinstance(text, str) and _is_foreign(text, own))


def _is_self(node: ast.expr) -> bool:
    match node:
        case ast.Name("self" | "cls") | ast.Call(ast.Name("super")):
            return True
    return False


def _is_foreign(name: str, own: set[str]) -> bool:
    last = name.rpartition(".")[2]
    private = last.startswith("_") and not last.startswith("__") and last != "_"
    return private and last not in own and last not in _DOCUMENTED
