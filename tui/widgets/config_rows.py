"""Text as rows: YAML with colours and findings in place, differences, and the log of revisions."""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Iterator, Sequence

from router.config.diagnostics import Diagnostic
from router.views.file import ConfigView, Revision
from tui import format as as_text
from tui.theme import BAD, FAINT, FOUND, GOOD, INFO, MUTED, STRONG, TEXT, WARN
from tui.widgets.row_list import Line, Piece, Row

_TOKENS = re.compile(
    r"""(?P<comment>(?:^|(?<=\s))\#.*)"""
    r"""|(?P<string>"(?:[^"\\]|\\.)*"|'[^']*')"""
    r"""|(?P<key>[\w.$/*+-]+)(?=\s*:(?:\s|$))"""
    r"""|(?P<number>(?<![\w.-])[$]?\d[\w.%/:]*)"""
    r"""|(?P<mark>[{}\[\],:|>&*!]|^\s*-(?=\s))"""
    r"""|(?P<word>(?<![\w-])(?:true|false|null)(?![\w-]))"""
)
_INKS = {"comment": FAINT, "string": GOOD, "key": INFO, "number": WARN, "mark": FAINT, "word": WARN}


def yaml_line(text: str) -> Iterator[Piece]:
    """The pieces of one line of YAML. It guesses by line, which is enough to read by."""
    end = 0
    for found in _TOKENS.finditer(text):
        if found.start() > end:
            yield text[end : found.start()], TEXT
        yield found.group(), _INKS[found.lastgroup or "mark"]
        end = found.end()
    if end < len(text):
        yield text[end:], TEXT


def marked(rows: Sequence[Row], text: str, *, margin: int = 0) -> tuple[list[Row], list[str]]:
    """The rows with this text painted wherever it stands, in any case of letters, and the keys of those that have it.

    Args:
        margin: characters at the left that belong to no text: line numbers and signs.
    """
    found: list[Row] = []
    keys: list[str] = []
    for row in rows:
        line = _painted(row.line, text.lower(), margin)
        if line != row.line and row.key is not None:
            keys.append(row.key)
        found.append(Row(row.key, line))
    return found, keys


def _painted(line: Line, text: str, margin: int) -> Line:
    whole = "".join(piece for piece, _ in line).lower()
    hits, at = set[int](), whole.find(text, margin)
    while text and at >= 0:
        hits.update(range(at, at + len(text)))
        at = whole.find(text, at + len(text))
    if not hits:
        return line
    painted: list[Piece] = []
    at = 0
    for piece, ink in line:
        for hit, letters in itertools.groupby(enumerate(piece, at), lambda each: each[0] in hits):
            painted.append(("".join(letter for _, letter in letters), FOUND if hit else ink))
        at += len(piece)
    return tuple(painted)


def file_rows(view: ConfigView, width: int) -> list[Row]:
    """The file as saved with line numbers, findings below their lines; those have keys `finding N`."""
    by_line: dict[int, list[Diagnostic]] = {}
    for finding in view.diagnostics:
        by_line.setdefault(finding.line, []).append(finding)
    rows: list[Row] = []
    number = 0
    for line, text in enumerate(view.text.splitlines(), 1):
        wrong = any(each.severity == "error" for each in by_line.get(line, ()))
        mark = ("✗" if wrong else "!" if line in by_line else " ", BAD if wrong else WARN)
        rows.append(Row(f"line {line}", ((f"{line:>5} ", FAINT), mark, (" ", ""), *yaml_line(text))))
        for finding in by_line.get(line, ()):
            rows += _finding(finding, number, width)
            number += 1
    return rows


def _finding(finding: Diagnostic, number: int, width: int) -> Iterator[Row]:
    style = BAD if finding.severity == "error" else WARN
    indent = 8 + max(0, finding.column - 1)
    room = max(30, width - min(indent, max(8, width - 40)) - 4)
    indent = min(indent, width - room)
    told = textwrap.wrap(f"{finding.path}: {finding.message}" if finding.path else finding.message, room - 2) or [""]
    for index, text in enumerate(told):
        sign = "▲ " if index == 0 else "  "
        key = f"finding {number}" if index == 0 else None
        yield Row(key, ((" " * indent, ""), (sign, style), (text, style)))


def difference_rows(lines: Sequence[str]) -> list[Row]:
    """A unified difference; what came and what went is told by its sign too."""
    rows = []
    for number, text in enumerate(lines):
        if text.startswith(("---", "+++")):
            line: Line = ((f"  {text}", f"bold {MUTED}"),)
        elif text.startswith("@@"):
            line = ((f"  {text}", INFO),)
        elif text.startswith("+"):
            line = (("  + ", f"bold {GOOD}"), (text[1:], GOOD))
        elif text.startswith("-"):
            line = (("  - ", f"bold {BAD}"), (text[1:], BAD))
        else:
            line = (("    ", ""), (text[1:], MUTED))
        rows.append(Row(f"difference {number}", line))
    return rows


def log_rows(log: Sequence[Revision], running: str, width: int) -> list[Row]:
    """A row a revision, the newest on top."""
    rows = []
    current = next((number for number, each in enumerate(log) if each.accepted and each.revision == running), None)
    for number, each in enumerate(log):
        sign, style = ("✓", GOOD) if each.accepted else ("✗", BAD)
        told = "; ".join(each.changes) or each.problem or ("; ".join(found.message for found in each.diagnostics))
        if each.accepted and not told:
            told = "the first" if number == len(log) - 1 else "nothing that shows"
        word = "runs" if number == current else "" if each.accepted else "rejected"
        head: Line = (
            (f" {as_text.clock(each.time)} ", MUTED),
            (f"{sign} ", style),
            (f"{each.revision[:7] if each.accepted else '':<8}", STRONG),
            (f"{word:<9}", style),
        )
        rows.append(Row(f"revision {number}", (*head, (as_text.fit(told, max(10, width - 30)).rstrip(), TEXT))))
    return rows


def revision_rows(revision: Revision, width: int) -> list[Row]:
    """What one revision changed, and why it was rejected."""
    said = [(text, TEXT) for text in (*revision.changes, *([revision.problem] if revision.problem else []))]
    said += [(text, BAD) for finding in revision.diagnostics for text in finding.render().splitlines()]
    rows = [Row(None, ((as_text.fit(f"  {text}", width).rstrip(), style),)) for text, style in said]
    if rows:
        rows.append(Row(None, ()))
    return [*rows, *difference_rows(revision.difference)] or [Row(None, (("  it was the first", MUTED),))]
