"""What a shell can complete: the names in a routes.yaml, which may have errors, and the files that may be one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from providers.errors import SignalboxError

ENDINGS = (".yaml", ".yml")


def names_of(path: str, sections: tuple[str, ...]) -> list[str]:
    """The names in these sections of a file; nothing where it can't be read."""
    if not sections:
        return []
    from router.config import load

    try:
        origins = load(path).origins
    except (SignalboxError, OSError, ValueError):
        return []
    return [str(place[1]) for section in sections for place in origins if len(place) == 2 and place[0] == section]


def files_of(incomplete: str) -> Iterator[str]:
    """The YAML files, and the folders that may hold some, whose path begins so."""
    folder, slash, begin = incomplete.rpartition("/")
    try:
        found = sorted(Path(folder or ("/" if slash else ".")).iterdir())
    except (OSError, ValueError):
        return
    for path in found:
        if path.name.startswith(begin) and (begin or not path.name.startswith(".")):
            if path.is_dir():
                yield f"{folder}{slash}{path.name}/"
            elif path.suffix in ENDINGS:
                yield f"{folder}{slash}{path.name}"
