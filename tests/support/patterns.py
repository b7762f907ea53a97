"""All regular expressions of the packages, and for each of them the texts that would cost it the most."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import types
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]  # Python's own parser of patterns has no stubs
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from providers.error_body import Words
from tests.support.paths import ROOT
from tests.support.trees import many_trees, parsed

PACKAGES = ("providers", "router", "tui")
_MANY = 12  # a repeat that may go on longer than this is worth trying
_REPRESENTATIVES = 3  # characters tried of a class
MOST = 40  # texts of a pattern
_WAYS = 6  # ways tried through a part of a pattern
_SKIPPED = {"router.cli.__main__", "providers.simulator.__main__"}  # they run when they are imported


# --- finding them


def files() -> dict[str, Path]:
    """The files of all modules, by name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = path
    return found


@cache
def sources() -> dict[str, ast.Module]:
    """All modules by name."""
    with many_trees():
        return {name: parsed(path) for name, path in files().items()}


def compiled() -> dict[tuple[str | bytes, int], re.Pattern[Any]]:
    """The patterns that modules hold: in globals, tables, classes, structs, and as methods such as `p.fullmatch`."""
    found: dict[tuple[str | bytes, int], re.Pattern[Any]] = {}
    seen: set[int] = set()
    for name in files():
        if name not in _SKIPPED:
            for value in vars(importlib.import_module(name)).values():
                for pattern in _within(value, seen):
                    found[pattern.pattern, pattern.flags] = pattern
    return found


def _within(value: object, seen: set[int]) -> Iterator[re.Pattern[Any]]:
    value = getattr(value, "__self__", value) if isinstance(value, types.BuiltinMethodType) else value
    value = value.compiled if isinstance(value, Words) else value
    if isinstance(value, re.Pattern):
        yield value
        return
    if id(value) in seen or isinstance(value, str | bytes | int | float | types.ModuleType | None):
        return
    seen.add(id(value))
    if isinstance(value, dict | types.MappingProxyType):
        inner: Iterator[object] = iter([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple | set | frozenset):
        inner = iter(value)
    elif isinstance(value, type) and value.__module__.partition(".")[0] in PACKAGES:
        inner = iter([*vars(value).values()])  # what is asked for may be made then
    elif hasattr(value, "__struct_fields__") and not isinstance(value, type):
        inner = (getattr(value, name) for name in value.__struct_fields__)
    else:
        return
    for each in inner:
        yield from _within(each, seen)


def written() -> Iterator[tuple[str, str, ast.expr]]:
    """Every call such as `re.search(…)` in the sources: the module, the function of `re`, the pattern as written, or as
    the module's own name for it holds it.
    """
    for name, tree in sources().items():
        for node in ast.walk(tree):
            match node:
                case ast.Call(ast.Attribute(ast.Name("re"), called), [first, *_]) if called != "escape":
                    held = None if not isinstance(first, ast.Name) else getattr(sys.modules.get(name), first.id, None)
                    yield name, called, ast.Constant(held) if isinstance(held, str) else first


@cache
def uses() -> dict[str | bytes, set[str]]:
    """The methods that are called of each pattern that has a name of its own; of no other one anything is known."""
    trees = sources()
    called: dict[tuple[str, str], set[str]] = {}
    for module, tree in trees.items():
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(ast.Name(name), method):
                    called.setdefault((module, name), set()).add(method)
    found: dict[str | bytes, set[str]] = {}
    for module in trees.keys() - _SKIPPED:
        for name, value in vars(importlib.import_module(module)).items():
            value = value.compiled if isinstance(value, Words) else value
            if isinstance(value, re.Pattern):
                found.setdefault(value.pattern, set()).update(called.get((module, name), {"search", "fullmatch"}))
    return found


# --- what costs them the most


def attacks(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str, str]]:
    """What to begin with, what to repeat without end, and what to end with, from the pattern's own parts."""
    tree = _parser.parse(pattern.pattern, pattern.flags)
    seen = set()
    for before, body in _repeats(list(tree), "", 0):
        for head in (before, ""):
            seen.add((head, body, "\0"))
        seen.add(("", before + body, "\0"))  # begun anew at each place
    for text in islice(_texts(list(tree)), 12):
        seen.add(("", text, "\0"))
        for cut in (1, len(text) // 2, len(text) - 1):
            seen.add(("", text[:cut], "\0"))
    ordered = sorted(entry for entry in seen if entry[1])
    yield from ordered[:: max(1, len(ordered) // MOST)]  # of the largest tables a share of each kind


def _repeats(nodes: list[Any], before: str, depth: int) -> Iterator[tuple[str, str]]:
    """Each repeat of a sequence that may go on for long, with a text that leads to it."""
    for place, (kind, value) in enumerate(nodes):
        lead = before + next(_texts(nodes[:place]), "")
        for inner, low, high in _inside(kind, value):
            if high > _MANY:
                for body in islice(_texts(inner), _WAYS):
                    yield lead, body
                yield lead + next(_texts(inner), "") * low, next(_texts(inner), "")
            if depth < 8:
                yield from _repeats(inner, lead, depth + 1)


def _inside(kind: Any, value: Any) -> list[tuple[list[Any], int, int]]:
    """The parts of a node, with how often each may come."""
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        low, high, inner = value
        return [(list(inner), min(low, 300), int(high))]
    if kind is op.SUBPATTERN:
        return [(list(value[-1]), 1, 1)]
    if kind is op.BRANCH:
        return [(list(branch), 1, 1) for branch in value[1]]
    if kind in (op.ASSERT, op.ASSERT_NOT):
        return [(list(value[1]), 1, 1)]
    return [(list(value), 1, 1)] if kind is op.ATOMIC_GROUP else []


def _texts(nodes: list[Any]) -> Iterator[str]:
    """Some texts that a sequence matches, or nearly."""
    if not nodes:
        yield ""
        return
    (kind, value), *rest = nodes
    tails = list(islice(_texts(rest), 2))
    for start in islice(_of(kind, value), _WAYS):
        for tail in tails:
            yield start + tail


def _of(kind: Any, value: Any) -> Iterator[str]:
    if kind in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN, op.CATEGORY):
        yield from islice(_characters(kind, value), _REPRESENTATIVES)
    elif kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        low, high, inner = value
        for text in islice(_texts(list(inner)), _REPRESENTATIVES):
            yield text * max(min(low, 300), 1 if high else 0)
    elif kind is op.BRANCH:
        for branch in value[1]:
            yield from islice(_texts(list(branch)), 2)
    elif kind is op.SUBPATTERN:
        yield from _texts(list(value[-1]))
    elif kind is op.ATOMIC_GROUP:
        yield from _texts(list(value))
    elif kind is op.ASSERT and value[0] > 0:
        yield ""
        yield from _texts(list(value[1]))
    else:
        yield ""


def _characters(kind: Any, value: Any) -> Iterator[str]:
    if kind is op.LITERAL:
        yield chr(value)
    elif kind is op.IN:
        if value and value[0][0] is op.NEGATE:
            taken = re.compile(f"[{''.join(_as_class(part) for part in value[1:])}]")
            yield from (char for char in "a1 -_é(\"'" if not taken.match(char))
            return
        for inner, detail in value:
            yield from islice(_characters(inner, detail), 2)
    elif kind is op.RANGE:
        yield chr(value[0])
        yield chr(value[1])
    elif kind is op.CATEGORY:
        yield from _BY_CATEGORY.get(value, "a1")
    else:
        yield from "a1 "


_BY_CATEGORY = {op.CATEGORY_SPACE: " \t", op.CATEGORY_DIGIT: "1", op.CATEGORY_WORD: "a1_", op.CATEGORY_NOT_SPACE: "a-"}
_CLASSES = {
    op.CATEGORY_SPACE: r"\s", op.CATEGORY_NOT_SPACE: r"\S", op.CATEGORY_DIGIT: r"\d", op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_WORD: r"\w", op.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip


def _as_class(part: tuple[Any, Any]) -> str:
    kind, value = part
    if kind is op.RANGE:
        return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    return _CLASSES[value] if kind is op.CATEGORY else re.escape(chr(value))
