"""How a credential that a source issues is, in words."""

from __future__ import annotations

from providers.sources import CredentialState
from router.config.units import format_duration


def told(state: CredentialState, now: float) -> str:
    """Return one line for people: by whom it is, how long it holds, and why there is no newer one.

    Args:
        now: seconds since 1970.
    """
    words = []
    if state.fetched is None:
        words.append("none yet")
    else:
        ends = "until it is refused" if state.ends is None else _until(state.ends - now)
        words.append(f"holds {ends}, fetched {_span(now - state.fetched)} ago")
    if state.failures:
        times = "once" if state.failures == 1 else f"{state.failures} times"
        again = "" if state.retry is None else f", next try in {_span(state.retry - now)}"
        words.append(f"failed {times}{again}: {state.why}")
    return f"{state.source}: {'; '.join(words)}"


def _until(seconds: float) -> str:
    return f"for {_span(seconds)}" if seconds > 0 else "no longer"


def _span(seconds: float) -> str:
    return format_duration(max(0, round(seconds)))
