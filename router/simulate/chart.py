"""A course over time in block characters, one column a bin."""

from __future__ import annotations

from collections.abc import Sequence

from router.config.units import format_duration

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def bars(values: Sequence[float], top: float, *, rows: int = 1) -> list[str]:
    """Rows of text, the upper one first; `top` fills all of them. What is not 0 is always seen."""
    if top <= 0:
        return [" " * len(values)] * rows
    heights = [min(rows * 8, max(1, round(value / top * rows * 8))) if value > 0 else 0 for value in values]
    return ["".join(_EIGHTHS[min(8, max(0, height - row * 8))] for height in heights) for row in reversed(range(rows))]


def lane(parts: Sequence[float]) -> str:
    """How much of each bin something was so: not at all, partly, wholly."""
    return "".join("·" if part <= 0 else "▄" if part < 0.5 else "█" for part in parts)


def axis(duration: float, width: int) -> str:
    """Times from 0 to `duration` (seconds), each beginning below the column that it names; the last ends there."""
    quarters = [format_duration(round(duration * part / 4)) for part in range(5)]
    line = ""
    for part, text in enumerate(quarters[:-1]):
        line = line.ljust(part * width // 4) + text + " "
    return line[: width - len(quarters[-1]) - 1].ljust(width - len(quarters[-1])) + quarters[-1]
