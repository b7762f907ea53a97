"""A trace as a waterfall: attempts, skips and pauses of one request on one axis of time.

The trace dialog draws it, and the Try screen below an answer.
"""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from router.views.requests import TraceView
from router.views.trace import Attempt, Entry, Pause, Skip
from tui import format as as_text
from tui.theme import BAD, FAINT, GOOD, INFO, MUTED, STRONG, TEXT, WARN

_NAME, _TOOK = 20, 9  # cells for names and durations; names have fewer in a narrow column


def waterfall(trace: TraceView, width: int) -> list[Content]:
    """Return the lines of a trace, `width` cells wide. Under each bar stands what is to be said of it."""
    names = _NAME if width >= 60 else 12
    room = max(6, width - names - _TOOK)
    ends = [entry.at + getattr(entry, "seconds", 0.0) for entry in trace.entries]
    total = max([trace.seconds, trace.record.seconds, *ends, 1e-6])
    lines = [_axis(total, names, room)]
    for entry in trace.entries:
        lines += _entry(entry, total, names, width)
    if not trace.entries:
        lines.append(Content.styled("no call was made", MUTED))
    return lines


LEGEND = Content.assemble(
    ("╌╌", INFO),
    (" waits for the first token  ", FAINT),
    ("━━", GOOD),
    (" streams  ", FAINT),
    ("━✗", BAD),
    (" fails  ", FAINT),
    ("┄┄", WARN),
    (" waits to retry", FAINT),
)


def _axis(total: float, names: int, room: int) -> Content:
    left, middle, right = "0", as_text.seconds(total / 2), as_text.seconds(total)
    line = [" "] * room
    line[0] = left
    for text, start in ((middle, room // 2 - len(middle) // 2), (right, room - len(right))):
        if start > 1 + (len(right) + len(middle) if text == middle and room < 30 else 0):
            line[start : start + len(text)] = text
    return Content.styled(" " * names + "".join(line), FAINT)


def _entry(entry: Entry, total: float, names: int, width: int) -> Iterator[Content]:
    room = max(6, width - names - _TOOK)
    start = min(room - 1, round(entry.at / total * room))
    if isinstance(entry, Skip):
        sentence = f"skipped: {entry.reason}{', ' + entry.message if entry.message else ''}"
        yield Content.assemble(
            (as_text.fit(_name(entry), names), MUTED),
            (" " * start + "· ", FAINT),
            (as_text.fit(sentence, max(1, width - names - start - 2)).rstrip(), MUTED),
        )
        return
    length = max(1, min(room - start, round(entry.seconds / total * room)))
    name = as_text.fit(_label(entry), names - 1) + " "
    took = as_text.right(as_text.seconds(entry.seconds), _TOOK)
    bar = _pause_bar(length) if isinstance(entry, Pause) else _bar(entry, length)
    gap = " " * (room - start - length)
    quiet = isinstance(entry, Pause) or entry.lost
    yield Content.assemble((name, MUTED if quiet else STRONG), (" " * start, ""), *bar, (gap, ""), (took, TEXT))
    if isinstance(entry, Attempt):
        detail = _detail(entry)
        if detail:
            style = MUTED if entry.code is None or entry.lost else BAD
            yield Content.styled("  " + as_text.fit(detail, max(1, width - 2)).rstrip(), style)


def _label(entry: Attempt | Pause) -> str:
    if isinstance(entry, Pause):
        return "  pause"
    key = f" key {entry.key}" if entry.key else ""
    return f"{_name(entry)}{key}{' hedge' if entry.hedge else ''}"


def _name(entry: Attempt | Skip) -> str:
    chain = f"{entry.chain}: " if entry.chain else ""
    return f"{_tier(entry.tier)}{chain}{entry.target}"


def _tier(tier: int) -> str:
    return "" if not tier else f"↳{tier} " if tier > 1 else "↳ "


def _pause_bar(length: int) -> tuple[tuple[str, str], ...]:
    return (("┄" * length, WARN),)


def _bar(entry: Attempt, length: int) -> tuple[tuple[str, str], ...]:
    if entry.lost:
        return (("╌" * (length - 1), FAINT), ("✗", FAINT))
    if entry.code is not None:
        return (("━" * (length - 1), BAD), ("✗", f"bold {BAD}"))
    first = entry.seconds if entry.first_token is None else entry.first_token
    waiting = min(length - (1 if first < entry.seconds else 0), round(first / max(entry.seconds, 1e-9) * length))
    return (("╌" * waiting, INFO), ("━" * (length - waiting), GOOD))


def _detail(entry: Attempt) -> str:
    """Return the code, the status, the vendor's words, and the vendor's id of the request."""
    parts = []
    if entry.lost:
        parts.append("lost: another was faster")
    elif entry.code is not None:
        parts.append(f"{entry.code}{f' HTTP {entry.status}' if entry.status else ''}")
    if entry.message:
        parts.append(" ".join(entry.message.split()))
    if entry.code is None and entry.first_token is not None:
        parts.append(f"first token after {as_text.seconds(entry.first_token)}")
    if entry.request_id:
        parts.append(entry.request_id)
    return "  ".join(parts)
