"""What happened to one request, step by step. No prompt, no answer, no key is in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from providers.errors import ErrorCode
from providers.printable import one_line
from router.views.money import dollars, gain


class Attempt(msgspec.Struct, frozen=True, tag=True):
    """One call. `at` and `seconds` count from the request's start; `code` is None for a success.

    `tier` counts from 0. `chain` names the routes among the targets that led to this one, such as "candidate"; "" where
    it is the route's own.

    `first_token` is the time from the call to the first content of a stream, in seconds. `key` is the number of the API
    key where the provider has several. A `hedge` was called beside a slow one; who `lost` was cancelled since another
    was faster. `cost` is what a call that came to nothing costs all the same, in USD: by what the vendor counted, else
    its prompt and what came of the answer at least; None where the price is not known. `left_out` are fields without
    meaning for the answer that were not sent, since the vendor refuses them. `part` numbers the calls of a request that
    was split. `told_cost` is what the vendor itself says that the answer costs, in USD; None where it does not, so that
    its price tells. `own_key` says that the call brought its key along.
    """

    target: str
    tier: int
    at: float
    seconds: float
    code: ErrorCode | None = None
    message: str = ""
    status: int | None = None
    first_token: float | None = None
    request_id: str | None = None
    key: int = 0
    hedge: bool = False
    lost: bool = False
    cost: float | None = None
    left_out: tuple[str, ...] = ()
    part: int = 0
    told_cost: float | None = None
    own_key: bool = False
    chain: str = ""

    def line(self) -> str:
        """One line for people: target, code, milliseconds, the vendor's message."""
        status = f" HTTP {self.status}" if self.status and self.code else ""
        detail = f"  {' '.join(self.message.split())}" if self.message else ""
        outcome = "lost, another was faster" if self.lost else self.code or "ok"
        key = f" (key {self.key})" if self.key else ""
        key += " (the call's own key)" if self.own_key else ""
        key += f" (part {self.part})" if self.part else ""
        hedge = "  (hedge)" if self.hedge else ""
        price = f"  {dollars(self.cost, fine=True)} or more" if self.lost or self.cost else ""
        told = "" if self.told_cost is None else f"  {dollars(self.told_cost, fine=True)} by the vendor's own account"
        without = f"  without {', '.join(self.left_out)}" if self.left_out else ""
        took = f"{self.seconds * 1000:.0f} ms"
        name = f"{self.chain}: {self.target}" if self.chain else self.target
        return one_line(f"{name}{key}{hedge}  {outcome}{status}  {took}{price}{told}{without}{detail}")


class Skip(msgspec.Struct, frozen=True, tag=True):
    """A target that was not called, and why; costs no I/O and is no attempt. `chain` is as in `Attempt`."""

    target: str
    tier: int
    at: float
    reason: str
    message: str = ""
    chain: str = ""

    def line(self) -> str:
        """One line for people: target and reason."""
        name = f"{self.chain}: {self.target}" if self.chain else self.target
        return one_line(f"{name}  skipped: {self.reason}{'  ' + self.message if self.message else ''}")


class Pause(msgspec.Struct, frozen=True, tag=True):
    """A wait before trying a target again."""

    target: str
    at: float
    seconds: float

    def line(self) -> str:
        """One line for people: milliseconds and target."""
        return one_line(f"waited {self.seconds * 1000:.0f} ms before {self.target} again")


Entry: TypeAlias = Attempt | Skip | Pause


class PromptCacheUse(msgspec.Struct, frozen=True):
    """What the vendor's prompt cache did for an answer: tokens of the prompt, of those how many it read from what was
    kept and how many it wrote to be kept, and the USD that this spared; below 0 where writing cost more than reading
    spared, None where a price is not known.
    """

    tokens: int | None
    read: int
    written: int
    saved: float | None = None

    def line(self) -> str:
        """One line for people."""
        of = "" if self.tokens is None else f" of {self.tokens:,}"
        written = f", {self.written:,} written" if self.written else ""
        return f"{self.read:,}{of} tokens read{written}, {gain(self.saved)}"


class Trace(msgspec.Struct):
    """The entries of one request in order, and which revision of the file it ran on.

    `cache` is what the response cache did: "hit", "stale", "joined" (an identical request under way), "stored", or why
    not; "" where the route has none. `cache_level` is who had what was served: "memory", "disk" or "shared" (other
    machines); "" where nothing was. `caller` is who asked, by the request's own word, and `tags` what it
    says of itself. `asked` is the name that was asked for where it is not the route's own. `prompt_cache` is what the
    vendor that answered read from its cache of prompts, and wrote to it; None where it told nothing of one. `of_call`
    is what the call itself has set over its route, by the names of its parameters. `rule` says which of the route's
    rules decided where it goes, with file and line; "" where the route has none. `user` is for whom it is, as budgets
    by user know them; it is for the log on disk, and shown nowhere.
    """

    route: str
    revision: str
    entries: list[Entry] = []  # of its own: msgspec copies what is empty
    seconds: float = 0.0
    cache: str = ""
    caller: str | None = None
    cache_level: str = ""
    asked: str = ""
    prompt_cache: PromptCacheUse | None = None
    tags: dict[str, str] | None = None
    rule: str = ""
    of_call: dict[str, str] = {}
    user: str | None = None

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The calls that were made, in order."""
        return tuple(entry for entry in self.entries if isinstance(entry, Attempt))

    @property
    def answer(self) -> Attempt | None:
        """The attempt that delivered last; it may have broken since."""
        return next((attempt for attempt in reversed(self.attempts) if attempt.code is None and not attempt.lost), None)

    @property
    def wasted(self) -> float | None:
        """USD for the calls that came to nothing: broken streams, failures after the vendor began, hedges that lost.
        None where one was paid at a price that is not known.
        """
        costs = [attempt.cost for attempt in self.attempts if attempt.code is not None or attempt.lost]
        return None if None in costs else sum(cost for cost in costs if cost)

    def note(self, **told: Any) -> None:
        """Write into the attempt that answered what only its answer tells: fields of it with their values."""
        answer = self.answer
        self.entries = [
            msgspec.structs.replace(answer, **told) if answer is not None and entry is answer else entry
            for entry in self.entries
        ]

    @property
    def skips(self) -> tuple[Skip, ...]:
        """The targets that were passed over, in order."""
        return tuple(entry for entry in self.entries if isinstance(entry, Skip))

    def render(self) -> str:
        """The trace for people: a headline and one line an entry."""
        level = f" ({self.cache_level})" if self.cache_level else ""
        cache = f"  cache: {self.cache}{level}" if self.cache else ""
        caller = f"  caller {one_line(self.caller)}" if self.caller else ""
        asked = f" (asked for {one_line(self.asked)})" if self.asked else ""
        tags = "".join(f"  {name}={one_line(value)}" for name, value in (self.tags or {}).items())
        who = f"route {one_line(self.route)}{asked}{caller}{tags}"
        lines = [f"{who}  revision {self.revision}  {self.seconds * 1000:.0f} ms{cache}"]
        lines += what_decided(self.rule, self.of_call)
        lines += [f"  +{entry.at * 1000:5.0f} ms  {entry.line()}" for entry in self.entries]
        if self.prompt_cache is not None:
            lines.append(f"  prompt cache: {self.prompt_cache.line()}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The trace for machines, ready for JSON."""
        return {
            "route": self.route,
            "asked": self.asked,
            "caller": self.caller,
            "tags": dict(self.tags or {}),
            "rule": self.rule,
            "revision": self.revision,
            "seconds": self.seconds,
            "cache": self.cache,
            "cache_level": self.cache_level,
            "of_call": self.of_call,
            "prompt_cache": None if self.prompt_cache is None else msgspec.to_builtins(self.prompt_cache),
            "entries": [msgspec.to_builtins(entry) for entry in self.entries],
        }

    def __hash__(self) -> int:
        return hash((self.route, self.revision))  # the rest still grows

    def __repr__(self) -> str:
        return f"<Trace {self.route}: {len(self.attempts)} attempts, {len(self.skips)} skips>"


def what_decided(rule: str, of_call: Mapping[str, str]) -> list[str]:
    """Say for people what decided where a request went before any call: the file's rule, and what the call set."""
    said = "; ".join(f"{name}: {text}" for name, text in of_call.items())
    return [one_line(f"  {text}") for text in (rule, said and f"set by the call: {said}") if text]
