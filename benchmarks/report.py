"""From the measured runs to the tables. Results are `{case: {contender: {"cpu": [seconds, a run each], …}}}`, where a
contender that could not has `{"gap": why}` in place of figures."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from benchmarks.cases import BARE, CARRIER, CONTENDERS, FAULTS, HTTPX, LITELLM, LITER, READY, RESPAN, ROUTER

Results: TypeAlias = dict[str, dict[str, dict[str, Any]]]

_UNITS = {"µs": 1e6, "ms": 1e3, "s": 1.0, "MB": 1e-6}


@dataclass(frozen=True)
class Column:
    """One figure of a case."""

    title: str
    case: str
    unit: str
    figure: str = "cpu"


@dataclass(frozen=True)
class Section:
    """One table."""

    title: str
    columns: tuple[Column, ...]


SECTIONS = (
    Section(
        "One plain call (OpenAI's protocol)",
        (
            Column("one at a time, CPU µs", "plain", "µs"),
            Column("from call to result, µs", "plain", "µs", "wall"),
            Column("64 at once, CPU µs", "plain_64", "µs"),
            Column("1 KB prompt, CPU µs", "long plain", "µs"),
            Column("64 at once, CPU µs", "long plain_64", "µs"),
        ),
    ),
    Section(
        "One stream of 200 chunks (OpenAI's protocol)",
        (
            Column("one at a time, CPU ms", "stream", "ms"),
            Column("64 at once, CPU ms", "stream_64", "ms"),
            Column("1,000 at once, CPU ms", "gather", "ms"),
            Column("their peak memory over idle, MB", "gather", "MB", "memory"),
        ),
    ),
    Section(
        "Longer answers (OpenAI's protocol), one at a time",
        (
            Column("stream of 2,000 chunks, CPU ms", "many", "ms"),
            Column("a tool's arguments in 200 chunks, CPU ms", "tools", "ms"),
            Column("answer of 1 MB, CPU ms", "large", "ms"),
            Column("from call to result, ms", "large", "ms", "wall"),
        ),
    ),
    *(
        Section(
            f"{title}'s protocol",
            (
                Column("plain call, CPU µs", f"{vendor} plain", "µs"),
                Column("64 at once, CPU µs", f"{vendor} plain_64", "µs"),
                Column("stream, CPU ms", f"{vendor} stream", "ms"),
                Column("64 at once, CPU ms", f"{vendor} stream_64", "ms"),
            ),
        )
        for vendor, title in (("anthropic", "Anthropic"), ("ollama", "Ollama"))
    ),
    Section(
        "One plain call of a router",
        (
            Column("two fallbacks stand ready, CPU µs", "fallbacks", "µs"),
            Column("first target dead, CPU µs", "dead", "µs"),
            Column("from call to result, µs", "dead", "µs", "wall"),
        ),
    ),
    Section(
        "One plain call, CPU µs, by targets in one group; and a hit of the cache, from call to result",
        (
            Column("3", "targets 3", "µs"),
            Column("100", "targets 100", "µs"),
            Column("1,000", "targets 1000", "µs"),
            Column("memory hit, µs", "memory hit", "µs", "wall"),
            Column("disk hit, µs", "disk hit", "µs", "wall"),
        ),
    ),
    Section(
        "Import",
        (Column("CPU ms", "import", "ms"), Column("memory, MB", "import", "MB", "memory")),
    ),
    Section(
        "The engine alone, over the fake provider",
        (
            Column("a call, µs", "engine", "µs", "call"),
            Column("of it the router's own, µs", "engine", "µs", "own call"),
            Column("the router's own with 1,000 targets, µs", "engine", "µs", "own call of 1000"),
            Column("the router's own of a chunk, µs", "engine", "µs", "own chunk"),
            Column("load of 1,000 models and 200 routes, ms", "load", "ms", "wall"),
        ),
    ),
    Section(
        "Failover: from the fault to the first content of the next target",
        tuple(Column(f"{fault}, ms", f"failover {fault}", "ms", "seconds") for fault in FAULTS),
    ),
)


def median(results: Results, case: str, contender: str, figure: str = "cpu") -> float | None:
    """The middle of the runs, in seconds (or bytes); None where there are none."""
    runs = results.get(case, {}).get(contender, {}).get(figure)
    return statistics.median(runs) if runs else None


def _cell(results: Results, column: Column, contender: str) -> str:
    """The median, and half the distance of the middle half of the runs."""
    runs = results.get(column.case, {}).get(contender, {}).get(column.figure)
    if not runs:
        return ""
    factor = _UNITS[column.unit]
    low, _, high = statistics.quantiles(runs, n=4, method="inclusive") if len(runs) > 1 else (runs[0],) * 3
    return f"{number(statistics.median(runs) * factor)} ±{number((high - low) / 2 * factor)}"


def number(value: float) -> str:
    """Three digits that matter."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def tables(results: Results) -> str:
    """All tables in Markdown; a row for each contender that has a figure."""
    names = list(
        dict.fromkeys([each.name for each in CONTENDERS] + [name for case in results.values() for name in case])
    )
    found = []
    for section in SECTIONS:
        rows = [
            (name, cells)
            for name in names
            if any(cells := [_cell(results, column, name) for column in section.columns])
        ]
        if rows:
            head = ["", *(column.title for column in section.columns)]
            found.append(f"**{section.title}**\n\n{_table(head, [[name, *cells] for name, cells in rows])}")
    return "\n\n".join(found)


def gaps(results: Results) -> list[str]:
    """What should have been measured and was not, and why: a failure, or a peer that is not installed."""
    return [
        f"{contender}, {case}: {told['error']}"
        for case, contenders in results.items()
        for contender, told in contenders.items()
        if "error" in told
    ]


Value = Callable[[Results], float | None]


@dataclass(frozen=True)
class Target:
    """One line of what is aimed at: at most `most`, better at most `stretch`."""

    what: str
    value: Value
    most: float
    stretch: float | None = None
    unit: str = ""


def _ratio(case: str, other: str, figure: str = "cpu", ours: str = ROUTER) -> Value:
    return lambda results: _divide(median(results, case, ours, figure), median(results, case, other, figure))


def _divide(one: float | None, other: float | None) -> float | None:
    return None if one is None or not other else one / other


def _over(layer: str, case: str, share: float) -> Value:
    """What the router adds to a layer below it, over real sockets."""

    def value(results: Results) -> float | None:
        router, below = median(results, case, ROUTER), median(results, case, layer)
        return None if router is None or below is None else (router - below) * share

    return value


def _is(case: str, figure: str, factor: float, whose: str = ROUTER) -> Value:
    def value(results: Results) -> float | None:
        found = median(results, case, whose, figure)
        return None if found is None else found * factor

    return value


def _to(case: str, other: str, times: int = 1) -> Value:
    """Our own in a case, which does as much as so many of another, to that."""

    def value(results: Results) -> float | None:
        one = median(results, case, ROUTER)
        return _divide(None if one is None else one / times, median(results, other, ROUTER))

    return value


TARGETS = (
    Target("plain call, 1 KB prompt, one at a time, CPU, to liter-llm's", _ratio("long plain", LITER), 1.0, 0.85),
    Target("the same, 64 at once", _ratio("long plain_64", LITER), 0.8, 0.65),
    Target("plain call, short prompt, one at a time, CPU, to liter-llm's", _ratio("plain", LITER), 1.05, 0.9),
    Target("the same, 64 at once", _ratio("plain_64", LITER), 0.95, 0.8),
    Target("plain call, one at a time, CPU, to LiteLLM's", _ratio("plain", LITELLM), 1 / 12, 1 / 18),
    Target("plain call, 64 at once, CPU, to LiteLLM's", _ratio("plain_64", LITELLM), 1 / 18, 1 / 28),
    Target("200-chunk stream, CPU, to LiteLLM's", _ratio("stream", LITELLM), 1 / 20, 1 / 35),
    Target("200-chunk stream, CPU, to liter-llm's", _ratio("stream", LITER), 0.1, 0.08),
    Target("plain call, one at a time, CPU, to respan-gateway's", _ratio("plain", RESPAN), 0.7, 0.5),
    Target("200-chunk stream, CPU, to respan-gateway's", _ratio("stream", RESPAN), 0.1, 0.08),
    Target("first target dead, CPU, to respan-gateway's", _ratio("dead", RESPAN), 0.7, 0.5),
    Target("200-chunk stream, CPU, to httpx with json.loads", _ratio("stream", HTTPX), 1.3, 0.8),
    Target("Router over its HTTP, a call (one at a time)", _over(CARRIER, "plain", 1e6), 40, 30, "µs"),
    Target("Router over its HTTP, a call (64 at once)", _over(CARRIER, "plain_64", 1e6), 45, 30, "µs"),
    Target("Router over the provider, a call (engine alone)", _is("engine", "own call", 1e6), 18, 14, "µs"),
    Target("Router over the provider, a chunk (engine alone)", _is("engine", "own chunk", 1e6), 0.9, 0.6, "µs"),
    Target("Router over the provider, a chunk (64 at once)", _over(BARE, "stream_64", 1e6 / 200), 1.5, 0.5, "µs"),
    Target("a chunk of 2,000 to one of 200, CPU", _to("many", "stream", 10), 1.05, 1.0),
    Target("200 chunks of tools' arguments to 200 of text, CPU", _to("tools", "stream"), 1.3, 1.1),
    Target("memory hit, call to result", _is("memory hit", "wall", 1e6), 60, 25, "µs"),
    Target("disk hit, call to result", _is("disk hit", "wall", 1e6), 300, 150, "µs"),
    Target("import router to import litellm, time", _ratio("import", LITELLM), 1 / 10, 1 / 20),
    Target("import router to import litellm, memory", _ratio("import", LITELLM, "memory"), 1 / 4, 1 / 5),
    Target("load of 1,000 models and 200 routes", _is("load", "wall", 1e3), 250, 100, "ms"),
    Target("1,000 targets to 3, a call", _to("targets 1000", "targets 3"), 1.04),
    Target("1,000 streams at once, peak memory over idle", _is("gather", "memory", 1e-6), 55, 40, "MB"),
    Target("import, router made and first call answered, CPU", _is("import", "cpu", 1e3, READY), 300, 200, "ms"),
    Target("failover after refused", _is("failover refused", "seconds", 1e3), 5, 2, "ms"),
    Target("failover after reset", _is("failover reset", "seconds", 1e3), 5, 2, "ms"),
)


def targets(results: Results) -> str:
    """What was aimed at and what was reached, in Markdown."""
    rows = []
    for target in TARGETS:
        value = target.value(results)
        if value is None:
            continue
        reached = "missed"
        if value <= target.most:
            reached = "stretch" if target.stretch is not None and value <= target.stretch else "reached"
        rows.append(
            [target.what, *(_with(each, target.unit) for each in (value, target.most, target.stretch)), reached]
        )
    return _table(["", "measured", "target", "stretch", ""], rows)


def _with(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.3g} {unit}".strip()


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
