"""The filter of the Requests screen as people type it: `route:chat provider:openai code:timeout slow:2s failed`, and
plain words, which are looked for in all names.
"""

from __future__ import annotations

import difflib

from router.config.units import duration, format_duration
from router.views.requests import RequestFilter

_NAMES = ("route", "provider", "target", "code", "caller")
WORDS = (*(f"{name}:" for name in _NAMES), "slow:", "failed")


def parse(text: str) -> RequestFilter:
    """Return the filter that is meant.

    Raises:
        ValueError: With a sentence that names the word and says what may stand there.
    """
    named: dict[str, str] = {}
    slow: float | None = None
    failed = False
    plain: list[str] = []
    for word in text.split():
        name, colon, value = word.partition(":")
        if word == "failed":
            failed = True
        elif name == "slow" and value:
            slow = _seconds(value)
        elif name in _NAMES and value:
            named[name] = value
        elif colon or word == "slow" or name in _NAMES or difflib.get_close_matches(word, ["failed"], cutoff=0.8):
            raise ValueError(_explained(word, name, has_value=bool(colon)))
        else:
            plain.append(word)
    return RequestFilter(slow=slow, failed=failed, text=" ".join(plain) or None, **named)


def _seconds(value: str) -> float:
    try:
        return duration(value)
    except ValueError:
        raise ValueError(f'slow:{value}: "{value}" is not a duration, such as 250ms or 2s') from None


def _explained(word: str, name: str, *, has_value: bool) -> str:
    if name in (*_NAMES, "slow"):
        return f'"{word}" needs a value, such as {name}:{"2s" if name == "slow" else "…"}'
    near = difflib.get_close_matches(word if not has_value else f"{name}:", WORDS, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f'"{word}" is no filter{hint}; there are: {" ".join(WORDS)}, and plain words'


def written(only: RequestFilter) -> str:
    """Return the filter as people type it, and `parse` reads it; "" lets all pass."""
    words = [f"{name}:{value}" for name in _NAMES if (value := getattr(only, name)) is not None]
    if only.slow is not None:
        words.append(f"slow:{format_duration(only.slow)}")
    return " ".join([*words, *(["failed"] if only.failed else []), *([only.text] if only.text else [])])
