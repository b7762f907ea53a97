"""Makes events: the sentences that people read in the dashboard's log and in the application's own."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, Literal, NamedTuple

from router.config.diagnostics import Diagnostic
from router.views.events import Event
from router.views.file import ReloadResult
from router.views.spans import span


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


def held(
    name: str, seconds: float, code: str, *, provider: str, target: str | None, time: float, told: bool = False
) -> Event:
    """Make the event of a vendor that asked to wait; `told`: it asked another process."""
    sentence = f"{name} is held for {_seconds(seconds)}: {code}{' (told to another process)' if told else ''}"
    fields = {"seconds": seconds, "code": code, "told": told}
    return Event(time, "hold", sentence, "warning", provider, target, fields=fields)


def reloaded(result: ReloadResult, path: str, time: float) -> Event:
    """Make the event of a change of the file."""
    fields = {"revision": result.revision, "accepted": result.accepted, "changes": list(result.changes)}
    if result.accepted:
        sentence = f"revision {result.revision[:8]} loaded: {'; '.join(result.changes) or 'nothing that shows'}"
        return Event(time, "reload", sentence, "good", fields=fields)
    why = result.problem or "; ".join(
        f"{_place(diagnostic, path)}: {diagnostic.message}"
        for diagnostic in result.diagnostics
        if diagnostic.severity == "error"
    )
    sentence = f"{path} rejected, revision {result.revision[:8]} goes on: {why}"
    return Event(time, "reload", sentence, "error", fields=fields)


def _place(diagnostic: Diagnostic, path: str) -> str:
    """A line, with its file where that is another one than the first."""
    name = PurePath(diagnostic.file).name
    return f"line {diagnostic.line}" if name == path else f"{name}:{diagnostic.line}"


def drained(name: str, *, back: bool, provider: str, target: str | None, time: float) -> Event:
    """Make the event of a person who drained a target or provider, or took it `back`."""
    sentence = f"{name} gets calls again" if back else f"{name} is being drained"
    return Event(time, "drain", sentence, "info" if back else "warning", provider, target)


def budget_changed(
    owner: str,
    state: str,
    *,
    spent: float,
    limit: float,
    period: str,
    resets_at: float,
    time: float,
    of_all_machines: bool = False,
) -> Event:
    """Make the event of a budget.

    Args:
        owner: `provider NAME`, `route NAME` or `key NAME`.
        state: "nearly" used up, "used_up", or "anew".
        spent: US dollars, in this period.
        period: "a day".
        resets_at: when the period ends, in seconds since 1970.
        of_all_machines: they spend it together.
    """
    level: Literal["good", "warning", "error"]
    period += ", of all machines" if of_all_machines else ""
    if state == "anew":
        sentence, level = f"the budget of {owner} begins anew: {_usd(limit)} {period}", "good"
    else:
        used = f"{_usd(spent)} of {_usd(limit)} {period}"
        left = max(0.0, resets_at - time)
        if state == "used_up":
            sentence, level = f"the budget of {owner} is used up: {used}; it begins anew in {_long(left)}", "error"
        else:
            sentence, level = f"the budget of {owner} is nearly used up: {used}, for {_long(left)} more", "warning"
    scope, _, name = owner.partition(" ")
    fields = {"state": state, "used": spent, "limit": limit, "resets_at": resets_at, "of_all_machines": of_all_machines}
    provider, route = (name if scope == kind else None for kind in ("provider", "route"))
    return Event(time, "budget", sentence, level, provider, route=route, fields=fields)


def cache_changed(folder: str, state: str, why: str, time: float) -> Event:
    """Make the event of the folder of cached answers: it is left alone ("off") for a reason, used again ("on"), or was
    "removed".
    """
    level: Literal["good", "warning"] = "warning"
    if state == "off":
        sentence = f"answers can't be kept in {folder} for now: {why}"
    elif state == "on":
        sentence, level = f"answers are kept in {folder} again", "good"
    else:
        sentence = f"the folder of cached answers {folder} was removed; it is made anew"
    return Event(time, "cache", sentence, level, fields={"state": state, "folder": folder, "why": why})


def shared_state_changed(
    what: Literal["away", "back"],
    why: str,
    seconds: float,
    *,
    policy: str | None,
    time: float,
    budgets_policy: str | None = None,
) -> Event:
    """Make the event of the server of shared state, which does not answer ("away"), or does again ("back").

    Args:
        why: it is away.
        seconds: how long it was.
        policy: what holds of limits meanwhile: "share", "local" or "refuse"; None where none are shared.
        budgets_policy: the same of budgets: "share" or "refuse".
    """
    fields = {"state": what, "why": why, "seconds": seconds, "policy": policy}
    if what == "back":
        return Event(time, "shared", f"the shared state is back, after {_long(seconds)}", "good", fields=fields)
    limits = {
        "share": "this process takes its part of the limits",
        "local": "this process takes the limits for its own",
        "refuse": "what has shared limits is not called",
    }
    budgets = {
        "share": "it spends its part of what was left of the budgets",
        "refuse": "of the budgets it spends what it was granted",
    }
    words = [limits[policy]] if policy else []
    words += [budgets[budgets_policy]] if budgets_policy else []
    sentence = "; ".join([f"the shared state is away: {why}", *words])
    return Event(time, "shared", sentence, "warning", fields=fields)


def shared_answers_changed(what: str, why: str, seconds: float, time: float) -> Event:
    """Make the event of answers that processes share: their server is "away" or "back", one there was "forged", or the
    server "refused" something.

    Args:
        seconds: it was away.
    """
    fields = {"state": what, "why": why, "seconds": seconds, "policy": "answers"}
    sentence = {
        "away": f"answers are not shared for now: {why}",
        "back": f"answers are shared again, after {_long(seconds)}",
        "forged": f"shared answers: {why}",
        "refused": f"shared answers: the server refuses: {why}",
    }[what]
    return Event(time, "shared", sentence, "good" if what == "back" else "warning", fields=fields)


def process_changed(pid: int, *, gone: bool, time: float, host: str = "") -> Event:
    """Make the event of a process of an app that has come, or is gone; `host` where there are several machines."""
    name = f"process {pid} on {host}" if host else f"process {pid}"
    sentence = f"{name} is gone" if gone else f"{name} has come"
    return Event(time, "process", sentence, "warning" if gone else "info", pid=pid, fields={"gone": gone})


def processes_changed(count: int, *, gone: bool, time: float) -> Event:
    """Make the event of many processes of a fleet at once."""
    sentence = f"{count:,} processes {'are gone' if gone else 'have come'}"
    return Event(time, "process", sentence, "warning" if gone else "info", fields={"gone": gone, "count": count})


def fleet_lamp(name: str, state: str, count: int, processes: int, time: float) -> Event:
    """Make the event of the worst lamp of some processes of a fleet, which nobody had before."""
    sentence = f"{name} is {state.replace('_', '-')} in {count:,} of {processes:,} processes"
    fields = {"state": state, "count": count}
    return Event(time, "breaker", sentence, "error" if state == "open" else "warning", target=name, fields=fields)


def fleet_unseen(what: Literal["away", "back"], why: str, time: float) -> Event:
    """Make the event of the server by which a fleet is watched: it does not answer, or does again."""
    if what == "back":
        sentence, level = "the fleet is seen again", "good"
    else:
        sentence, level = f"the fleet is not seen: {why}", "warning"
    return Event(time, "shared", sentence, level, fields={"state": what, "why": why})  # type: ignore[arg-type]


def fleet_command(message: str, *, ok: bool | None, time: float) -> Event:
    """Make the event of a command of the fleet that was done (`ok`), could not be done, or was refused (None)."""
    sentence = f"a command to the fleet was refused: {message}" if ok is None else f"told by the fleet: {message}"
    state = "refused" if ok is None else "done" if ok else "failed"
    return Event(time, "shared", sentence, "info" if ok else "warning", fields={"state": state, "why": message})


def _usd(value: float) -> str:
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"


def _long(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return _seconds(seconds)


def _seconds(value: float) -> str:
    return f"{value:.2g} s" if value < 10 else span(value)
