"""`${NAME}`, `${NAME:-default}`, `${file:/path}` and `$$` in the values of routes.yaml.

This happens after YAML was read: what a variable holds is text and can never become YAML.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from router.config.diagnostics import has_credential
from router.config.files import Contents, NoContent

MAX_SECRET_BYTES = 64 * 1024
MAX_FILLED_IN = 16 * 1024 * 1024  # characters of all values of a file, whatever its variables hold
_TOKEN = r"\$\$|\$\{([^}]*)\}|\$\{"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PATH = r"[\w .,+=@:~/\\-]{1,255}"
# What a key has and a name has not: long runs of letters with a digit, or letters and digits that alternate.
_RANDOM = r"(?=[A-Za-z]{0,40}[0-9])[A-Za-z0-9]{20}|[A-Za-z0-9]{40}"
_ALTERNATING = r"(?<=[A-Za-z])[0-9]|(?<=[0-9])[A-Za-z]"


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
        contents: where the files are read; None reads them now.
        files: what stands for files, as they are written, that are not read.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        folder: Path,
        contents: Contents | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self._env = env
        self.folder = folder
        self._prefix = ""
        self.contents = contents or Contents()
        self._files = files or {}
        self._left = MAX_FILLED_IN
        self._expanded: dict[str, str | ValueError] = {}  # an alias repeats a text
        self.resolved: dict[str, str] = {}

    def move_to(self, folder: Path, inner: str) -> None:
        """Go on with an included file, in another folder.

        Args:
            inner: its path from the folder of the first; "" for the first itself.
        """
        self.folder, self._prefix = folder, os.path.dirname(inner)
        self._expanded.clear()

    def expand(self, text: str) -> str:
        """The text with everything filled in.

        Raises:
            Unset: a variable is not set (or empty), or a file cannot be read.
            ValueError: a `${` that is not one of the known forms.
        """
        if text not in self._expanded:
            try:
                self._expanded[text] = re.sub(_TOKEN, self._replace, text)
            except ValueError as error:
                self._expanded[text] = error
        made = self._expanded[text]
        if isinstance(made, ValueError):
            raise made.with_traceback(None)
        return made

    def _replace(self, match: re.Match[str]) -> str:
        value = self._value(match)
        self._left -= len(value)
        if self._left < 0:
            raise ValueError(f"over {MAX_FILLED_IN >> 20} MiB once variables are filled in; the file is without bound")
        return value

    def _value(self, match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        inside = match[1]
        if inside is None:
            raise ValueError("a ${ without its } (write $$ for a dollar sign)")
        if inside.startswith("file:"):
            return self._file(inside.removeprefix("file:"))
        name, has_default, default = inside.partition(":-")
        if not re.fullmatch(_NAME, name):
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
        """The text of a secret file. What is told of a bad one never has its content, nor what may be a pasted key."""
        if written in self._files:
            return self._files[written]
        name = f"the file {written}" if is_path(written) else "the file that this ${file:…} names"
        used = f"file:{os.path.join(self._prefix, written)}"
        self.resolved[used] = ""
        try:
            content = self.contents.of(self.folder / os.path.expanduser(written))
        except NoContent as error:
            reason = f"there is no file {written}" if is_path(written) else f"{name} is not there"
            raise Unset(name, reason if error.missing else f"{name}: {error.reason}") from None
        if len(content) > MAX_SECRET_BYTES:
            raise ValueError(f"{name} is too large for a secret (over 64 KiB)")
        try:
            text = content.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError:
            raise ValueError(f"{name} is not UTF-8 text; save it as UTF-8") from None
        if not text:
            raise Unset(name, f"{name} is empty; write the secret into it")
        self.resolved[used] = text
        return text


def is_path(written: str) -> bool:
    """Whether this reads as the path of a file: people paste keys into the braces, and those are not repeated."""
    if not re.fullmatch(_PATH, written) or has_credential(written):
        return False
    return not any(
        len(part) >= 20 and (re.search(_RANDOM, part) or len(re.findall(_ALTERNATING, part)) >= 4)
        for part in re.split(r"[/\\]", written)
    )
