"""What an import tells: what was left out, what is otherwise here, each with its place in the file that was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from providers.printable import one_line
from router.config.diagnostics import has_credential

Sort: TypeAlias = Literal["left out", "check", "differs"]
HEADS: dict[Sort, str] = {
    "left out": "not mapped",
    "check": "to check",
    "differs": "behaves differently",
}
_LONGEST_NAME = 80


class Place(NamedTuple):
    """Where something stands."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that is told. `what` is the key as a path, such as `litellm_settings.callbacks`."""

    sort: Sort
    place: Place
    what: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}: {self.text}" if self.what else f"{self.place}: {self.text}"


class Notes:
    """Collects the notes of an import; the same one is kept once."""

    def __init__(self) -> None:
        self._notes: dict[Note, None] = {}

    def add(self, sort: Sort, place: Place, what: str, text: str) -> None:
        self._notes[Note(sort, place, what, text)] = None

    def sorted(self, files: list[str]) -> tuple[Note, ...]:
        """All of them by sort and place; `files` are the files in their order."""
        sorts = list(HEADS)
        return tuple(
            sorted(
                self._notes,
                key=lambda note: (sorts.index(note.sort), files.index(note.place.file), note.place.line, note.what),
            )
        )


def shown_name(name: str) -> str:
    """A name of the other file as it may be shown: on one line, and nothing that looks like a key."""
    text = one_line(name)
    return text if len(text) <= _LONGEST_NAME and not has_credential(text) else "…"
