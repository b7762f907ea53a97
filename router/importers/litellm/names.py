"""Names as routes.yaml has them: small letters, each once; and the old names, by which clients go on asking."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def valid(name: str) -> str:
    """The nearest name that routes.yaml takes: `openai/GPT-4o` is `openai-gpt-4o`."""
    letters = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    made = re.sub(r"[^a-z0-9._-]+", "-", letters).strip("-._")
    return made if _NAME.fullmatch(made) else "model"


def is_valid(name: str) -> bool:
    """Whether routes.yaml takes a name as it is."""
    return _NAME.fullmatch(name) is not None


def free(wished: Iterable[str], taken: Container[str]) -> str:
    """The first of these names that nothing has; else the first with a number."""
    names = [name for name in wished if name]
    name = next((name for name in names if name not in taken), None)
    number = 2
    while name is None:
        if (numbered := f"{names[0]}-{number}") not in taken:
            name = numbered
        number += 1
    return name
