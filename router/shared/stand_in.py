"""The rate that holds in one process while the server does not answer."""

from __future__ import annotations

from router.config.units import Allowance
from router.shared.told import Server
from router.state.any_rate import PATIENCE
from router.state.limits import Rate


def stand_in_for(amount: float, period: float, link: Server, used: float, now: float, *, smooth: bool) -> Rate:
    """Return this process' part of a limit, or all of it, as the file says.

    It begins as if all processes had used it up when the wait began: all of them at once would be a burst.

    Args:
        used: how far the limit was used up when the server was heard last.
    """
    part = amount / (1 if link.policy == "local" else max(1, link.processes))
    scale = min(1.0, part)  # less than one in a period is one in a longer period
    rate = Rate(Allowance(part / scale, period / scale), smooth=smooth)
    if not rate.tighten(0.0, now - PATIENCE):
        rate.take(1.0 if part < 1 else part * used, now, now)
    return rate
