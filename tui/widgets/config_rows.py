"""Makes rows for the Config screen: YAML with colours and findings in place, differences, and the log of revisions."""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from router.config.diagnostics import Diagnostic
from router.views.file import ConfigView, Revision
from tui import format as as_text
from tui.theme import BAD, FAINT, FOUND, GOOD, INFO, MUTED, STRONG, TEXT, WARN
from tui.widgets.row_list import Line, Piece, Row

_TOKENS = re.compile(
    r"""(?P<comment>(?:^|(?<=\s))\#.*)"""
    r"""|(?P<string>"(?:[^"\\]|\\.){0,400}"|'[^']{0,400}')"""
    r"""|(?P<key>(?<![\w.$/*+-])[\w.$/*+-]{1,200})(?=\s*:(?:\s|$))"""
    r"""|(?P<number>(?<![\w.-])[$]?\d[\w.%/:]*)"""
    r"""|(?P<mark>[{}\[\],:|>&*!]|^\s*-(?=\s))"""
    r"""|(?P<word>(?<![\w-])(?:true|false|null)(?![\w-]))"""
)
_INKS = {"comment": FAINT, "string": GOOD, "key": INFO, "number": WARN, "mark": FAINT, "word": WARN}


def yaml_line(text: str) -> Iterator[Piece]:
    """Yield the coloured pieces of one line of YAML. It guesses by line, which is enough to read by."""
    end = 0
    for token in _TOKENS.finditer(text):
        if token.start() > end:
            yield text[end : token.start()], TEXT
        yield token.group(), _INKS[token.lastgroup or "mark"]
        end = token.end()
    if end < len(text):
        yield text[end:], TEXT


def marked(rows: Sequence[Row], text: str, *, margin: int = 0) -> tuple[list[Row], list[str]]:
    """Paint this text in rows wherever it stands, in any case of letters.

    Args:
        rows: The rows to search.
        text: What is searched for; "" paints nothing.
        margin: Characters at the left that belong to no text: line numbers and signs.

    Returns:
        All rows, and the keys of those that have the text.
    """
    painted: list[Row] = []
    keys: list[str] = []
    for row in rows:
        line = _painted(row.line, text.lower(), margin)
        if line != row.line and row.key is not None:
            keys.append(row.key)
        painted.append(Row(row.key, line))
    return painted, keys


def _painted(line: Line, text: str, margin: int) -> Line:
    whole = "".join(piece for piece, _ in line).lower()
    hits, start = set[int](), whole.find(text, margin)
    while text and start >= 0:
        hits.update(range(start, start + len(text)))
        start = whole.find(text, start + len(text))
    if not hits:
        return line
    painted: list[Piece] = []
    start = 0
    for piece, ink in line:
        for hit, letters in itertools.groupby(enumerate(piece, start), lambda letter: letter[0] in hits):
            painted.append(("".join(letter for _, letter in letters), FOUND if hit else ink))
        start += len(piece)
    return tuple(painted)


def file_rows(view: ConfigView, width: int) -> list[Row]:
    """Return the file as saved, with line numbers, and findings below their lines, which have keys `finding N`; then
    all files that it includes, each under its name.
    """
    starts = dict(view.files)
    names = {before + 1: name for name, before in view.files[1:]}
    by_line: dict[int, list[tuple[int, Diagnostic]]] = {}
    for number, finding in numbered(view.diagnostics):
        by_line.setdefault(finding.line + starts.get(finding.file, 0), []).append((number, finding))
    rows: list[Row] = []
    before = 0
    for line, text in enumerate(view.text.splitlines(), 1):
        if line + 1 in names:  # the line between two files
            rows.append(Row(f"line {line}", ((f" ── {as_text.home(names[line + 1])} ──", f"bold {MUTED}"),)))
            before = line
            continue
        wrong = any(finding.severity == "error" for _, finding in by_line.get(line, ()))
        mark = ("✗" if wrong else "!" if line in by_line else " ", BAD if wrong else WARN)
        rows.append(Row(f"line {line}", ((f"{line - before:>5} ", FAINT), mark, (" ", ""), *yaml_line(text))))
        for number, finding in by_line.get(line, ()):
            rows += _finding(finding, number, width)
    return rows


def numbered(findings: Sequence[Diagnostic]) -> list[tuple[int, Diagnostic]]:
    """Return findings as they stand in the file, with their numbers from 0."""
    files = {finding.file: number for number, finding in reversed(list(enumerate(findings)))}  # they come file by file
    return list(enumerate(sorted(findings, key=lambda finding: (files[finding.file], finding.line))))


def _finding(finding: Diagnostic, number: int, width: int) -> Iterator[Row]:
    style = BAD if finding.severity == "error" else WARN
    indent = 8 + max(0, finding.column - 1)
    room = max(30, width - min(indent, max(8, width - 40)) - 4)
    indent = min(indent, width - room)
    lines = textwrap.wrap(f"{finding.path}: {finding.message}" if finding.path else finding.message, room - 2) or [""]
    for index, text in enumerate(lines):
        sign = "▲ " if index == 0 else "  "
        key = f"finding {number}" if index == 0 else None
        yield Row(key, ((" " * indent, ""), (sign, style), (text, style)))


def difference_rows(lines: Sequence[str]) -> list[Row]:
    """Return a unified difference, where a sign too tells what came and what went."""
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


def log_rows(view: ConfigView, width: int) -> list[Row]:
    """Return a row for each revision, the newest on top."""
    log, running = view.log, view.revision
    rows = []
    accepted = (number for number, revision in enumerate(log) if revision.accepted and revision.revision == running)
    current = next(accepted, None)
    for number, revision in enumerate(log):
        sign, style = ("✓", GOOD) if revision.accepted else ("✗", BAD)
        findings = "; ".join(_short(finding, view) for finding in revision.diagnostics)
        summary = "; ".join(revision.changes) or revision.problem or findings
        if revision.accepted and not summary:
            summary = "the first" if number == len(log) - 1 else "nothing that shows"
        word = "runs" if number == current else "" if revision.accepted else "rejected"
        head: Line = (
            (f" {as_text.clock(revision.time)} ", MUTED),
            (f"{sign} ", style),
            (f"{revision.revision[:7] if revision.accepted else '':<8}", STRONG),
            (f"{word:<9}", style),
        )
        rows.append(Row(f"revision {number}", (*head, (as_text.fit(summary, max(10, width - 30)).rstrip(), TEXT))))
    return rows


def _short(finding: Diagnostic, view: ConfigView) -> str:
    """Return a finding with its place, in one line."""
    key = f" {finding.path}:" if finding.path else ""
    return f"{place_of(finding, included=finding.file in dict(view.files[1:]))}{key} {finding.message}"


def place_of(finding: Diagnostic, *, included: bool) -> str:
    """Return the line and column of a finding, with its file where that is an included one."""
    place = f"{finding.line}:{finding.column}"
    return f"{PurePath(finding.file).name}:{place}" if included else place


def revision_rows(revision: Revision, width: int) -> list[Row]:
    """Return what one revision changed, and why it was rejected."""
    said = [(text, TEXT) for text in (*revision.changes, *([revision.problem] if revision.problem else []))]
    said += [(text, BAD) for finding in revision.diagnostics for text in finding.render().splitlines()]
    rows = [Row(None, ((as_text.fit(f"  {text}", width).rstrip(), style),)) for text, style in said]
    if rows:
        rows.append(Row(None, ()))
    return [*rows, *difference_rows(revision.difference)] or [Row(None, (("  it was the first", MUTED),))]
