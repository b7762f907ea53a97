"""Writes logs of requests, for those who read them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from router.request_log.lines import Line, name_at
from router.views.trace import Attempt

BEGIN = 1_800_000_000.0


def write_log(folder: Path, lines: Iterable[Line]) -> Path:
    """Write lines as a router does: by when they ended, a file an hour."""
    folder.mkdir(parents=True, exist_ok=True)
    for line in sorted(lines, key=lambda line: line.time + line.seconds):
        with (folder / name_at(line.time + line.seconds)).open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
    return folder


def line(number: int, at: float, seconds: float = 1.0, target: str | None = "mini", **more: Any) -> Line:
    """Make the line of a request that began `at` seconds after BEGIN."""
    told = {"route": "chat", "provider": "openai", "input_tokens": 1000, "output_tokens": 101, "cost": 0.001}
    return Line(BEGIN + at, f"p-{number}", seconds=seconds, target=target, **(told | more))


def fell_back(number: int, at: float, code: str = "rate_limited", **more: Any) -> Line:
    """Make the line of a request that `mini` failed and `llama` answered."""
    entries = (Attempt("mini", 0, 0.0, 0.2, code=code, status=429), Attempt("llama", 1, 0.2, 1.0))
    return line(number, at, 1.2, "llama", provider="groq", attempts=2, tier=1, entries=entries, **more)
