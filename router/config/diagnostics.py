"""What is wrong in a file, where, and the errors that carry it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from providers.errors import SignalboxError

Path_ = tuple[str | int, ...]

_PURE = re.compile(r"""["']?\$\{[A-Za-z_0-9]+\}["']?|["']?\$\{file:[^}]*\}["']?""")
_KEY_VALUE = re.compile(
    r"""(?P<head>\bapi_keys?["']?\s*:\s*)(?P<value>\[.*\]?|"[^"]*"?|'[^']*'?|\$\{[^}]*\}?|[^\s,}\]]+)"""
)
_USERINFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `line` and `column` count from 1; `source` is the line of the file, keys blanked out."""

    severity: Literal["error", "warning"]
    file: str
    line: int
    column: int
    path: str
    message: str
    source: str = ""

    def render(self) -> str:
        """`routes.yaml:14:7: routes.chat: message`, the source line, and a caret under the place."""
        place = f"{self.file}:{self.line}:{self.column}: "
        kind = "warning: " if self.severity == "warning" else ""
        path = f"{self.path}: " if self.path else ""
        caret = " " * (self.column - 1) + "^"
        return f"{place}{kind}{path}{self.message}\n  {self.source}\n  {caret}"


class ConfigError(SignalboxError):
    """The file has errors; `diagnostics` has all of them, and the text is all of them rendered."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(found.render() for found in self.diagnostics))


class UnreadableFile(SignalboxError):
    """The file cannot be read at all; `reason` says how to mend it."""

    def __init__(self, path: str | Path, reason: str) -> None:
        self.path = str(path)
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class Findings:
    """Collects the diagnostics of one file."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = text.splitlines()
        self._secrets: set[str] = set()
        self._found: list[tuple[Literal["error", "warning"], tuple[int, int], str, str]] = []

    def hide(self, secret: str) -> None:
        """Blank this literal out of every source line; a shorter one would blank out half the line."""
        if len(secret) >= 4:
            self._secrets.add(secret)

    def add(
        self,
        at: tuple[int, int],
        path: Path_,
        message: str,
        *,
        severity: Literal["error", "warning"] = "error",
    ) -> None:
        entry = (severity, at, dotted(path), message)
        if entry not in self._found:
            self._found.append(entry)

    @property
    def failed(self) -> bool:
        return any(severity == "error" for severity, *_ in self._found)

    def sorted(self) -> tuple[Diagnostic, ...]:
        return tuple(
            Diagnostic(severity, self.name, *at, path, message, self._source(at[0]))
            for severity, at, path, message in sorted(self._found, key=lambda entry: entry[1])
        )

    def _source(self, line: int) -> str:
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        text = text.replace("\t", " ")
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "*" * len(secret))
        text = _KEY_VALUE.sub(_blank, text)
        return _USERINFO.sub(lambda match: "*" * len(match[0]), text)


def _blank(match: re.Match[str]) -> str:
    value = match["value"]
    # Names of variables are no secret and help the reader; anything else beside an api_key may be one.
    kept = _PURE.fullmatch(value) or (value.startswith("[") and all(map(_PURE.fullmatch, _items(value))))
    return match[0] if kept else match["head"] + "*" * len(value)


def _items(value: str) -> list[str]:
    return [item.strip() for item in value.strip("[]} ").split(",")]


def dotted(path: Path_) -> str:
    """`("routes", "chat", 0)` as `routes.chat.0`."""
    return ".".join(str(part) for part in path)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean "llama"?)`, or nothing when no known name is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f' (did you mean "{near[0]}"?)' if near else ""
