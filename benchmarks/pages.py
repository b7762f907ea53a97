"""The report of a run as text, and its place in the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import environments, report
from benchmarks.cases import CONTENDERS, HTTPX, LITELLM, LITER, READY, RESPAN, ROUTER

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- measured -->\n", "<!-- end of what was measured -->\n"


def text_of(told: dict[str, Any]) -> str:
    """The whole report in Markdown, of what the JSON file has."""
    where = told["machine"]
    versions = [(each.name, environments.versions_of(each.script)) for each in CONTENDERS]
    lines = [
        f"Measured on {where['date']}: {where['processor']}, {where['cores']} cores, {where['system']}, Python "
        f"{where['python']}; load {where['load before']} before and {where['load after']} after; "
        f"{told['rounds']} rounds.",
        f"Versions: {', '.join(f'{name} ({found})' for name, found in versions if found)}.",
        report.tables(told["results"]),
        "**What was aimed at**",
        report.targets(told["results"]),
    ]
    if missing := report.gaps(told["results"]):
        lines.append("Not measured:\n\n" + "\n".join(f"- {gap}" for gap in missing))
    return "\n\n".join(lines) + "\n"


def sentence(results: report.Results) -> str:
    """The few figures that the README quotes; nothing of a peer that was not measured."""

    def us(case: str) -> str:
        found = report.median(results, case, ROUTER)
        return "?" if found is None else f"{found * 1e6:.0f} µs"

    def times(other: str) -> str:
        """How many times as much another needs, plain, 64 at once and streamed."""
        found = []
        for case in ("plain", "plain_64", "stream"):
            ours, theirs = report.median(results, case, ROUTER), report.median(results, case, other)
            share = None if not ours or not theirs else theirs / ours
            found.append("?" if share is None else f"{share:.0f}" if share >= 10 else f"{share:.1f}")
        return f"{found[0]}, {found[1]} and {found[2]}"

    def ms(name: str) -> str:
        found = report.median(results, "import", name)
        return "?" if found is None else f"{found * 1e3:.0f} ms"

    stream = report.median(results, "stream", ROUTER)
    return (
        f"A plain call costs {us('plain')} of CPU one at a time and {us('plain_64')} with 64 at once, a stream of 200 "
        f"chunks {'?' if stream is None else f'{stream * 1e3:.2g} ms'}. In the same run LiteLLM's Router needs "
        f"{times(LITELLM)} times as much, respan-gateway's router {times(RESPAN)} times, liter-llm, a Rust client "
        f"that routes nothing, {times(LITER)} times, and httpx alone {times(HTTPX)} times. `import router` takes "
        f"{ms(ROUTER)} of CPU, with a router made and its first call answered {ms(READY)}; `import litellm` "
        f"{ms(LITELLM)}.\n"
    )


def renew(told: dict[str, Any], root: Path = ROOT) -> None:
    """Put a run's tables into docs/performance.md, and what the README quotes of them into the README.

    Raises:
        ValueError: a page has lost the marks between which they stand.
    """
    parts = {"docs/performance.md": text_of(told), "README.md": sentence(told["results"])}
    for name, part in parts.items():
        put(root / name, part)


def put(page: Path, part: str, begin: str = BEGIN, end: str = END) -> None:
    """Put a text between two marks of a page.

    Raises:
        ValueError: the page has lost them.
    """
    before, found, rest = page.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page.name} has no lines {begin.strip()} and {end.strip()}")
    page.write_text(f"{before}{begin}\n{part}\n{end}{after}")
