"""The recipes of docs/clients.md, as programs can follow them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "clients.md"
KEY = "sb-any-word-0123456789"
_ADDRESS = "127.0.0.1:4180"  # as the page has it
_PLACE = re.compile(r"(?:#|//) ~/(\S+)\n")  # the first line of a file


class Block(NamedTuple):
    """A fenced block of a recipe."""

    language: str
    source: str

    @property
    def place(self) -> str | None:
        """The file that it is, below the home folder; None for what is run."""
        found = _PLACE.match(self.source)
        return found[1] if found else None


def recipes(url: str = f"http://{_ADDRESS}") -> dict[str, list[Block]]:
    """The blocks of each section, for a gateway at this URL."""
    found: dict[str, list[Block]] = {}
    for section in re.split(r"^## ", PAGE.read_text(), flags=re.M)[1:]:
        blocks = re.findall(r"^```(\w+)\n(.*?)^```", section, re.M | re.S)
        found[section.partition("\n")[0]] = [
            Block(language, source.replace(_ADDRESS, url.removeprefix("http://"))) for language, source in blocks
        ]
    return found


def write_files(blocks: list[Block], home: Path) -> None:
    """Write what a recipe puts into the home folder."""
    for block in blocks:
        if block.place is not None:
            path = home / block.place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.source)
