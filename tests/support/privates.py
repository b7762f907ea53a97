"""Where code reaches into what another file keeps to itself: a name that begins with one underscore."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Reach(NamedTuple):
    """`what` is as it is written, such as `router._states` or `import _free`."""

    line: int
    what: str


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def _own(tree: ast.Module) -> set[str]:
    """The private names that a file itself gives to something: an object of its own may be used by all of it."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and _is_self(node.value) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id == "__slots__" for each in node.targets
        ):
            found |= {
                each.value
                for each in ast.walk(node.value)
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            }
    return found


def _is_self(node: ast.expr) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id == "super"
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def reaches(path: Path) -> Iterator[Reach]:
    """All of one file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = _own(tree)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and _is_private(node.attr)
            and not _is_self(node.value)
            and node.attr not in own
        ):
            yield Reach(node.lineno, ast.unparse(node))
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                if _is_private(name.name):
                    yield Reach(node.lineno, f"{node.module}.{name.name}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            pass
