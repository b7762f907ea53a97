"""The `shared` section of routes.yaml: what processes and machines share, over which server."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema

from router.config.interpolate import shown
from router.config.sections import Section, key
from router.config.shared_url import FORMS, LOCAL, read_shared_url
from router.config.units import format_duration
from router.config.values import Count, Duration, Flag, Secret, Text

Shareable: TypeAlias = Literal["limits", "holds", "breakers", "budgets", "fleet", "cache"]

_SHAREABLE: tuple[Shareable, ...] = get_args(Shareable)
_SHARED: tuple[Shareable, ...] = ("limits",)  # where the file does not say
MOST_SHARED = 9_000_000.0  # USD of a budget: the server counts nano-dollars, exactly up to there
_LONGEST_LEASE, _LONGEST_TIMEOUT = 10.0, 2.0  # seconds
_MOST_SHARDS = 64
_Number = TypeVar("_Number", int, float)


def _url(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"this must be {FORMS}")
    if value != LOCAL:
        read_shared_url(value)
    return str(value)


def _share(value: Any) -> Any:
    words = [value] if isinstance(value, str) else value
    for word in words if isinstance(words, list | tuple) else ():
        if word not in _SHAREABLE:
            raise ValueError(f'"{shown(word)}" can\'t be shared; what can: {", ".join(_SHAREABLE)}')
    return words


def _switch(value: Any) -> Any:
    if value not in ("on", "off", True, False):
        raise ValueError("this must be on or off")
    return value in ("on", True)


def _at_most(most: _Number, written: Callable[[_Number], str]) -> AfterValidator:
    def check(value: _Number) -> _Number:
        if value > most:
            raise ValueError(f"this must not be more than {written(most)}")
        return value

    return AfterValidator(check)


def _not_empty(value: str | SecretStr) -> str | SecretStr:
    word = value if isinstance(value, str) else value.get_secret_value()
    if not word.strip():
        raise ValueError("this is empty; write a word, or leave it out")
    return value


NOT_EMPTY = AfterValidator(_not_empty)
SharedUrl = Annotated[
    SecretStr,  # there may be a password in it
    BeforeValidator(_url),
    WithJsonSchema(
        {"type": "string", "examples": ["redis://localhost:6379/0", "rediss://cache.example", "${REDIS_URL}"]}
    ),
]
Switch = Annotated[bool, BeforeValidator(_switch), WithJsonSchema({"enum": ["on", "off", True, False]})]
Shares = Annotated[
    tuple[Shareable, ...],
    BeforeValidator(_share),
    Field(min_length=1),
    WithJsonSchema({"type": "array", "items": {"enum": list(_SHAREABLE)}, "minItems": 1}),
]


class SharedConfig(Section):
    """What processes share over a Redis or Valkey."""

    url: SharedUrl = Field(
        description="The server: redis://, redis+sentinel://, redis+cluster:// (rediss… for TLS) or unix://, "
        "best as ${REDIS_URL}; local: over the parent of the workers of one `signalbox serve`."
    )
    app: Annotated[Text, NOT_EMPTY] | None = key(
        "Who shares: those of the same name; default: the name of the file without its ending."
    )
    secret: Annotated[Secret, NOT_EMPTY] | None = key(
        "Hides what the names in the server's keys are made of, and seals what is told; the same for all processes."
    )
    share: Shares = key(
        "What is shared: limits, holds, breakers, budgets; fleet, and cache (answers of routes with `cache`), "
        "which need `secret`.",
        _SHARED,
    )
    host: Annotated[Text, NOT_EMPTY] | None = key("What the fleet calls this machine; default: its host name.")
    commands: Flag = key("Whether this process does what `signalbox dash --shared` tells the fleet.", False)
    away: Literal["share", "local", "refuse"] = key(
        "Limits while the server does not answer: share (each process its part), local (all of it), refuse.", "share"
    )
    budgets_away: Literal["share", "refuse"] = key(
        "Budgets while the server does not answer: share (each process its part of what was left), refuse.", "share"
    )
    lease: Annotated[Duration, _at_most(_LONGEST_LEASE, format_duration)] = key(
        "How long what a process has leased is its own.", 2.0
    )
    timeout: Annotated[Duration, _at_most(_LONGEST_TIMEOUT, format_duration)] = key(
        "How long the server may take for a reply.", 0.25
    )
    shards: Annotated[Count, _at_most(_MOST_SHARDS, str)] = key(
        "In how many parts it lies at a cluster, at most 64; the same for all processes.", 1
    )
    single_flight: Switch = key("Whether identical requests wait for one answer on all machines: on, off.", False)
