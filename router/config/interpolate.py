"""`${NAME}`, `${NAME:-default}`, `${file:/path}` and `$$` in the values of routes.yaml.

This happens after YAML was read: what a variable holds is text and can never become YAML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

MAX_SECRET_BYTES = 64 * 1024
_TOKEN = re.compile(r"\$\$|\$\{([^}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Unset(ValueError):
    """A variable or secret file that the text needs is not there; the message and `name` tell which."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class Expanded(str):
    """Text in which something was filled in. `written` is what the file says, the only form to show.

    `plain` tells that it stood unquoted, so that a variable may give a number or a boolean.
    """

    __slots__ = ("plain", "written")
    written: str
    plain: bool

    @classmethod
    def of(cls, text: str, written: str, *, plain: bool) -> Expanded:
        made = cls(text)
        made.written = written
        made.plain = plain
        return made

    def __repr__(self) -> str:
        return repr(self.written)


def plain(value: Any) -> Any:
    """A value with what was filled in, as plain text: what is sent has no other."""
    return _each_text(value, str)


def as_written(value: Any) -> Any:
    """A value as the file writes it, without what variables held."""
    return _each_text(value, shown)


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _each_text(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_each_text(inner, change) for inner in value]
    return change(value) if isinstance(value, str) else value


def shown(value: object) -> str:
    """How a value may appear in a message: as the file writes it, without what a variable held."""
    return value.written if isinstance(value, Expanded) else str(value)


class Interpolator:
    """Fills in variables and remembers, in `resolved`, which it used.

    Args:
        env: the variables.
        folder: where relative `${file:…}` paths start.
    """

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        self._env = env
        self._folder = folder
        self.resolved: dict[str, str] = {}

    def expand(self, text: str) -> str:
        """The text with everything filled in.

        Raises:
            Unset: a variable is not set (or empty), or a file cannot be read.
            ValueError: a `${` that is not one of the known forms.
        """
        return _TOKEN.sub(self._replace, text)

    def _replace(self, match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        inside = match[1]
        if inside is None:
            raise ValueError("a ${ without its } (write $$ for a dollar sign)")
        if inside.startswith("file:"):
            return self._file(inside.removeprefix("file:"))
        name, has_default, default = inside.partition(":-")
        if not _NAME.fullmatch(name):
            # What stands there may be a key that somebody put into the braces: it is not repeated.
            raise ValueError("what ${…} holds is no variable: write ${NAME}, ${NAME:-default} or ${file:/path}")
        value = self._env.get(name, "")
        self.resolved[name] = value
        if value:
            return value
        if has_default:
            return default
        state = "is empty" if name in self._env else "is not set"
        raise Unset(name, f"the variable {name} {state} (set it, or give a default: ${{{name}:-…}})")

    def _file(self, written: str) -> str:
        path = self._folder / Path(written).expanduser()
        self.resolved[f"file:{written}"] = ""
        if not path.is_file():
            raise Unset(written, f"there is no file {written}")
        try:
            with path.open("rb") as file:
                content = file.read(MAX_SECRET_BYTES + 1)
            if len(content) > MAX_SECRET_BYTES:
                raise ValueError(f"the file {written} is too large for a secret (over 64 KiB)")
            text = content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise ValueError(f"the file {written} is not UTF-8 text") from None
        except OSError as error:
            raise Unset(written, f"the file {written} can't be read: {error.strerror}") from None
        self.resolved[f"file:{written}"] = text
        return text
