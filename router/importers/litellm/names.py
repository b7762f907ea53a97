"""Names as routes.yaml has them, each once; a route keeps the name that clients ask for, where it can."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable

from router.config.route_names import LONGEST
from router.importers.litellm.vendors import VENDORS

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def valid(name: str) -> str:
    """The nearest name that routes.yaml takes: `openai/GPT-4o` is `openai-gpt-4o`."""
    letters = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    made = re.sub(r"[^a-z0-9._-]+", "-", letters).strip("-._")
    return made if _NAME.fullmatch(made) else "model"


def of_route(name: str) -> str:
    """The name of a route: as it is, where that is no model of a vendor (`openai/gpt-4o`), nor has white space."""
    is_taken = not name.isprintable() or len(name) > LONGEST or "$" in name or any(map(str.isspace, name))
    return valid(name) if is_taken or name.partition("/")[0] in VENDORS else name


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
