"""What a run of `benchmarks.gateways` tells, and its place in the documentation.

Results are `{name: {"cpu": {case: [seconds a request, a round each]}, "memory": bytes, "start": seconds, "gap": why}}`.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks import pages
from benchmarks.environments import versions_of
from benchmarks.gateway_peers import IN_PROCESS, LITELLM, OURS, PORTKEY, PORTKEY_PACKAGES
from benchmarks.worker import AT_ONCE

Rows: TypeAlias = dict[str, dict[str, Any]]

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- measured: gateways -->\n", "<!-- end of what was measured: gateways -->\n"
CASES = {
    "plain": f"plain call, {AT_ONCE} at once, CPU µs",
    "stream": f"stream of 200 chunks, {AT_ONCE} at once, CPU µs",
}
# How much of another's CPU ours is to need at most.
_AIMS = (("plain", LITELLM, 1 / 20), ("stream", LITELLM, 1 / 80), ("plain", PORTKEY, 1 / 6))
_OVER_THE_ROUTER = {"plain": 2.0, "stream": 1.4}
_MEMORY = 60  # MB


def text_of(told: dict[str, Any]) -> str:
    """The whole report in Markdown, of what the JSON file has."""
    where, rows = told["machine"], told["rows"]
    packages = ", ".join(f"{name} {version}" for kind in PORTKEY_PACKAGES.values() for name, version in kind.items())
    parts = [
        f"Measured on {where['date']}: {where['processor']}, {where['cores']} cores, {where['system']}, Python "
        f"{where['python']}; load {where['load before']} before and {where['load after']} after; "
        f"{told['rounds']} rounds.",
        f"Versions: {LITELLM} ({versions_of('litellm_proxy')}), {PORTKEY} ({packages}).",
        table(rows),
        _aims(rows),
    ]
    if gaps := [f"- {name}: {row['gap']}" for name, row in rows.items() if row["gap"]]:
        parts.append("Not measured:\n\n" + "\n".join(gaps))
    return "\n\n".join(part for part in parts if part) + "\n"


def table(rows: Rows) -> str:
    """The figures; behind × is how many times ours it is."""
    lines = [["", *CASES.values(), "memory, MB", "start, s"], ["---", *["---:"] * (len(CASES) + 2)]]
    for name, row in rows.items():
        figures = [_cpu(_median(rows, name, case), _median(rows, OURS, case)) for case in CASES]
        memory = "" if row["memory"] is None else f"{row['memory'] / 1e6:.0f}"
        lines.append([name, *figures, memory, "" if row["start"] is None else f"{row['start']:.1f}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _aims(rows: Rows) -> str:
    """What was aimed at, where both sides of it were measured."""
    lines = []
    for case, other, most in _AIMS:
        ours, theirs = _median(rows, OURS, case), _median(rows, other, case)
        if ours and theirs:
            met = "reached" if ours / theirs <= most else "missed"
            lines.append(f"| {case}, CPU, to {other}'s | 1/{theirs / ours:.3g} | 1/{1 / most:.0f} | {met} |")
    for case, factor in _OVER_THE_ROUTER.items():
        ours, bare = _median(rows, OURS, case), _median(rows, IN_PROCESS, case)
        if ours and bare:
            met = "reached" if ours / bare <= factor else "missed"
            lines.append(f"| {case}, CPU, to the Router's in the app | {ours / bare:.2f} | {factor:g} | {met} |")
    if memory := rows.get(OURS, {}).get("memory"):
        met = "reached" if memory <= _MEMORY * 1e6 else "missed"
        lines.append(f"| memory after all rounds | {memory / 1e6:.0f} MB | {_MEMORY} MB | {met} |")
    return "\n".join(["|  | measured | aimed at |  |", "| --- | ---: | ---: | ---: |", *lines]) if lines else ""


def _median(rows: Rows, name: str, case: str) -> float | None:
    found = rows.get(name, {}).get("cpu", {}).get(case)
    return statistics.median(found) if found else None


def _cpu(value: float | None, base: float | None) -> str:
    if value is None:
        return ""
    return f"{value * 1e6:.0f}" + ("" if not base else f" (× {_short(value / base)})")


def _short(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"


def sentence(rows: Rows) -> str:
    """What the README quotes; nothing of a gateway that was not measured."""
    plain, stream = _median(rows, OURS, "plain"), _median(rows, OURS, "stream")
    if plain is None or stream is None:
        raise ValueError(f"{OURS} has not been measured")
    memory = rows[OURS]["memory"]
    out = (
        f"Over HTTP (`signalbox serve`, {AT_ONCE} at once) a plain call costs {plain * 1e6:.0f} µs and a stream of 200 "
        f"chunks {stream * 1e3:.2g} ms" + ("" if memory is None else f", in {memory / 1e6:.0f} MB of memory")
    )
    others = []
    for name in (LITELLM, PORTKEY):
        times = [
            (theirs / ours)
            for case, ours in (("plain", plain), ("stream", stream))
            if (theirs := _median(rows, name, case))
        ]
        if len(times) == len(CASES):
            others.append(f"{name} needs {times[0]:.0f} and {times[1]:.0f} times as much CPU")
    return out + ("; " + ", ".join(others) if others else "") + ".\n"


def renew(told: dict[str, Any], root: Path = ROOT) -> None:
    """Put a run's tables into docs/performance.md, and the README's sentence into the README.

    Raises:
        ValueError: a page has lost the marks between which they stand.
    """
    for name, part in {"docs/performance.md": text_of(told), "README.md": sentence(told["rows"])}.items():
        pages.put(root / name, part, BEGIN, END)
