"""Patterns of names: `*` is any text, `?` one character, and nothing else is special: names of models have brackets."""

from __future__ import annotations

import re
from fnmatch import translate


def is_glob(text: str) -> bool:
    """Whether it is a pattern and no plain name."""
    return "*" in text or "?" in text


def compiled(glob: str) -> re.Pattern[str]:
    """What matches the names that a pattern fits."""
    return re.compile(translate(glob.replace("[", "[[]")))


def specificity(glob: str) -> tuple[int, int, int]:
    """How much of a name a pattern fixes, the more the higher: characters of its own, then places for one character,
    then the fewer texts of any length.
    """
    stars, ones = glob.count("*"), glob.count("?")
    return len(glob) - stars - ones, ones, -stars


def common_name(one: str, other: str) -> str | None:
    """A name that both patterns fit, None where there is none. The time is that of the product of their lengths."""
    if not _could_meet(one, other):
        return None
    ways = {(0, 0): ""}  # how much of each is used up, with the name so far
    for i in range(len(one) + 1):
        for j in range(len(other) + 1):
            name = ways.get((i, j))
            if name is None:
                continue
            a, b = one[i : i + 1], other[j : j + 1]
            for step, more in _steps(a, b):
                ways.setdefault((i + step[0], j + step[1]), name + more)
    return ways.get((len(one), len(other)))


def _steps(a: str, b: str) -> list[tuple[tuple[int, int], str]]:
    """What can follow: how far each pattern goes on, and what the name gets."""
    steps: list[tuple[tuple[int, int], str]] = []
    if a == "*":
        steps.append(((1, 0), ""))  # it ends here
        if b and b != "*":
            steps.append(((0, 1), "x" if b == "?" else b))
    if b == "*":
        steps.append(((0, 1), ""))
        if a and a != "*":
            steps.append(((1, 0), "x" if a == "?" else a))
    elif a and b and a != "*" and (a == b or "?" in (a, b)):
        steps.append(((1, 1), ("x" if b == "?" else b) if a == "?" else a))
    return steps


def _could_meet(one: str, other: str) -> bool:
    """Whether what they begin with, and what they end with, allows a name in common: for most that decides."""
    for text, its in ((one, other), (one[::-1], other[::-1])):
        a, b = re.split(r"[*?]", text, maxsplit=1)[0], re.split(r"[*?]", its, maxsplit=1)[0]
        if not (a.startswith(b) or b.startswith(a)):
            return False
    return True
