"""A picture that moves, of a recorded terminal session: one SVG without scripts, fonts or anything else from elsewhere.

Every version of a line is a group that is shown from when it was written to when it was changed, by a CSS animation;
the whole scrolls by another one. Where nothing moves (it is not supported, or not wanted) the session's end is seen.
"""

from __future__ import annotations

import json
from html import escape
from itertools import groupby
from typing import NamedTuple

import pyte
from pyte.screens import Char

_FRAME = 0.08  # seconds: what changes within is one change
_HOLD = 5.0  # seconds that the end is shown
_WIDTH, _HEIGHT, _SIZE = 8.4, 18.0, 14  # of a cell and of its font, in pixels
_EDGE, _TOP = 14.0, 40.0
_COLORS = {
    "default": "#dfe7ea", "black": "#5c6a72", "brightblack": "#93a1a8", "red": "#ff9d94", "green": "#7fd6b6",
    "brown": "#f5c065", "yellow": "#f5c065", "blue": "#8ab8ff", "magenta": "#d6a8f0", "cyan": "#7fd1d8",
    "white": "#dfe7ea",
}  # fmt: skip
_BUTTONS = {20: "#ff5f57", 40: "#febc2e", 60: "#28c840"}
_FONT = 'ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace'


class _Run(NamedTuple):
    """Characters of one look, from a column on."""

    column: int
    text: str
    color: str
    bold: bool
    reverse: bool


class _Version(NamedTuple):
    """A line as it was for a while; `until` is None for the last."""

    row: int
    runs: tuple[_Run, ...]
    since: float
    until: float | None


def picture(cast: str) -> str:
    """Draw a cast."""
    header, *events = (json.loads(line) for line in cast.splitlines())
    columns, rows = header["width"], header["height"]
    versions, tops, end = _versions(events, columns, rows)
    whole = end + _HOLD
    width, height = columns * _WIDTH + 2 * _EDGE, rows * _HEIGHT + _TOP + _EDGE
    spans = {(each.since, each.until): number for number, each in enumerate(versions)}
    style = [
        f"text{{font:{_SIZE}px {_FONT};fill:{_COLORS['default']}}}", ".b{font-weight:bold}",
        *(f".{name}{{fill:{color}}}" for name, color in _COLORS.items() if name != "default"),
        *(_shown(number, since, until, whole) for (since, until), number in spans.items()), _scroll(tops, whole),
        "@media (prefers-reduced-motion:reduce){g{animation:none!important}}",
    ]  # fmt: skip
    lines = [
        f'<g class="v{spans[each.since, each.until]}">{"".join(_drawn(run, each.row) for run in each.runs)}</g>'
        for each in versions
        if each.runs
    ]
    title = escape(header.get("title", ""))
    return "\n".join((
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img"><title>{title}</title>',
        f"<style>{chr(10).join(style)}</style>",
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="#11181d"/>',
        *(f'<circle cx="{x}" cy="20" r="6" fill="{color}"/>' for x, color in _BUTTONS.items()),
        f'<text x="{width / 2:g}" y="25" text-anchor="middle" class="brightblack">{title}</text>',
        f'<svg x="{_EDGE:g}" y="{_TOP:g}" width="{columns * _WIDTH:g}" height="{rows * _HEIGHT:g}"><g class="s">',
        *lines, "</g></svg>", "</svg>", "",
    ))  # fmt: skip


def _versions(
    events: list[tuple[float, str, str]], columns: int, rows: int
) -> tuple[list[_Version], list[tuple[float, int]], float]:
    """Play the session: the versions of its lines, when which line was the topmost, and when it ends."""
    screen = pyte.HistoryScreen(columns, rows, history=10_000)
    stream = pyte.Stream(screen)
    done: list[_Version] = []
    now: dict[int, tuple[float, tuple[_Run, ...]]] = {}
    tops: list[tuple[float, int]] = [(0.0, 0)]
    for frame, group in groupby(events, key=lambda event: int(event[0] / _FRAME)):
        for event in group:
            stream.feed(event[2].replace("\x1b[2m", "\x1b[90m"))  # faint: pyte knows only gray
        seconds, top = frame * _FRAME, len(screen.history.top)
        if tops[-1][1] != top:
            tops.append((seconds, top))
        for y in range(-min(top, rows), rows):
            line = screen.buffer[y] if y >= 0 else screen.history.top[top + y]
            cursor = screen.cursor.x if y == screen.cursor.y else None
            runs = tuple(_runs([line[x] for x in range(columns)], cursor))
            before = now.get(top + y, (0.0, ()))
            if runs != before[1]:
                if before[1]:
                    done.append(_Version(top + y, before[1], before[0], seconds))
                now[top + y] = seconds, runs
    done += [_Version(row, runs, since, None) for row, (since, runs) in now.items() if runs]
    return done, tops, events[-1][0]


def _runs(cells: list[Char], cursor: int | None) -> list[_Run]:
    """Cells of one look are one run; empty ones between them are none."""
    looks = [
        (cell.fg if cell.fg in _COLORS else "default", cell.bold, cell.reverse != (column == cursor))
        for column, cell in enumerate(cells)
    ]
    runs = []
    for look, group in groupby(range(len(cells)), key=lambda column: looks[column]):
        places = list(group)
        text = "".join(cells[column].data for column in places)
        if text.strip() or look[2]:
            start = 0 if look[2] else len(text) - len(text.lstrip())
            runs.append(_Run(places[0] + start, text[start:] if look[2] else text.strip(), *look))
    return runs


def _drawn(run: _Run, row: int) -> str:
    x, y, length = run.column * _WIDTH, row * _HEIGHT, len(run.text) * _WIDTH
    if run.reverse and not run.text.strip():  # the cursor
        return f'<rect x="{x:.1f}" y="{y + 1:g}" width="{length:.1f}" height="{_HEIGHT - 2:g}" fill="#93a1a8"/>'
    names = " ".join(name for name in (run.color if run.color != "default" else "", "b" if run.bold else "") if name)
    look = f' class="{names}"' if names else ""
    text = escape(run.text, quote=False).replace(" ", "&#160;")
    return f'<text x="{x:.1f}" y="{y + 13:g}" textLength="{length:.1f}"{look}>{text}</text>'


def _shown(number: int, since: float, until: float | None, whole: float) -> str:
    steps = ["0%{opacity:0}"] if since else []
    steps.append(f"{_percent(since, whole)}{{opacity:1}}")
    steps.append("to{opacity:1}" if until is None else f"{_percent(until, whole)}{{opacity:0}}to{{opacity:0}}")
    rest = "" if until is None else "opacity:0;"
    rule = f".v{number}{{{rest}animation:k{number} {whole:.2f}s step-end infinite}}"
    return f"{rule}@keyframes k{number}{{{''.join(steps)}}}"


def _scroll(tops: list[tuple[float, int]], whole: float) -> str:
    def moved(top: int) -> str:
        return f"{{transform:translateY({-top * _HEIGHT:g}px)}}"

    steps = "".join(f"{_percent(seconds, whole)}{moved(top)}" for seconds, top in tops)
    last = moved(tops[-1][1])
    return f".s{last[:-1]};animation:s {whole:.2f}s step-end infinite}}@keyframes s{{{steps}to{last}}}"


def _percent(seconds: float, whole: float) -> str:
    return f"{seconds / whole * 100:.2f}%"
