"""The environment's variables that a made file refers to: those that were named, and names for keys in the clear."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# os.environ/NAME is LiteLLM's own form; the others are filled in by a shell, envsubst or a template before it reads.
_REFERENCE = re.compile(
    r"os\.environ/\s*([A-Za-z_][A-Za-z0-9_]*)\s*|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Z][A-Z0-9_]*)"
)


def named(text: str) -> str | None:
    """The variable that a whole value stands for; None where it is no reference."""
    found = _REFERENCE.fullmatch(text)
    return None if found is None else next(name for name in found.groups() if name)


class Variables:
    """Which variables are referred to; a key in the clear gets a name that nothing else has.

    Args:
        taken: the names that the file itself refers to.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._of_secret: dict[str, str] = {}
        self.used: dict[str, None] = {}

    def refer(self, name: str) -> str:
        """`${NAME}`."""
        self.used[name] = None
        return f"${{{name}}}"

    def in_place_of(self, secret: str, usual: str) -> str:
        """A reference in place of a secret; the same secret always has the same one."""
        if secret not in self._of_secret:
            name, number = usual, 2
            while name in self._taken:
                name, number = f"{usual}_{number}", number + 1
            self._taken.add(name)
            self._of_secret[secret] = name
        return self.refer(self._of_secret[secret])

    def written(self, text: str) -> str:
        """A text as routes.yaml has it: a reference in its form, a dollar sign doubled."""
        name = named(text)
        return self.refer(name) if name is not None else text.replace("$", "$$")


def variable_name(*words: str) -> str:
    """A variable's name made of words, such as `AZURE_EU_API_KEY`."""
    made = "_".join(filter(None, (re.sub(r"[^A-Z0-9]+", "_", word.upper()).strip("_") for word in words)))
    return made if _NAME.fullmatch(made) else f"V_{made}"
