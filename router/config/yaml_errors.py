"""Says what is wrong with a text that is not YAML, and how to mend it, in place of a parser's own words.

Both parsers of PyYAML are understood: libyaml's, and the one in Python. A value is never repeated: it may be a key.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import yaml

Place = tuple[int, int]
TOO_DEEP = "nested more than {} levels deep"

_FOLDED = r":\s+(>=?\s*[0-9$][^,}#]*)"  # a comparison, which YAML takes for the head of a block
_NO_SPACE = r"\s*(?:- )?[\w.-]+:(?=[^\s/:])"
_KEY = r"\s*(?:- )?[^\s#\"'{\[][^#]*?:(?:\s|$)"
_MERGE = r"(?m)(<{7}|={7}|>{7})(?: |$)"
_TABLE = r"\s*\[[\w. \"-]+\]\s*$"
_MARKUP = r"\s*<[!?a-zA-Z]"


class _Fault(msgspec.Struct, frozen=True):
    """A parser's error, with the text around it. Places count from 1."""

    text: str
    words: str  # the parser's
    line: int
    column: int
    began: Place | None  # where the collection or text begins that was being read

    @property
    def source(self) -> str:
        return self._line(self.line)

    @property
    def found(self) -> str:
        """The character at which it stopped."""
        return self.source[self.column - 1 : self.column]

    def _line(self, number: int) -> str:
        lines = self.text.splitlines()
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def above(self) -> tuple[int, str]:
        """The last line before it that says anything, with its number; (0, "") for none."""
        for number in range(self.line - 1, 0, -1):
            line = self._line(number)
            if line.strip() and not line.lstrip().startswith("#"):
                return number, line.split(" #")[0].rstrip()
        return 0, ""

    def opening(self) -> tuple[Place, str]:
        """Where the bracket or quote is that was being read, and which."""
        line, column = self.began or (self.line, self.column)
        return (line, column), self._line(line)[column - 1 : column]


_Told = tuple[Place, str] | None


def explain(error: yaml.MarkedYAMLError, text: str, most_levels: int) -> tuple[Place, str]:
    """Return where a text is wrong (line and column, from 1), and what to do.

    Args:
        most_levels: how deep it may be nested.
    """
    mark = error.problem_mark or error.context_mark
    began = error.context_mark
    fault = _Fault(
        text,
        f"{error.context or ''}: {error.problem or ''}",
        *((mark.line + 1, mark.column + 1) if mark else (1, 1)),
        (began.line + 1, began.column + 1) if began else None,
    )
    if "nesting depth" in fault.words:  # libyaml's own bound, which some versions reach before ours
        return (fault.line, fault.column), TOO_DEEP.format(most_levels)
    for rule in _RULES:
        if (told := rule(fault)) is not None:
            return told
    return (fault.line, fault.column), f"this is not YAML: {error.problem or error.context}"


# --- what it is in place of YAML


def _conflict(fault: _Fault) -> _Told:
    if (mark := re.search(_MERGE, fault.text)) is None:
        return None
    return (fault.text.count("\n", 0, mark.start()) + 1, 1), f"a conflict of a merge was left here ({mark[1]})"


def _other_format(fault: _Fault) -> _Told:
    first = next((line for line in fault.text.splitlines() if line.strip() and not line.startswith("#")), "")
    kind = "TOML or INI" if re.match(_TABLE, first) else "HTML or XML" if re.match(_MARKUP, first) else ""
    return ((1, 1), f"this looks like {kind}; the file is written in YAML, such as {_SUCH}") if kind else None


_SUCH = '`providers: {openai: {kind: openai, api_key: "${OPENAI_API_KEY}"}}`'


def _documents(fault: _Fault) -> _Told:
    if "single document" in fault.words:
        return (fault.line, fault.column), "a second document (---); one file has one"
    return None


# --- text that needs quotes


def _variable(fault: _Fault) -> _Told:
    source, column = fault.source, fault.column
    if source[max(column - 2, 0) : column] != "${":
        return None
    end = source.find("}", column)
    name = source[column - 2 : end + 1] if end > 0 else "${NAME}"
    return (fault.line, column - 1), f'inside [ ] or {{ }} a variable needs quotes: "{name}"'


def _comparison(fault: _Fault) -> _Told:
    folded = re.search(_FOLDED, fault.source)
    if folded is None or not folded.start(1) < fault.column <= folded.end():
        return None
    return (fault.line, folded.start(1) + 1), f'a value that begins with > needs quotes: "{folded[1].strip()}"'


def _tab(fault: _Fault) -> _Told:
    return ((fault.line, fault.column), "a tab; YAML is written with spaces") if fault.found == "\t" else None


def _first_character(fault: _Fault) -> _Told:
    line, column = fault.line, fault.column
    if "cannot start any token" in fault.words:
        return (line, column), f'text that begins with {fault.found} needs quotes: "{fault.found}…"'
    if "scanning an alias" in fault.words or "scanning an anchor" in fault.words:
        (line, column), sign = fault.opening()
        return (line, column), f'text that begins with {sign} needs quotes: "{sign}…"'
    if "undefined alias" in fault.words:
        return (line, column), 'nothing above has this anchor (&name); text that begins with * needs quotes: "*…"'
    if "constructor for the tag" in fault.words or "tag handle" in fault.words or "scanning a tag" in fault.words:
        return (line, column), 'tags are not read; text that begins with ! needs quotes: "!…"'
    if "unknown escape character" in fault.words:
        return (line, column), "a backslash between double quotes is written twice, or use single quotes: '…'"
    return None


def _quote(fault: _Fault) -> _Told:
    if fault.source[fault.column - 2 : fault.column - 1] in ("'", '"') and fault.found not in (" ", "}", "]", ":", ""):
        return (fault.line, fault.column), "text behind its closing quote: quote all of it, or nothing"
    if "quoted scalar" not in fault.words:
        return None
    at, sign = fault.opening()
    return at, f"the text that begins here with {sign or 'a quote'} has no {sign or 'quote'} at its end"


# --- brackets


def _bracket(fault: _Fault) -> _Told:
    at, sign = fault.opening()
    closing = {"{": "}", "[": "]"}.get(sign)
    if "flow node" in fault.words or "node content" in fault.words:
        return (fault.line, fault.column), "a value is missing here, between two commas or brackets"
    if closing is None or "flow" not in fault.words:
        return None
    if fault.found in ("}", "]"):
        return (
            fault.line,
            fault.column,
        ), f"{fault.found} closes nothing here: {sign} in line {at[0]} needs its {closing}"
    if fault.line > at[0] and (re.match(_KEY, fault.source) or not fault.source.strip()):
        return at, f"{sign} has no {closing}"
    return (fault.line, fault.column), f"a comma is missing before this, or the {closing} of {sign} in line {at[0]}"


def _closes_nothing(fault: _Fault) -> _Told:
    if fault.found not in ("}", "]") or re.match(_NO_SPACE, fault.source):
        return None
    return (fault.line, fault.column), f"{fault.found} closes nothing: take it out"


# --- keys and their indent


def _colon(fault: _Fault) -> _Told:
    number, above = fault.above()
    if "could not find expected ':'" in fault.words:
        if above.lstrip().startswith("-"):
            return (number, above.index("-") + 2), "a space is missing here, after the -"
        return (number, len(above) + 1), "a colon is missing in this line, after its key"
    if "mapping values are not allowed" not in fault.words:
        return None
    before = fault.source[: fault.column - 1]
    if (key := re.match(_KEY, before + " ")) and before[key.end() :].strip():
        return (fault.line, fault.column), 'text with ": " in it needs quotes: key: "one: two"'
    if (glued := _glued(number, above)) is not None:
        return glued
    if not re.match(_KEY, above):
        return (number, len(above) + 1), f'a colon is missing here: "{above.strip()}:"' if _is_name(above) else (
            "a colon is missing in this line, after its key"
        )
    return _indent(fault, number, above)


def _glued(number: int, line: str) -> _Told:
    found = re.match(_NO_SPACE, line)
    if found is None:
        return None
    return (number, found.end() + 1), f"a space is missing here, after the colon of {found[0].strip(' -')}"


def _is_name(line: str) -> bool:
    word = line.strip().replace("_", "")
    return word.isascii() and word.isalpha() and len(word) <= 20


def _indent(fault: _Fault, number: int, above: str) -> tuple[Place, str]:
    indent, other = _spaces(fault.source), _spaces(above)
    return (fault.line, indent + 1), (
        f"{indent} space{'' if indent == 1 else 's'} before this key, and {other} in line {number}: "
        "keys of one section begin in one column"
    )


def _spaces(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _structure(fault: _Fault) -> _Told:
    if "block mapping" not in fault.words and "block collection" not in fault.words:
        return None
    source, at = fault.source, (fault.line, fault.column)
    if (glued := _glued(fault.line, source)) is not None:
        return glued
    if source[fault.column - 1 :].startswith("- "):
        return at, "an item of a list (-) among keys: it belongs under one of them, indented"
    if "block collection" in fault.words:
        return at, "a key among the items of a list: it needs a - before it, or more spaces than the item above has"
    number, above = fault.above()
    if _spaces(source) != _spaces(above):
        return _indent(fault, number, above)
    return at, "a key is expected here (key: value)"


_RULES: tuple[Callable[[_Fault], _Told], ...] = (
    *(_conflict, _other_format, _documents, _variable, _comparison, _tab, _first_character, _quote, _bracket),
    *(_closes_nothing, _colon, _structure),
)
