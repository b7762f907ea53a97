"""The rules of a route, compiled: which of them a request fulfils."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from router.config import LoadResult, RoutesFile
from router.config.when_schema import DAY, RuleConfig, TokenBounds


class Facts(Protocol):
    """What rules ask of a request. Each is made when a rule asks for it."""

    @property
    def tags(self) -> Mapping[str, str]: ...

    @property
    def prompt_tokens(self) -> int: ...

    @property
    def needs(self) -> Collection[str]: ...

    @property
    def wall(self) -> float:
        """The time of day, in seconds since 1970."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `where` is its file and line, `words` what it says. `minutes` has a bit for each minute of a week in
    which it holds; None for always.
    """

    where: str
    words: str
    to: str
    tags: tuple[tuple[str, frozenset[str]], ...] = ()
    tokens: TokenBounds | None = None
    needs: frozenset[str] = frozenset()
    minutes: int | None = field(default=None, repr=False)
    zone: ZoneInfo | None = None

    def why_not(self, facts: Facts) -> str:
        """Say which condition a request does not fulfil; "" when it fulfils all."""
        for name, values in self.tags:
            if facts.tags.get(name) not in values:
                said = facts.tags.get(name)
                return f"tags.{name} is {'not set' if said is None else said}"
        if self.needs and not self.needs.issubset(facts.needs):
            return f"no need of {', '.join(sorted(self.needs.difference(facts.needs)))}"
        if self.minutes is not None:
            now = datetime.fromtimestamp(facts.wall, self.zone)
            if not self.minutes >> (now.weekday() * DAY + now.hour * 60 + now.minute) & 1:
                return f"it is {now:%a %H:%M}"
        if self.tokens is not None and not self.tokens.least <= facts.prompt_tokens <= self.tokens.most:
            return f"prompt_tokens are about {facts.prompt_tokens}"
        return ""

    @property
    def words_to(self) -> str:
        """What it says, and where it leads; where it stands does not count."""
        return f"{self.words} → {self.to}"

    @property
    def line(self) -> str:
        """For people: where it stands, what it says, and where it leads."""
        return f"{self.where}: {self.words_to}"


def rules_of(loaded: LoadResult, file: RoutesFile, route: str) -> tuple[Rule, ...]:
    """Compile the rules of a route, in their order."""
    rules = []
    for number, written in enumerate(file.routes[route].when):
        where = loaded.where(("routes", route, "when", number)) or (loaded.name, "?")
        rules.append(_rule(written, ":".join(map(str, where))))
    return tuple(rules)


def _rule(written: RuleConfig, where: str) -> Rule:
    asked = written.condition
    if asked is None:
        return Rule(where, "always", written.to)
    timed = asked.hours is not None or asked.days is not None
    return Rule(
        where,
        f"if {asked.words}",
        written.to,
        tuple((name, frozenset(values)) for name, values in (asked.tags or {}).items()),
        asked.prompt_tokens,
        frozenset(asked.needs or ()),
        asked.minutes if timed else None,
        ZoneInfo(asked.timezone or "UTC") if timed else None,
    )
