"""What is wrong in a file, where, and the errors that carry it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from providers.errors import SignalboxError
from providers.printable import one_line, printable

Path_ = tuple[str | int, ...]

_REFERENCE = r"""(?:["']?\$\{[A-Za-z_0-9]+\}["']?|["']?\$\{file:[^}]*\}["']?)"""

MAX_SOURCE = 1000  # characters of a line that is shown
_MAX_WAY = 20  # names of a way that are told
MAX_TOLD = 100  # findings of one file: more help nobody
_LEAST = 4  # characters of a secret that is blanked out: a shorter one would blank out half the line
_SURE = 20  # characters of one that is no word either, so that it is blanked out in messages too

# A broken file has no tree that would tell where its keys are, and a mistyped name is no key of the language: so
# the text itself is searched. Blanking too much costs a glance at the file, too little costs a key: only a list of
# variables ends where it ends, and what follows it is shown.
_SECRET_NAME = (
    r"(?:[\w.-]{0,60}(?:api[_.-]?key|secret|passw|passphrase|credential|authori[sz]ation|bearer)[\w.-]{0,60}"
    r"|(?!first_token\b)[\w.-]{0,60}[_.-](?:key|token|auth)|keys?|token|auth|headers|options)"
)
_KEY_VALUE = (
    r"(?i)"
    rf"""(?P<head>(?<![\w.-]){_SECRET_NAME}["']?\s*:\s*)"""
    rf"""(?P<value>\[\s*(?:{_REFERENCE}\s*(?:,\s*)?)*\](?=\s*(?:}}|,\s*(?-i:[a-z_]+)\s*:|$))|"""
    r"""[\[{].*|"(?:[^"\\]|\\.)*"?|'(?:[^']|'')*'?|\$\{[^}]*\}?(?=[\s,}\]]|$)|.+)"""
)
_SECRET_BLOCK = (
    r"(?i)"
    rf"""\s*(?:-\s+)*["']?{_SECRET_NAME}["']?\s*:\s*(?:[&!|>]\S*\s+)*(?:[&!|>\#].*)?"""
)
_ENTRY = r"""(?P<head>\s*(?:-\s+)*(?:[\w.-]+\s*:\s+(?=["']?\$\{[A-Za-z_0-9]+\}["']?$))?)(?P<value>\S.*)"""
_CREDENTIAL = (
    r"(?i)"
    r"(?<=://)[^@\s]{1,300}(?=@)|(?<=bearer )\s*[^\s$\"']+|\b(?:g?sk|sb)[-_][\w-]{16,}|(?<=[?&]key=)[^&\s\"']+"
    r"|(?<=token=)[^&\s\"']+"
)
# What follows the path of an address, and each value in it.
_AFTER_PATH = r"""(?<=://)(?P<head>[^\s"'?#]{1,500})(?P<rest>[?#][^\s"']+)"""
_QUERY_VALUE = r"(?P<head>(?:[?&]api-version=[^&#]*|[?&#](?:[^=&#]*=)?))(?P<value>[^&#]*)"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `line` and `column` count from 1.

    `source` is the line of the file, keys blanked out; "" when the line is empty or too long to help.
    """

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
        told = f"{place}{kind}{path}{self.message}"
        return f"{told}\n  {self.source}\n  {' ' * (self.column - 1)}^" if self.source else told


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
    """Collects the diagnostics of one file, and of those that it includes.

    Their lines are numbered through: a place in an included file has the lines of all before it added.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = text.splitlines()
        self._starts = [0]  # lines before each file
        self._names = [name]
        self._secrets = _Secrets()
        self._sure = _Secrets()
        self._renamed: dict[tuple[int, int], str] = {}
        self._known: set[int] = set()  # lines whose secrets are all blanked out by themselves
        # A dict is a set that keeps the order: a file may have thousands of mistakes.
        self._found: dict[tuple[Literal["error", "warning"], tuple[int, int], Path_, str], None] = {}

    def include(self, name: str, text: str, own: Findings) -> int:
        """Add an included file, with its `own` findings; gives the number of lines before it."""
        before = len(self._lines) + 1  # what is told of the end of a file has a line of its own
        self._lines += ["", *text.splitlines()]
        self._starts.append(before)
        self._names.append(name)
        for severity, (line, column), path, message in own._found:
            self.add((line + before, column), path, message, severity=severity)
        return before

    @property
    def files(self) -> tuple[tuple[str, int], ...]:
        """The names of all files, each with the number of lines before it."""
        return tuple(zip(self._names, self._starts, strict=True))

    def place(self, at: tuple[int, int]) -> tuple[str, int]:
        """The file of a place, and its line there."""
        index = bisect_right(self._starts, at[0] - 1) - 1
        return self._names[index], at[0] - self._starts[index]

    def line(self, at: tuple[int, int]) -> str:
        """A place in words for a message: `line 3`, with its file where there are several."""
        name, line = self.place(at)
        return f"line {line}" if len(self._names) == 1 else f"{name}:{line}"

    def hide(self, secret: str) -> None:
        """Blank this literal out of every source line."""
        self._secrets.add(secret)
        if len(secret) >= _SURE:
            self._sure.add(secret)

    def show(self, line: int, secrets: Iterable[str]) -> None:
        """Show a line below `keys:` with these secrets blanked out, in place of nothing of it.

        Where one of them is not there as it is, or a comment might hold another, it is left blank.
        """
        text = self._lines[line - 1]
        if "#" not in text and all(len(secret) >= _LEAST and secret in text for secret in secrets):
            self._known.add(line)

    def rename(self, places: Iterable[tuple[int, int]], words: str) -> None:
        """Have whatever is told of these places say that another name is written there."""
        self._renamed.update(dict.fromkeys(places, words))

    def add(
        self,
        at: tuple[int, int],
        path: Path_,
        message: str,
        *,
        severity: Literal["error", "warning"] = "error",
    ) -> None:
        if at in self._renamed:
            message = f"{message} ({self._renamed[at]})"
        self._found[severity, at, path, message] = None

    @property
    def failed(self) -> bool:
        return any(severity == "error" for severity, *_ in self._found)

    def sorted(self) -> tuple[Diagnostic, ...]:
        """All of them by their place; of very many the first errors, and how many more there are."""
        below_secrets = _lines_of_secrets(self._lines) if self._found else frozenset()
        found = sorted(self._found, key=lambda entry: (entry[0] != "error", entry[1]))
        told = tuple(
            self._told(*entry, below_secrets) for entry in sorted(found[:MAX_TOLD], key=lambda entry: entry[1])
        )
        if len(found) <= MAX_TOLD:
            return told
        severity, at, *_ = found[MAX_TOLD]
        more = f"{len(found) - MAX_TOLD:,} more findings are left out"
        return *told, Diagnostic(severity, *self.place(at), at[1], "", more)

    def _told(
        self,
        severity: Literal["error", "warning"],
        at: tuple[int, int],
        path: Path_,
        message: str,
        below_secrets: frozenset[int],
    ) -> Diagnostic:
        source = self._source(at[0], below_secrets)
        where, message = (self._sure.blanked(_shortened(text)) for text in (dotted(path), message))
        return Diagnostic(severity, *self.place(at), at[1], one_line(where), printable(message), source)

    def shown(self) -> str:
        """The whole text, keys blanked out."""
        below_secrets = _lines_of_secrets(self._lines)
        return "\n".join(self._source(number, below_secrets) for number in range(1, len(self._lines) + 1)) + "\n"

    def _source(self, line: int, below_secrets: frozenset[int]) -> str:
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        if len(text) > MAX_SOURCE:
            return ""
        text = self._secrets.blanked(text.replace("\t", " "))
        text = re.sub(_KEY_VALUE, _blank, text)
        if line in below_secrets and line not in self._known:
            text = re.sub(_ENTRY, _blank, text)
        return one_line(_without_credentials(text))


class _Secrets:
    """Literals that are blanked out. There may be thousands: a text is looked through once, not once for each."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._lengths: dict[str, set[int]] = {}  # of those that begin so

    def add(self, secret: str) -> None:
        if len(secret) >= _LEAST:
            self._known.add(secret)
            self._lengths.setdefault(secret[:_LEAST], set()).add(len(secret))

    def blanked(self, text: str) -> str:
        if not self._known:
            return text
        hidden = 0  # up to here
        made = list(text)
        for start in range(len(text)):
            for length in self._lengths.get(text[start : start + _LEAST], ()):
                if text[start : start + length] in self._known:
                    hidden = max(hidden, start + length)
            if start < hidden:
                made[start] = "*"
        return "".join(made)


def _lines_of_secrets(lines: list[str]) -> frozenset[int]:
    """The lines (from 1) below `api_keys:`, `headers:` and the like, by their indentation alone."""
    found: set[int] = set()
    head: int | None = None
    for number, line in enumerate(lines, 1):
        indent = len(line) - len(line.lstrip())
        deeper = head is not None and (indent > head or (indent == head and line.lstrip().startswith("- ")))
        if deeper or not line.strip():
            found.add(number)
        else:
            head = indent if len(line) <= MAX_SOURCE and re.fullmatch(_SECRET_BLOCK, line) else None
    return frozenset(found)


def _shortened(text: str) -> str:
    return _without_credentials(text if len(text) <= MAX_SOURCE else text[:MAX_SOURCE] + "…")


def _without_credentials(text: str) -> str:
    text = re.sub(_CREDENTIAL, lambda match: "*" * len(match[0]), text)
    return re.sub(_AFTER_PATH, lambda match: match["head"] + re.sub(_QUERY_VALUE, _blank, match["rest"]), text)


def has_credential(text: str) -> bool:
    """Whether something in it has the form of a key."""
    return re.search(_CREDENTIAL, text) is not None


def _blank(match: re.Match[str]) -> str:
    value = match["value"]
    # Names of variables are no secret and help the reader; anything else beside an api_key may be one.
    kept = is_variable(value) or (value.startswith("[") and all(map(is_variable, _items(value))))
    return match[0] if kept else match["head"] + "*" * len(value)


def is_variable(value: str) -> bool:
    """Whether this is one variable or secret file and nothing else, so that showing it gives nothing away."""
    return re.fullmatch(_REFERENCE, value.strip()) is not None


def _items(value: str) -> list[str]:
    return [item.strip() for item in value.strip("[]} ").split(",")]


def dotted(path: Path_) -> str:
    """`("routes", "chat", 0)` as `routes.chat.0`."""
    return ".".join(str(part) for part in path)


def shown_way(names: list[str]) -> str:
    """A way by arrows for people; of a long one the middle is left out."""
    few = names if len(names) <= _MAX_WAY else [*names[: _MAX_WAY // 2], "…", *names[-_MAX_WAY // 2 :]]
    return " → ".join(few)
