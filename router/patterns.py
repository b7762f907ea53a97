"""Paths with `*`, `?` and `[…]`, as shells have them: which files they match, and where to look for more."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

_MAGIC = r"[*?\[]"


def is_pattern(text: str) -> bool:
    """Whether a path may match several files."""
    return re.search(_MAGIC, text) is not None


class Pattern(msgspec.Struct, frozen=True):
    """An absolute path in whose parts `*`, `?` and `[…]` stand for other letters. A name that begins with a dot is
    matched by a part that begins with one alone: editors and mounts keep files of their own so.
    """

    path: Path

    @property
    def base(self) -> Path:
        """The folder up to the first part that is a pattern."""
        parts = self.path.parts
        first = next((index for index, part in enumerate(parts) if is_pattern(part)), len(parts) - 1)
        return Path(*parts[:first])

    def levels(self) -> Iterator[tuple[Path, str]]:
        """Yield each folder in which something may match, with the pattern of the names there."""
        base = self.base
        folders = [base]
        parts = self.path.parts[len(base.parts) :]
        for number, part in enumerate(parts, 1):
            yield from ((folder, part) for folder in folders)
            if number < len(parts):
                folders = [
                    folder / name for folder in folders for name in _names(folder, part) if (folder / name).is_dir()
                ]

    def files(self) -> tuple[Path, ...]:
        """The files that it matches, in the order of their names; folders are none."""
        last = len(self.path.parts) - 1
        found = [
            folder / name
            for folder, part in self.levels()
            if len(folder.parts) == last
            for name in _names(folder, part)
            if not (folder / name).is_dir()
        ]
        return tuple(sorted(found))


def matches(name: str, pattern: str) -> bool:
    """Whether a name of a folder is matched."""
    return fnmatchcase(name, pattern) and (not name.startswith(".") or pattern.startswith("."))


def _names(folder: Path, pattern: str) -> list[str]:
    if not is_pattern(pattern):
        return [pattern] if (folder / pattern).exists() else []
    try:
        return sorted(name for name in os.listdir(folder) if matches(name, pattern))
    except OSError:  # there is no such folder, or no way in
        return []
