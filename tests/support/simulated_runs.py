"""Prints the runs that docs/simulate.md shows: `make runs`. A test holds the page to what the command prints today."""

from __future__ import annotations

import re
import shlex

from tests.support.command import Run, environment, ran
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "simulate.md"
RUN = re.compile(r"    signalbox (?P<words>simulate docs/\S+ -s docs/\S+)\n\n(?P<shown>(?:(?: {4}.*)?\n)+)")
_TOOK = re.compile(r"simulated in [\d.]+ s")  # by this machine, this time


def run(words: str) -> Run:
    """Run the command as the page says."""
    return ran(shlex.split(words), ROOT, environment())


def indented(printed: str) -> str:
    """What was printed as the page shows it: without the first line, which repeats the command."""
    return "".join(f"    {line}".rstrip() + "\n" for line in printed.splitlines()[1:]) + "\n"


def is_the_same(one: str, other: str) -> bool:
    """Whether two runs printed the same; how long they took is the machine's affair."""
    return _TOOK.sub("", one) == _TOOK.sub("", other)


def _made_anew(shown: re.Match[str]) -> str:
    today = indented(run(shown["words"]).out)
    return f"    signalbox {shown['words']}\n\n{shown['shown'] if is_the_same(today, shown['shown']) else today}"


if __name__ == "__main__":
    PAGE.write_text(RUN.sub(_made_anew, PAGE.read_text()))
