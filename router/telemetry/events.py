"""Makes events: the sentences that people read in the dashboard's log and in the application's own."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from router.views.events import Event
from router.views.file import ReloadResult


class Change(NamedTuple):
    """What a breaker has become. `until` is on the loop's clock."""

    state: str
    by_hand: bool
    why: str
    until: float


def breaker_changed(
    change: Change, *, provider: str, target: str | None, code: str | None, now: float, time: float
) -> Event:
    """Make the event of a breaker that took another state.

    Args:
        target: None where the provider's key is meant, which all its targets share.
        code: of the last failure.
        now: the loop's time; `time` is that of day.
    """
    name = target or provider
    level: Literal["good", "info", "warning", "error"] = "info"
    fields: dict[str, Any] = {"state": change.state, "by_hand": change.by_hand, "why": change.why, "code": code}
    if change.by_hand:
        sentence, level = f"{name} was {'opened' if change.state == 'open' else 'closed'} by hand", "warning"
    elif change.state == "open":
        left = max(0.0, change.until - now)
        fields["retry_in"] = left
        because = f" ({code})" if code else ""
        sentence, level = f"{name} opened: {change.why}{because}; retry in {_seconds(left)}", "error"
    elif change.state == "half_open":
        sentence, level = f"{name} is half-open: the next calls probe it", "info"
    elif change.why:
        sentence, level = f"{name} was {change.why}", "info"
    else:
        sentence, level = f"{name} closed: it answers again", "good"
    return Event(time, "breaker", sentence, level, provider, target, fields=fields)


def held(name: str, seconds: float, code: str, *, provider: str, target: str | None, time: float) -> Event:
    """Make the event of a vendor that asked to wait."""
    sentence = f"{name} is held for {_seconds(seconds)}: {code}"
    return Event(time, "hold", sentence, "warning", provider, target, fields={"seconds": seconds, "code": code})


def reloaded(result: ReloadResult, path: str, time: float) -> Event:
    """Make the event of a change of the file."""
    fields = {"revision": result.revision, "accepted": result.accepted, "changes": list(result.changes)}
    if result.accepted:
        sentence = f"revision {result.revision[:8]} loaded: {'; '.join(result.changes) or 'nothing that shows'}"
        return Event(time, "reload", sentence, "good", fields=fields)
    why = result.problem or "; ".join(
        f"line {diagnostic.line}: {diagnostic.message}"
        for diagnostic in result.diagnostics
        if diagnostic.severity == "error"
    )
    sentence = f"{path} rejected, revision {result.revision[:8]} goes on: {why}"
    return Event(time, "reload", sentence, "error", fields=fields)


def drained(name: str, *, back: bool, provider: str, target: str | None, time: float) -> Event:
    """Make the event of a person who drained a target or provider, or took it `back`."""
    sentence = f"{name} gets calls again" if back else f"{name} is being drained"
    return Event(time, "drain", sentence, "info" if back else "warning", provider, target)


def _seconds(value: float) -> str:
    if value >= 119.5:
        return f"{value / 60:.3g} min"
    return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"
