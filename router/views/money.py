"""US dollars as text, for all that shows any."""

from __future__ import annotations

from math import floor, log10

UNKNOWN = "–"
_NOTHING = 5e-10  # USD: less is a rest of rounding


def dollars(usd: float | None, *, at_least: bool = False, fine: bool = False) -> str:
    """Return US dollars as $0, $0.000012, $0.0004, $0.021, $1.24, $1.24k; a dash for what is unknown.

    Nothing is shown as $0 but what is known to be nothing.

    Args:
        at_least: there are amounts beside it that nobody knows.
        fine: three digits that count of what is below ten cents, where one answer's price is what it is about.
    """
    if usd is None:
        return UNKNOWN
    more = "+" if at_least else ""
    if abs(usd) < _NOTHING:
        return UNKNOWN if at_least else "$0"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if usd >= size * 0.9995:
            return f"${_three(usd / size)}{unit}{more}"
    if usd >= 0.0995:
        return f"${usd:.2f}{more}"
    if fine or usd < 0.00005:
        return f"${f'{usd:.{2 - floor(log10(usd))}f}'.rstrip('0')}{more}"  # the digits that count, three at most
    return f"${usd:.{3 if usd >= 0.00995 else 4}f}{more}"


def gain(usd: float | None) -> str:
    """Return what something has spared, or has cost beyond it: "$0.02 saved", "$0.0004 lost"."""
    if usd is None:
        return f"{UNKNOWN} saved"
    return f"{dollars(-usd, fine=True)} lost" if usd < -_NOTHING else f"{dollars(max(usd, 0.0), fine=True)} saved"


def exact_dollars(usd: float) -> str:
    """Return an amount that somebody wrote, as it was written: $20, $0.03, $1.5."""
    text = f"{round(usd, 10) + 0.0:,.10f}".rstrip("0").rstrip(".")
    return f"${text}"


def _three(value: float) -> str:
    if value == int(value):
        return str(int(value))
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"
