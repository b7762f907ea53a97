"""What came of a simulation, for people (80 columns of text) and for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import Any, Protocol

from router.config.units import format_duration
from router.simulate.breakers import BreakerHistory
from router.simulate.chart import axis, bars, lane
from router.simulate.counters import BINS, PromptCount, Quantiles, RouteCount, TargetCount
from router.simulate.expect import Verdict, percent, seconds, usd
from router.simulate.fleet import FleetOutcome
from router.simulate.run import Outcome
from router.simulate.schema import Event
from router.state.spending import Spent
from router.views.money import gain

_LABEL = 16  # columns before the chart
_NAME = 12  # columns of a table's first
_ROWS = 2  # of a target in the chart
_EPISODES = 6  # of one breaker that are listed
_MESSAGES = 20  # of alerts that are listed
_VALUES = 10  # users and the like whose budgets are listed
_PARTS = 20  # looks at an event in one bin


class Style(Protocol):
    """Colours a text, as `click.style` does, or leaves it as it is."""

    def __call__(self, text: str, *, fg: str | None = None, bold: bool = False, dim: bool = False) -> str: ...


def plain(text: str, *, fg: str | None = None, bold: bool = False, dim: bool = False) -> str:
    """No colour."""
    return text


def render(outcome: Outcome, verdicts: Sequence[Verdict], style: Style = plain) -> str:
    """The whole report."""
    length = format_duration(outcome.scenario.duration)
    lines = [
        f"{outcome.requests:,} requests in {length}, seed {outcome.seed}, revision {outcome.revision}, "
        f"simulated in {outcome.took:.1f} s",
        "",
        *_routes(outcome, style),
        "",
        *_targets(outcome, style),
        "",
        *_chart(outcome, style),
    ]
    if outcome.fleet is not None:
        lines += ["", *_fleet(outcome, outcome.fleet, style)]
    if episodes := list(_breakers(outcome, style)):
        lines += ["", style("Breakers", bold=True), *episodes]
    if outcome.budgets:
        lines += ["", style("Budgets", bold=True), *_budgets(outcome)]
    if outcome.alerts:
        lines += ["", style("Alerts", bold=True), *_alerts(outcome, style)]
    if verdicts:
        lines += ["", style("Expected", bold=True), *_verdicts(verdicts, style)]
    return "\n".join(line.rstrip() for line in lines)


def _routes(outcome: Outcome, style: Style) -> Iterator[str]:
    heads = f"{'requests':>9}{'failed':>8}{'1st p95':>9}{'p50':>8}{'p95':>8}{'p99':>8}{'retries':>8}{'cost':>10}"
    yield style(f"{'Routes':<{_NAME}}{heads}", bold=True)
    for name, count in outcome.routes.items():
        whole = "".join(f"{_time(count.whole, share):>8}" for share in (0.5, 0.95, 0.99))
        failed = f"{_part(count.failed, count.requests):>8}"
        yield (
            f"{_cut(name, _NAME - 1):<{_NAME}}{count.requests:>9,}{style(failed, fg='red') if count.failed else failed}"
            f"{_time(count.first_token, 0.95):>9}{whole}{_part(count.retries, count.requests):>8}{usd(count.usd):>10}"
        )
        yield from _notes(_of_route(count), style)


def _of_route(count: RouteCount) -> list[str]:
    notes = [f"failed: {_codes(count.errors)}"] if count.errors else []
    for rule, each in count.rules.most_common():
        notes.append(f"{rule}: {each:,} ({_part(each, count.requests)})")
    if count.chains:
        parts = (f"{name} {each:,} ({_part(each, count.called)})" for name, each in count.chains.most_common())
        notes.append(f"answers by chain: {', '.join(parts)}")
    if count.hits:
        notes.append(f"{count.hits:,} answers from the cache ({_part(count.hits, count.requests)})")
    if count.fallbacks:
        notes.append(f"{count.fallbacks:,} answers from fallbacks ({_part(count.fallbacks, count.called)})")
    if count.hedges:
        notes.append(f"{count.hedges:,} hedges ({_part(count.hedges, count.requests)})")
    if count.restarts:
        notes.append(f"{count.restarts:,} streams begun anew")
    return [*notes, *_of_prompts(count.prompts)]


def _of_prompts(count: PromptCount) -> list[str]:
    """What the vendors' prompt caches did, if they did anything."""
    if not (count.read or count.written):
        return []
    written = f", {count.written:,} written" if count.written else ""
    read = f"{count.read:,} of {count.tokens:,} prompt tokens ({_part(count.read, count.tokens)})"
    return [f"{read} out of vendors' prompt caches{written}, {gain(count.saved)}"]


def _targets(outcome: Outcome, style: Style) -> Iterator[str]:
    heads = f"{'calls':>9}{'share':>8}{'failed':>8}{'1st p50':>9}{'p95':>8}{'p99':>8}{'opened':>8}{'cost':>10}"
    yield style(f"{'Targets':<{_NAME}}{heads}", bold=True)
    answered = sum(route.called for route in outcome.routes.values())
    for name, count in outcome.targets.items():
        first = f"{_time(count.first_token, 0.5):>9}" + "".join(
            f"{_time(count.first_token, share):>8}" for share in (0.95, 0.99)
        )
        yield (
            f"{_cut(name, _NAME - 1):<{_NAME}}{count.calls:>9,}{_part(count.answers, answered):>8}"
            f"{_part(count.failed, count.calls):>8}{first}{count.opened or '-':>8}{usd(count.usd):>10}"
        )
        yield from _notes(_of_target(count), style)


def _of_target(count: TargetCount) -> list[str]:
    notes = [f"failed: {_codes(count.errors)}"] if count.errors else []
    if count.skips:
        notes.append(f"skipped: {_codes(count.skips)}")
    if count.hedges:
        notes.append(f"{count.hedges:,} calls were hedges")
    if count.lost:
        notes.append(f"{count.lost:,} lost to a faster one")
    if count.wasted:
        notes.append(f"{usd(count.wasted)} for answers that nobody got whole")
    return [*notes, *_of_prompts(count.prompts)]


def _notes(notes: list[str], style: Style) -> Iterator[str]:
    for line in wrap("; ".join(notes), 78, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False):
        yield style(line, dim=True)


def _chart(outcome: Outcome, style: Style) -> Iterator[str]:
    per_bin = outcome.scenario.duration / BINS
    top = max((max(count.course) for count in outcome.targets.values()), default=0) / per_bin
    column = format_duration(float(f"{per_bin:.3g}"))
    yield style("Calls a second", bold=True) + f"   full height {top:.3g}/s, a column {column}"
    opened = {history.name: history for history in outcome.breakers if history.opened}
    for name, count in outcome.targets.items():
        if not count.calls and not count.skips:
            continue
        rows = bars([calls / per_bin for calls in count.course], top, rows=_ROWS)
        peak = f"{max(count.course) / per_bin:.3g}/s at most"
        for label, row in zip((_cut(name, _LABEL - 1), peak), rows, strict=True):
            yield f"{label:<{_LABEL}}{style(row, fg='cyan')}"
        for fault, events in _faults(outcome, name).items():
            course = [_part_of_bin(events, place, per_bin) for place in range(BINS)]
            yield f"{_cut(f'  {fault}', _LABEL - 1):<{_LABEL}}{style(lane(course), fg='yellow')}"
        if name in opened:
            yield f"{'  breaker open':<{_LABEL}}{style(lane(opened[name].course), fg='red')}"
    for history in outcome.breakers:
        if history.key_of is not None and history.opened:
            label = _cut(history.name, _LABEL - 1)
            yield f"{label:<{_LABEL}}{style(lane(history.course), fg='red')}"
    for name, route in outcome.routes.items():
        if route.failed:
            (row,) = bars(route.failed_course, max(route.failed_course))
            yield f"{_cut(f'{name} failed', _LABEL - 1):<{_LABEL}}{style(row, fg='red')}"
    yield " " * _LABEL + style(axis(outcome.scenario.duration, BINS), dim=True)


def _faults(outcome: Outcome, name: str) -> dict[str, list[Event]]:
    """The events that hit a target, by fault."""
    found: dict[str, list[Event]] = {}
    for event in outcome.scenario.events:
        if not outcome.names[name].isdisjoint(event.who):
            found.setdefault(event.fault, []).append(event)
    return found


def _part_of_bin(events: list[Event], place: int, per_bin: float) -> float:
    moments = [(place + (part + 0.5) / _PARTS) * per_bin for part in range(_PARTS)]
    return sum(any(event.is_on(moment) for event in events) for moment in moments) / _PARTS


def _fleet(outcome: Outcome, fleet: FleetOutcome, style: Style) -> Iterator[str]:
    many = f"{fleet.processes:,} process{'' if fleet.processes == 1 else 'es'}"
    if fleet.exchanges is None:
        shares = f"{many}, which share nothing"
    else:
        shares = f"{many}, {fleet.exchanges:,} exchanges ({fleet.exchanges / max(1, outcome.requests):.2f} a request)"
    yield style("Fleet", bold=True) + f"   {shares}"
    heads = f"{'in a minute':>13}{'429s':>8}{'waited':>9}{'p50':>8}{'p95':>8}"
    yield style(f"{'Calls at most':<{_LABEL}}{heads}", bold=True)
    for name, found in fleet.targets.items():
        waits = "".join(f"{_time(found.waits, share):>8}" for share in (0.5, 0.95))
        waited = _part(found.waits.count, len(found.moments))
        yield (
            f"{_cut(name, _LABEL - 1):<{_LABEL}}{found.most_in_a_minute():>13,}{found.refused:>8,}{waited:>9}{waits}"
        )


def _breakers(outcome: Outcome, style: Style) -> Iterator[str]:
    for history in outcome.breakers:
        found = episodes(history)
        for number, (begin, end, tries) in enumerate(found[:_EPISODES]):
            name = _cut(history.name, _LABEL - 1) if number == 0 else ""
            until = "the end" if end is None else f"{_clock(end)}"
            again = f", after {tries - 1} more tr{'y' if tries == 2 else 'ies'}" if tries > 1 else ""
            yield f"{name:<{_LABEL}}{style('open', fg='red')} from {_clock(begin)} to {until}{again}"
        if len(found) > _EPISODES:
            yield f"{'':<{_LABEL}}and {len(found) - _EPISODES} more times"


def episodes(history: BreakerHistory) -> list[tuple[float, float | None, int]]:
    """(begin, end, times opened) of each time that a breaker was not closed; end None: it still is not."""
    found: list[tuple[float, float | None, int]] = []
    begin: float | None = None
    opened = 0
    for at, state in history.changes:
        if state == "closed":
            if begin is not None:
                found.append((begin, at, opened))
            begin, opened = None, 0
            continue
        begin = at if begin is None else begin
        opened += state == "open"
    if begin is not None:
        found.append((begin, None, opened))
    return found


def _budgets(outcome: Outcome) -> Iterator[str]:
    shown, left = _fullest(outcome)
    for name, spent in shown.items():
        yield f"{_cut(name, 23):<24}{usd(spent.usd)} at most of {usd(spent.limit)} in {format_duration(spent.per)}"

    if left:
        yield f"… and {left:,} more, of which less was spent"


def _alerts(outcome: Outcome, style: Style) -> Iterator[str]:
    for sent in outcome.alerts[:_MESSAGES]:
        mark = style("✗", fg="red", bold=True) if sent.state == "firing" else style("✓", fg="green")
        says = "; ".join(sent.says)
        yield f"{mark} {_clock(sent.at)}  {_cut(f'{sent.rule.terms}: {says}', 69)}"
    if len(outcome.alerts) > _MESSAGES:
        yield f"… and {len(outcome.alerts) - _MESSAGES:,} more"


def _fullest(outcome: Outcome) -> tuple[dict[str, Spent], int]:
    """Return the budgets that are shown, of values those of which most was spent; and how many are not."""
    values = sorted((each for each in outcome.budgets.items() if each[1].of), key=lambda each: -(each[1].usd or 0.0))
    hidden = {name for name, _ in values[_VALUES:]}
    return {name: spent for name, spent in outcome.budgets.items() if name not in hidden}, len(hidden)


def _verdicts(verdicts: Sequence[Verdict], style: Style) -> Iterator[str]:
    for each in verdicts:
        mark = style("✓", fg="green") if each.holds else style("✗", fg="red", bold=True)
        asked = f"{each.metric} {each.expected}"
        yield f"{mark} {_cut(each.who, _LABEL - 1):<{_LABEL}}{asked:<28}{each.shown}"
    wrong = sum(not each.holds for each in verdicts)
    if wrong:
        yield style(f"{wrong} of {len(verdicts)} {'does' if wrong == 1 else 'do'} not hold", fg="red", bold=True)


def _time(of: Quantiles, share: float) -> str:
    value = of.quantile(share)
    return "-" if value is None else seconds(value)


def _part(number: float, of: float) -> str:
    return percent(number / of) if of else "-"


def _codes(counted: Counter[str]) -> str:
    return ", ".join(f"{number:,} {code}" for code, number in counted.most_common())


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _clock(at: float) -> str:
    minutes, second = divmod(int(at), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"


def as_dict(outcome: Outcome, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """JSON-ready. Times in seconds, shares from 0 to 1, money in USD; None is unknown."""
    return {
        "holds": all(each.holds for each in verdicts),
        "revision": outcome.revision,
        "seed": outcome.seed,
        "duration": outcome.scenario.duration,
        "took": outcome.took,
        "requests": outcome.requests,
        "bin": outcome.scenario.duration / BINS,
        "routes": {name: _route_dict(count) for name, count in outcome.routes.items()},
        "targets": {name: _target_dict(outcome, name, count) for name, count in outcome.targets.items()},
        "breakers": [
            {
                "name": history.name,
                "of": "target" if history.key_of is None else "key",
                "opened": history.opened,
                "open_seconds": history.open_seconds,
                "changes": [{"at": at, "state": state} for at, state in history.changes],
            }
            for history in outcome.breakers
        ],
        "budgets": {
            name: {"most": spent.usd, "limit": spent.limit, "per": spent.per} for name, spent in outcome.budgets.items()
        },
        "alerts": [
            {"at": sent.at, "state": sent.state, "rule": sent.rule.terms, "says": sent.says} for sent in outcome.alerts
        ],
        "fleet": None if outcome.fleet is None else _fleet_dict(outcome.fleet),
        "expected": [
            {
                "who": each.who,
                "metric": each.metric,
                "expected": each.expected,
                "value": each.value,
                "holds": each.holds,
            }
            for each in verdicts
        ],
    }


def _fleet_dict(fleet: FleetOutcome) -> dict[str, Any]:
    return {
        "processes": fleet.processes,
        "exchanges": fleet.exchanges,
        "targets": {
            name: {
                "most_in_a_minute": found.most_in_a_minute(),
                "refused": found.refused,
                "waited": found.waits.count,
                "wait": _quantiles(found.waits),
            }
            for name, found in fleet.targets.items()
        },
    }


def _route_dict(count: RouteCount) -> dict[str, Any]:
    return {
        "requests": count.requests,
        "answered": count.answered,
        "failed": count.failed,
        "errors": dict(count.errors),
        "retries": count.retries,
        "fallbacks": count.fallbacks,
        "hedges": count.hedges,
        "hits": count.hits,
        "restarts": count.restarts,
        "chains": dict(count.chains),
        "rules": dict(count.rules),
        "first_token": _quantiles(count.first_token),
        "seconds": _quantiles(count.whole),
        "cost": count.usd,
        "prompt_cache": asdict(count.prompts),
        "failed_course": count.failed_course,
    }


def _target_dict(outcome: Outcome, name: str, count: TargetCount) -> dict[str, Any]:
    return {
        "is": outcome.places[name],
        "calls": count.calls,
        "answers": count.answers,
        "failed": count.failed,
        "errors": dict(count.errors),
        "skips": dict(count.skips),
        "hedges": count.hedges,
        "lost": count.lost,
        "opened": count.opened,
        "first_token": _quantiles(count.first_token),
        "input_tokens": count.input_tokens,
        "output_tokens": count.output_tokens,
        "cost": count.usd,
        "prompt_cache": asdict(count.prompts),
        "wasted": count.wasted,
        "calls_course": count.course,
    }


def _quantiles(of: Quantiles) -> dict[str, float | None]:
    return {f"p{round(share * 100)}": of.quantile(share) for share in (0.5, 0.9, 0.95, 0.99)}
