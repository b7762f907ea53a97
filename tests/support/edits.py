"""Saving a file that others read."""

from __future__ import annotations

from pathlib import Path


def save(path: Path, text: str) -> None:
    """Save it by renaming: whoever reads it meanwhile finds the old content or the new, and no half."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.replace(path)
