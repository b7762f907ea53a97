"""The rules of a route (`when`): what each asks of a call, of the prompt and of the clock, and where it leads."""

import re
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeAlias, get_args

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from providers.spelling import did_you_mean
from router.config import units
from router.config.calendar_values import WEEKDAYS, TimeZone
from router.config.sections import Section, key
from router.config.serve_schema import TagName, TagValue
from router.config.values import Text

# What a request may need, by the words of `capabilities`.
Need: TypeAlias = Literal[
    "tools", "vision", "json_mode", "json_schema", "streaming", "thinking", "audio", "files", "server_tools", "logprobs"
]
NEEDED: tuple[str, ...] = get_args(Need)
SAID_OTHERWISE = {
    "images": "vision",
    "image": "vision",
    "json": "json_mode",
    "documents": "files",
    "stream": "streaming",
}
_DAYS_OTHERWISE = {
    **dict.fromkeys(("weekday", "weekdays", "workday", "workdays", "working days"), "mon-fri"),
    **dict.fromkeys(("weekend", "weekends"), "[sat, sun]"),
    **dict.fromkeys(("daily", "everyday", "all", "*"), "mon-sun"),
}
ENDLESS = 2**63 - 1  # tokens
DAY = 24 * 60  # minutes
_BOUND = r"(>=|<=|>|<)\s*(\S+)"
_RANGE = r"(\S+?)\s*-\s*(\S+)"
_HOURS = r"([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})"
_SHORT = tuple(day[:3] for day in WEEKDAYS)
_BOUNDS_FORM = 'this must be a bound or a range of tokens, in quotes: "> 32k", "<= 8000" or "8k - 32k"'
_HOURS_FORM = "this must be hours of the day, such as 22:00-06:00"


class TokenBounds(NamedTuple):
    """A prompt's tokens, from `least` to `most`."""

    least: int
    most: int
    written: str = ""


class Window(NamedTuple):
    """Hours of a day, in minutes after midnight; those over midnight end on the next day."""

    begin: int
    end: int

    @property
    def written(self) -> str:
        """As it stands in the file."""
        return "-".join(f"{at // 60:02}:{at % 60:02}" for at in self)


def _bounds(value: Any) -> TokenBounds:
    text = value.strip() if isinstance(value, str) else ""
    if found := re.fullmatch(_BOUND, text):
        sign, number = found[1], _count(found[2])
        least = number + (sign == ">") if ">" in sign else 0
        most = number - (sign == "<") if "<" in sign else ENDLESS
    elif found := re.fullmatch(_RANGE, text):
        least, most = _count(found[1]), _count(found[2])
    else:
        raise ValueError(_BOUNDS_FORM)
    if least > most or most < 1:
        raise ValueError(f"no prompt has {text} tokens: the larger number goes last, and every prompt has one")
    return TokenBounds(least, most, text)


def _count(text: str) -> int:
    try:
        return units.count(int(text) if text.isdecimal() else text)
    except ValueError:
        if text == "0":
            return 0
        raise ValueError(_BOUNDS_FORM) from None


def _window(value: Any) -> Window:
    found = re.fullmatch(_HOURS, value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(_HOURS_FORM)
    hours, minutes = (int(found[1]), int(found[3])), (int(found[2]), int(found[4]))
    begin, end = (hour * 60 + minute for hour, minute in zip(hours, minutes, strict=True))
    if max(minutes) > 59 or begin >= DAY or end > DAY:
        raise ValueError(f"{found[0]} are no hours of a day, from 00:00 to 24:00")
    if begin == end:
        raise ValueError(f"{found[0]} is no time at all: for whole days take hours out")
    return Window(begin, end)


def _days(value: Any) -> tuple[int, ...]:
    found: set[int] = set()
    for each in value if isinstance(value, list | tuple) else [value]:
        first, dash, last = str(each).partition("-") if isinstance(each, str) else ("", "", "")
        begin, end = _day(first.strip()), _day(last.strip() if dash else first.strip())
        found |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    if not found:
        raise ValueError("this is empty: name a day, or take it out")
    return tuple(sorted(found))


def _day(text: str) -> int:
    known = (*_SHORT, *WEEKDAYS)
    if text.casefold() not in known:
        meant = _DAYS_OTHERWISE.get(text.casefold())
        near = f"; {text} is written {meant} here" if meant else did_you_mean(text, known)
        raise ValueError(f"this must be days, such as mon-fri or [sat, sun]{near}")
    return known.index(text.casefold()) % 7


def _runs(days: tuple[int, ...]) -> list[str]:
    """Days of the week in words, those that follow each other as `mon-fri`."""
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return [_SHORT[run[0]] + (f"-{_SHORT[run[-1]]}" if len(run) > 1 else "") for run in runs]


def _need(value: Any) -> str:
    if value not in NEEDED:
        meant = SAID_OTHERWISE.get(str(value))
        near = f"; {value} is called {meant} here" if meant else did_you_mean(str(value), NEEDED)
        raise ValueError(f"this must be what a request may need, as in capabilities{near}: {', '.join(NEEDED)}")
    return str(value)


def _one_or_more(value: Any) -> Any:
    return value if isinstance(value, list | tuple | dict) or value is None else [value]


def _many(*examples: Any) -> WithJsonSchema:
    text = {"type": "string"}
    return WithJsonSchema({"anyOf": [text, {"type": "array", "items": text}], "examples": list(examples)})


TagValues = Annotated[
    tuple[TagValue, ...], BeforeValidator(_one_or_more), Field(min_length=1), _many("free", ["free", "trial"])
]
Tokens = Annotated[
    TokenBounds,
    PlainValidator(_bounds),
    PlainSerializer(lambda bounds: bounds.written),
    WithJsonSchema({"type": "string", "examples": ["> 32k", "<= 8000", "8k - 32k"]}),
]
Needs = Annotated[
    tuple[Annotated[str, PlainValidator(_need)], ...],
    BeforeValidator(_one_or_more),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [{"enum": list(NEEDED)}, {"type": "array", "items": {"enum": list(NEEDED)}}],
            "examples": ["vision", ["tools", "json_schema"]],
        }
    ),
]
Hours = Annotated[
    tuple[
        Annotated[Window, PlainValidator(_window), PlainSerializer(lambda window: window.written)],
        ...,
    ],
    BeforeValidator(_one_or_more),
    Field(min_length=1),
    _many("22:00-06:00", ["08:00-12:00", "13:00-18:00"]),
]
Days = Annotated[
    tuple[int, ...],
    PlainValidator(_days),
    PlainSerializer(lambda days: [_SHORT[day] for day in days]),
    _many("mon-fri", ["sat", "sun"]),
]


class Condition(Section):
    """What has to hold; of several all have to."""

    tags: dict[TagName, TagValues] | None = key(
        "Tags of the call, each with its value, or a list of those that it may have."
    )
    prompt_tokens: Tokens | None = key("About how many tokens the prompt has, tools included.")
    needs: Needs | None = key("What the request needs, by the words of capabilities; of several all.")
    hours: Hours | None = key("Hours of the day; those over midnight belong to the day on which they begin.")
    days: Days | None = key("Days of the week.")
    timezone: TimeZone | None = key("Of hours and days, such as Europe/Berlin; default: UTC.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.timezone is not None and self.hours is None and self.days is None:
            raise ValueError("a timezone is of hours or days: write one of them, or take it out")
        if not self.model_fields_set or self.tags == {}:
            raise ValueError("this says nothing: write a condition, or take if out for a rule that always holds")
        return self

    @property
    def words(self) -> str:
        """The conditions for people."""
        said = [f"tags.{name} is {' or '.join(values)}" for name, values in (self.tags or {}).items()]
        if self.prompt_tokens is not None:
            said.append(f"prompt_tokens {self.prompt_tokens.written}")
        if self.needs is not None:
            said.append(f"needs {', '.join(self.needs)}")
        if self.hours is not None or self.days is not None:
            parts = [*(window.written for window in self.hours or ()), *_runs(self.days or ())]
            said.append(f"{' '.join(parts)} {self.timezone or 'UTC'}")
        return ", ".join(said)

    @property
    def minutes(self) -> int:
        """The minutes of a week, from Monday 00:00, in which it holds: a bit for each."""
        held = 0
        for day in range(7) if self.days is None else self.days:
            for begin, end in self.hours or (Window(0, DAY),):
                length = (end - begin) % DAY or DAY
                window = ((1 << length) - 1) << (day * DAY + begin)
                held |= window | (window >> (7 * DAY))  # what is over Sunday's midnight is on Monday
        return held & ((1 << (7 * DAY)) - 1)


class RuleConfig(Section):
    """Where a request goes that fulfils a condition."""

    condition: Condition | None = key("What has to hold; without it the rule always does.", alias="if")
    to: Text = Field(description="A route with its whole chain, a model, or provider/model-id.")
