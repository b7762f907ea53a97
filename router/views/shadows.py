"""What came of copies of requests, in words, for all that shows any."""

from __future__ import annotations

from router.views.figures import ShadowFigures
from router.views.money import dollars
from router.views.spans import took


def compared(shadow: ShadowFigures) -> list[str]:
    """Return how the answers to copies differ from those that callers got: how many, how fast, how dear, how long."""
    tried = shadow.answered + shadow.failed
    codes = ", ".join(f"{code} {count:,}" for code, count in sorted(shadow.codes.items(), key=lambda each: -each[1]))
    parts = [f"{shadow.answered:,} of {tried:,} answered" + (f" ({codes})" if codes else "")]
    if shadow.refused or shadow.refused_of_callers:
        parts.append(f"refused {shadow.refused:,} (callers {shadow.refused_of_callers:,})")
    pairs = (("seconds", "of_callers"), ("cost", "cost_of_callers"), ("tokens", "tokens_of_callers"))
    for ours, theirs in pairs:
        mean, of_callers = shadow.each(ours), shadow.each(theirs)
        if mean is not None and of_callers is not None and (mean or of_callers):
            parts.append(f"{_amount(ours, mean)} (callers {_amount(theirs, of_callers)})")
    if shadow.dropped:
        parts.append(f"{shadow.dropped:,} left out")
    return parts


def _amount(of: str, value: float) -> str:
    if of.startswith("cost"):
        return dollars(value, fine=True)
    return f"{value:,.0f} tokens" if of.startswith("tokens") else took(value)
