"""What simulated vendors keep of prompts: of a talk all that it has said, and of a line of traffic its prefix.

Claude's models keep what is marked (`prompt_cache`), and charge for writing; those of OpenAI and of servers with its
protocol keep prompts of 1,024 tokens and more by themselves, by steps of 128 (docs/howto/prompt-caches.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from providers.anthropic.models import least_cached
from providers.prompt_cache import is_on
from providers.types import PromptCache, Usage
from router.plan.target import Target
from router.simulate.schema import Traffic

_LEAST, _STEP = 1_024, 128  # tokens
_SECONDS = {"1h": 3_600.0}
_USUAL = 300.0  # seconds


class Cached(NamedTuple):
    """Tokens of a prompt that were read and written, of those how many for an hour."""

    read: int = 0
    written: int = 0
    written_1h: int = 0

    def within(self, usage: Usage) -> Usage:
        """The same usage with these."""
        read, written, hour = self
        return replace(usage, cache_read_tokens=read, cache_write_tokens=written, cache_write_1h_tokens=hour or None)


NOTHING = Cached()


class Keeping:
    """What is kept of one model's prompts, each API key's by themselves.

    Args:
        least: tokens that are kept at least.
        by_marks: only what is asked for is kept, and it ends where it ends; else by steps.
        charges: writing is told, and paid for.
    """

    def __init__(self, least: int, *, by_marks: bool, charges: bool) -> None:
        self._least = least
        self._by_marks = by_marks
        self._charges = charges
        self._kept: dict[tuple[str, str], tuple[int, float]] = {}  # tokens, and until when

    def read(self, key: str, begins: Mapping[str, Any], prompt: int, asked: PromptCache | None, now: float) -> Cached:
        """What becomes of a prompt of so many tokens.

        Args:
            begins: what it is known by: its `talk`, its `line`, and the tokens of the `prefix` of that.
            asked: for how long it is to be kept.
        """
        if prompt < self._least or (self._by_marks and not is_on(asked)):
            return NOTHING
        lasts = _SECONDS.get(asked or "", _USUAL)
        ends = {f"line {begins['line']}": int(begins["prefix"])}
        if begins["talk"]:
            ends[f"talk {begins['talk']}"] = prompt
        found = [self._kept.get((key, name), (0, now)) for name in ends]
        read = max(tokens for tokens, until in found if until >= now)
        if not self._by_marks:
            read = read // _STEP * _STEP
        read = read if self._least <= read <= prompt else 0
        for name, tokens in ends.items():
            if tokens >= self._least:
                self._kept[key, name] = tokens, now + lasts
        kept = max((tokens for tokens in ends.values() if tokens >= self._least), default=0)
        written = max(0, kept - read) if self._charges else 0
        return Cached(read, written, written if lasts > _USUAL and self._by_marks else 0)


def begins(line: Traffic, number: int, name: str) -> dict[str, Any]:
    """What a prompt is known by; nothing where nothing of it comes again.

    Args:
        number: of the line of traffic.
        name: of its talk, if it is of one.
    """
    talk = name if "turns" in line.model_fields_set else ""
    return {"talk": talk, "line": str(number), "prefix": line.prefix or 0} if talk or line.prefix else {}


def keeping_of(target: Target) -> Keeping | None:
    """What a target's vendor keeps; None where it tells of no cache."""
    settings, price = target.keys[0].settings, target.capabilities.price
    kind = "" if settings is None else settings.kind
    least = least_cached(target.model.lower()) if kind in ("anthropic", "openai") else None
    if least is not None:
        return Keeping(least, by_marks=True, charges=True)
    if kind == "openai":
        return Keeping(_LEAST, by_marks=False, charges=price is not None and price.cache_write is not None)
    return None
