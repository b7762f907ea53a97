"""The syntax trees of files, each read once a process."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@contextmanager
def many_trees() -> Iterator[None]:
    """Where many are read: the collector, which goes through all of them again and again, would take three times as
    long as the parser. They stay, and it leaves them alone from then on."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
