"""The language of a scenario as pydantic models: what may be written, and what it is once read.

Durations are seconds, rates are per second, percentages are fractions.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from datetime import UTC, datetime
from random import Random
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from providers.errors import ErrorCode
from providers.spelling import did_you_mean
from router.config import units
from router.config.json_schema import DIALECT, clean
from router.config.sections import Section, key
from router.config.serve_schema import Tags
from router.config.values import Allowances, Count, Duration, Flag, Labels, Rate, Text, Wait
from router.simulate.needing import NEEDED

_Z95 = 1.6448536269514722  # the 95th percentile of the standard normal distribution
LONGEST = 7 * 86400.0  # seconds that a scenario may last
MOST_REQUESTS = 5_000_000
MOST_EVENTS = 200
MOST_PROCESSES = 2000


def _whole(value: Any) -> Any:
    """One value in place of a spread: it is always that."""
    return value if isinstance(value, dict) else {"always": value}


class _Spread(Section):
    """Values around a middle. p50 and p95 make it log-normal, min and max uniform; one value alone is always that."""

    always: float | None = None
    p50: float | None = None
    p95: float | None = None
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        written = {name for name in type(self).model_fields if getattr(self, name) is not None}
        if written not in ({"always"}, {"p50", "p95"}, {"min", "max"}):
            raise ValueError("this is one value, or {p50: …, p95: …}, or {min: …, max: …}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is more than max")
        if self.p50 is not None and self.p95 is not None and not 0 < self.p50 <= self.p95:
            raise ValueError("p50 is more than p95" if self.p50 else "p50 must be more than 0")
        return self

    def draw(self, rng: Random) -> float:
        """One value."""
        if self.p50 is not None and self.p95 is not None:
            return self.p50 * math.exp(rng.gauss(0.0, 1.0) * math.log(self.p95 / self.p50) / _Z95)
        if self.min is not None and self.max is not None:
            return rng.uniform(self.min, self.max)
        return self.always or 0.0


class Times(_Spread):
    """Seconds, spread."""

    always: Wait | None = key("The same for every call.")
    p50: Wait | None = key("Half of all take no longer.")
    p95: Wait | None = key("95% of all take no longer.")
    min: Wait | None = key("The shortest.")
    max: Wait | None = key("The longest.")


class Tokens(_Spread):
    """Numbers of tokens, spread."""

    always: Count | None = key("The same for every request.")
    p50: Count | None = key("Half of all have no more.")
    p95: Count | None = key("95% of all have no more.")
    min: Count | None = key("The fewest.")
    max: Count | None = key("The most.")


_SCALAR_TOO = WithJsonSchema({"type": ["string", "object"], "examples": ["400ms", {"p50": "400ms", "p95": "1.2s"}]})
_COUNT_TOO = WithJsonSchema(
    {"type": ["integer", "string", "object"], "examples": [800, "2k", {"p50": 800, "p95": "4k"}]}
)
SpreadTimes = Annotated[Times, BeforeValidator(_whole), _SCALAR_TOO]
SpreadTokens = Annotated[Tokens, BeforeValidator(_whole), _COUNT_TOO]
_PERCENT = WithJsonSchema({"type": "string", "pattern": r"^[0-9.]+\s*%$", "examples": ["0.1%", "20%"]})
Share = Annotated[float, BeforeValidator(units.percent), _PERCENT]


_RATES = WithJsonSchema({"type": ["string", "object"], "examples": ["20/s", {"0s": "5/s", "1h": "40/s"}]})
Rates = Annotated[
    dict[Wait, Annotated[float, BeforeValidator(units.rate)]],
    BeforeValidator(lambda value: value if isinstance(value, dict) else {"0s": value}),
    Field(min_length=1),
    _RATES,
]


def _one_of(known: tuple[str, ...], what: str) -> tuple[BeforeValidator, WithJsonSchema]:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("this must be text")
        if value not in known:
            raise ValueError(f'no {what} is named "{value}"{did_you_mean(value, known)}; {what}s: {", ".join(known)}')
        return value

    return BeforeValidator(check), WithJsonSchema({"enum": list(known)})


def _needs(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _moment(value: Any) -> float:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(
            "this must be a date and time, such as 2026-11-27T22:00, in UTC where it says no other"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


Needs = Annotated[
    tuple[Annotated[str, *_one_of(NEEDED, "need")], ...],
    BeforeValidator(_needs),
    WithJsonSchema({"anyOf": [{"enum": list(NEEDED)}, {"type": "array", "items": {"enum": list(NEEDED)}}]}),
]
Moment = Annotated[float, PlainValidator(_moment), WithJsonSchema({"type": "string", "examples": ["2026-11-27T22:00"]})]


class Traffic(Section):
    """One stream of requests; they arrive by chance (Poisson) at this rate."""

    route: Text = Field(description="A route, a model, or provider/model-id.")
    rate: Rates = Field(description="Requests in a period; or its course: {0s: 5/s, 1h: 40/s}, straight in between.")
    prompt: SpreadTokens = key("Tokens of a prompt; of a talk: of what is new in a turn.", Tokens(always=500))
    answer: SpreadTokens = key("Tokens of an answer.", Tokens(always=200))
    stream: Flag = key("Whether answers are streamed.", True)
    repeats: Share = key(
        "The share of requests that ask what one of the line's last 1,000 asked; without it caches are off.", 0.0
    )
    sessions: Count | None = key("So many sessions, for `balance: affinity`; each request is of one of them.")
    prefix: Count | None = key("Tokens that come before: instructions and tools, the same for all of the line.")
    turns: SpreadTokens = key(
        "Turns of a talk: each asks with all that was said before, and the rate is that of talks.", Tokens(always=1)
    )
    pause: SpreadTimes = key("From an answer to the next turn.", Times.model_validate({"always": "20s"}))
    require: Labels = key("What each request requires of whom it is sent to, besides its route: {region: eu}.", {})
    users: Count | None = key("So many users, for a `budget` by user; each request is of one of them.")
    tags: Tags = key("Tags of its calls, for the rules of a route.", {})
    needs: Needs = key(f"What its requests need: some of {', '.join(NEEDED)}.", ())
    start: Wait = key("When it begins.", 0.0, alias="from")
    until: Wait | None = key("When it ends; default: with the scenario.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if {"json_mode", "json_schema"} <= set(self.needs):
            raise ValueError("a request has one form of answer: write json_mode or json_schema, or a line for each")
        if self.repeats and "turns" in self.model_fields_set:
            raise ValueError("repeats goes with single requests, not with turns: a talk never comes again")
        return self

    def rate_at(self, now: float) -> float:
        """Requests a second at a moment."""
        moments = sorted(self.rate)
        place = bisect_right(moments, now)
        if place == 0:
            return self.rate[moments[0]]
        if place == len(moments):
            return self.rate[moments[-1]]
        before, after = moments[place - 1], moments[place]
        passed = (now - before) / (after - before)
        return self.rate[before] + passed * (self.rate[after] - self.rate[before])


# Beyond the codes of providers.errors: how a vendor fails without a word.
Manner = Literal["hang", "stall", "cut", "slow", "refused"]
MANNERS: tuple[str, ...] = get_args(Manner)
_NOT_THE_VENDORS = {ErrorCode.STREAM_INTERRUPTED, ErrorCode.CANCELLED, ErrorCode.TIMEOUT}
CODES = tuple(str(code) for code in ErrorCode if code not in _NOT_THE_VENDORS)


ErrorName = Annotated[str, *_one_of(CODES, "error")]
Fault = Annotated[str, *_one_of((*MANNERS, *CODES), "fault")]


class VendorLimits(Section):
    """What the vendor itself allows a key; beyond it answers 429 with a Retry-After."""

    requests: Allowances | None = key("Requests in a period, such as 500/min, or a list of such rates.")
    tokens: Allowances | None = key("Tokens in a period, such as 200k/min, or a list of such rates.")


class Behaviour(Section):
    """How a vendor or model behaves; what is not written is as for its provider, then as for `default`."""

    first_token: SpreadTimes | None = key("From the call to the first content; default p50 500ms, p95 1.5s.")
    speed: Rate | None = key("Tokens of the answer in a period, such as 80/s (the default).")
    errors: Share | None = key("The share of calls that fail; default none.")
    error: ErrorName | None = key("The code that they fail with; default server_error.")
    limits: VendorLimits | None = key("What the vendor allows a key.")


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Span(Section):
    """A while, which may come again."""

    at: Wait = Field(description="When it begins.")
    lasts: Duration = Field(description="How long it lasts.", alias="for")
    every: Duration | None = key("It comes again so often, counted from its beginning.")

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.every is not None and self.every <= self.lasts:
            raise ValueError("every is no longer than for: it would never end; take every out")
        return self

    def is_on(self, now: float) -> bool:
        """Whether it is that while."""
        passed = now - self.at
        if passed < 0:
            return False
        return (passed if self.every is None else passed % self.every) < self.lasts


class Event(Span):
    """Something that goes wrong for a while."""

    who: Annotated[
        tuple[Text, ...],
        BeforeValidator(_names),
        Field(min_length=1),
        WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}}),
    ] = Field(description="A provider, a model, provider/model-id, or a list of them.")
    fault: Fault = Field(
        description="An error code, or hang, stall (in the middle), cut (in the middle), slow, refused."
    )
    share: Share = key("The share of calls that it hits.", 1.0)
    retry_after: Wait | None = key("What an error asks to wait.")
    times: Annotated[float, BeforeValidator(lambda value: _times(value))] = key("How much slower: 10.", 5.0)

    @model_validator(mode="after")
    def _fits(self) -> Event:
        if "times" in self.model_fields_set and self.fault != "slow":
            raise ValueError("times goes with the fault slow")
        if self.retry_after is not None and self.fault in MANNERS:
            raise ValueError("retry_after goes with an error code")
        return self


def _processes(value: Any) -> int:
    number = units.count(value)
    if not 1 <= number <= MOST_PROCESSES:
        raise ValueError(f"this must be from 1 to {MOST_PROCESSES}")
    return number


def _times(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 < value < 1e6:
        raise ValueError("this must be a number above 1, such as 10")
    return float(value)


class Bound(NamedTuple):
    """What a number must be; None is no bound."""

    written: str
    low: float | None
    high: float | None
    open_end: bool  # the bound itself is outside

    def holds(self, value: float) -> bool:
        if self.open_end:
            return (self.low is None or value > self.low) and (self.high is None or value < self.high)
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


_BOUND = re.compile(r"\s{0,9}(<=|>=|<|>)\s{0,9}(\S.{0,60}?)\s{0,9}")
_RANGE = re.compile(r"\s{0,9}(\S.{0,60}?)\s{1,9}(?:-|to)\s{1,9}(\S.{0,60}?)\s{0,9}")


def _bound(read: Any, some: str, more: str) -> Any:
    """A reader of `< 5%`, `>= 5%` and `5% - 10%`, by the reader of one value."""

    def bound(value: Any) -> Bound:
        form = f'this is a comparison in quotes, such as "< {some}", ">= {some}" or "{some} - {more}"'
        if not isinstance(value, str):
            raise ValueError(form)
        if found := _BOUND.fullmatch(value):
            number = read(found[2])
            low, high = (number, None) if found[1][0] == ">" else (None, number)
            return Bound(value, low, high, open_end=len(found[1]) == 1)
        if found := _RANGE.fullmatch(value):
            low, high = read(found[1]), read(found[2])
            if low > high:
                raise ValueError(f'"{value}" ends before it begins')
            return Bound(value, low, high, open_end=False)
        raise ValueError(form)

    return BeforeValidator(bound)


def _usd(value: Any) -> float:
    found = re.fullmatch(r"\$\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)", value)
    if found is None:
        raise ValueError(f'"{value}" is not an amount, such as $5 or $0.25')
    return float(found[1])


_WRITTEN = WithJsonSchema({"type": "string", "examples": ["< 5%", "65% - 75%"]})
Percents = Annotated[Bound, _bound(units.percent, "5%", "10%"), _WRITTEN]
Durations = Annotated[Bound, _bound(units.duration, "2s", "5s"), _WRITTEN]
Dollars = Annotated[Bound, _bound(_usd, "$5", "$10"), _WRITTEN]
Counts = Annotated[Bound, _bound(units.count, "10", "20"), _WRITTEN]


class Expect(Section):
    """What must hold at the end, of a route or of a target."""

    errors: Percents | None = key("A route's failed requests; a target's failed calls.")
    cost: Dollars | None = key("US dollars in all.")
    requests: Counts | None = key("Of a route: requests; of a target: calls.")
    first_token_p50: Durations | None = key("The time to the first content; unstreamed: to the answer.")
    first_token_p95: Durations | None = key("The same.")
    first_token_p99: Durations | None = key("The same.")
    p50: Durations | None = key("Of a route: the time to the end of the answer.")
    p95: Durations | None = key("The same.")
    p99: Durations | None = key("The same.")
    retries: Percents | None = key("Of a route: calls beyond a request's first, hedges not counted, as a share.")
    fallbacks: Percents | None = key("Of a route: the share of answers from another tier than the first.")
    hedges: Percents | None = key("Of a route: hedges as a share of its requests.")
    hits: Percents | None = key("Of a route: the share of its requests that the cache answered.")
    prompt_cache: Percents | None = key("The share of its prompts' tokens that the vendor's prompt cache had.")
    share: Percents | None = key("Of a target: its share of all answers.")
    opened: Counts | None = key("Of a target: how often its breaker opened.")


# What is asked of one kind of thing only.
OF_ROUTES = frozenset({"p50", "p95", "p99", "retries", "fallbacks", "hedges", "hits"})
OF_TARGETS = frozenset({"share", "opened"})


class Scenario(Section):
    """A whole scenario."""

    duration: Duration = Field(description="How long the traffic lasts.")
    begins: Moment | None = key("The date and time at which it begins; default: Monday 2024-01-01 00:00, in UTC.")
    seed: Annotated[int, BeforeValidator(units.count)] = key("Of all chance; the same gives the same run.", 1)
    traffic: Annotated[tuple[Traffic, ...], Field(min_length=1)] = Field(description="Who asks, and how often.")
    targets: dict[str, Behaviour] = key("How providers and models behave, by name; `default` for the rest.", {})
    events: tuple[Event, ...] = key("What goes wrong, and when.", ())
    processes: Annotated[Count, BeforeValidator(_processes)] = key(
        "So many routers of the file, each of a process of its own; a request is of any one of them.", 1
    )
    shared_away: tuple[Span, ...] = key("When the server of the file's `shared` does not answer.", ())
    expect: dict[str, Expect] = key("What must hold at the end, by route or target.", {})


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of a scenario, for editors that complete and check the file."""
    cleaned: dict[str, Any] = clean(Scenario.model_json_schema())
    return {"$schema": DIALECT, "title": "A scenario of Signalbox", **cleaned}
