"""Everything about the provider or target that the Panel screen's cursor is on."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content
from textual.widgets import Static

from router.views.credential import told
from router.views.figures import Counts, Health, LimitUse, ProviderFigures, Snapshot, TargetFigures
from tui import format as as_text
from tui.lamps import Shown, lamp_of, words_of
from tui.theme import BAD, FAINT, LAMPS, MUTED, STRONG, TEXT, WARN

_VALUES = 3  # users and the like whose budgets are shown: those that are nearest to their end
_WHAT = {"requests": "requests", "tokens": "tokens", "in_flight": "in flight"}


class Details(Static):
    """Shows a few lines: why its lamp is as it is, keys and limits, errors, totals, budgets."""

    DEFAULT_CSS = "Details { text-wrap: nowrap; text-overflow: ellipsis; }"

    def draw(self, shown: Shown | None, snapshot: Snapshot) -> None:
        """Show this provider or target; None empties it."""
        if shown is None:
            self.border_title = "selected"
            self.update("", layout=False)
            return
        self.border_title = Content(shown.name)
        lines = list(_lines(shown, snapshot))
        self.update(Content("\n").join(lines), layout=False)


def _lines(shown: Shown, snapshot: Snapshot) -> Iterator[Content]:
    yield _lamp(shown, snapshot.time)
    if isinstance(shown, ProviderFigures):
        yield from _of_provider(shown, snapshot.time)
    else:
        yield _pair("model", f"{shown.provider}/{shown.model}")
        yield from (_limit(limit) for limit in shown.limits)
        yield from _used_by(shown, snapshot)
    if shown.labels:
        yield _pair("labels", shown.labels)
    latency = shown.figures.latency
    yield _pair("whole answer", f"p50 {as_text.seconds(latency.p50)} · p95 {as_text.seconds(latency.p95)}")
    if shown.figures.stream_speed:
        yield _pair("stream", f"{as_text.number(round(shown.figures.stream_speed))} tokens/s each")
    yield from _errors(shown.figures.window)
    totals = shown.figures.totals
    yield _pair("so far", f"{as_text.count(totals.calls)} calls, {as_text.count(totals.failed)} failed")
    yield _pair("", f"{as_text.number(totals.output_tokens)} tokens out, {as_text.cost_of(totals)}")
    if cached := as_text.prompt_cache(totals):
        yield _pair("prompt cache", cached)
    if spent := as_text.spent(snapshot, "provider", shown.name):
        yield _pair("budget", spent)
    if outlook := as_text.outlook(snapshot, "provider", shown.name):
        yield _pair("", outlook)
    for budget in as_text.fullest_values(snapshot, "provider", shown.name, _VALUES):
        yield _pair(budget.of, f"{as_text.used(budget)} spent")


def _of_provider(shown: ProviderFigures, now: float) -> Iterator[Content]:
    yield _pair("kind", f"{shown.kind}, {len(shown.targets)} target{'' if len(shown.targets) == 1 else 's'}")
    if len(shown.keys) > 1:
        for key in shown.keys:
            yield _key(key.name, key.health, key.limits, now)
    elif shown.keys:
        yield from (_limit(limit) for limit in shown.keys[0].limits)
    if (check := shown.check) is not None:
        ago = as_text.span(max(0.0, now - check.time))
        yield _pair("health check", f"passed {ago} ago" if check.ok else f"failed {ago} ago: {check.why}")
    for key in shown.keys:
        if key.credential is not None:
            style = BAD if key.credential.failures else TEXT
            yield Content.assemble(("credential   ", FAINT), (told(key.credential, now), style))


def _lamp(shown: Shown, now: float) -> Content:
    lamp = lamp_of(shown, now)
    words = lamp.words or LAMPS[lamp.state][2]
    return Content.assemble(
        (f"{lamp.sign} {words}", f"bold {lamp.style}"), (f"  {shown.health.why}" if shown.health.why else "", MUTED)
    )


def _pair(title: str, text: str) -> Content:
    return Content.assemble((f"{title:<12} ", FAINT), (text, TEXT))


def _limit(limit: LimitUse) -> Content:
    style = BAD if limit.pressure > 0.95 else WARN if limit.pressure > 0.8 else MUTED
    most = f"{limit.limit:g}" if limit.what == "in_flight" else as_text.allowance(limit.limit, limit.period)
    waiting = f", {limit.waiting} in line" if limit.waiting else ""
    return Content.assemble(
        (f"{_WHAT[limit.what]:<13}", FAINT),
        (as_text.bar(limit.pressure, 8), style),
        (f" {limit.pressure:.0%} of {most}{waiting}", TEXT),
    )


def _key(name: str, lamp: Health, limits: tuple[LimitUse, ...], now: float) -> Content:
    sign, style, _ = LAMPS[lamp.state]
    worst = max((limit.pressure for limit in limits), default=None)
    used = "" if worst is None else f"{as_text.bar(worst, 8)} {worst:.0%}  "
    return Content.assemble((f"{name:<13}", FAINT), (f"{sign} ", style), (used, MUTED), (words_of(lamp, now), style))


def _used_by(target: TargetFigures, snapshot: Snapshot) -> Iterator[Content]:
    routes = [route.name for route in snapshot.routes if target.name in route.flows]
    if routes:
        yield _pair("routes", ", ".join(routes))


def _errors(window: Counts) -> Iterator[Content]:
    worst = sorted(window.errors.items(), key=lambda code_and_number: -code_and_number[1])[:3]
    if worst:
        codes = ", ".join(f"{code} ×{number}" for code, number in worst)
        yield Content.assemble(("this minute  ", FAINT), (codes, STRONG))
