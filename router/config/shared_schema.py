"""The `shared` section of routes.yaml: what processes and machines share, over which server."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema

from router.config import units
from router.config.interpolate import shown
from router.config.sections import Section, key
from router.config.values import Duration, Secret, Text

Shareable: TypeAlias = Literal["limits", "cache"]

_SHAREABLE = ("limits", "cache")
_DEFAULT = ("limits",)
_FORM = "this must be redis://host:6379/0, rediss://host:6379/0 (TLS) or unix:///path/of/the/socket"
_SCHEMES = {"redis": "hostname", "rediss": "hostname", "unix": "path"}
_LONGEST_LEASE, _LONGEST_TIMEOUT = 10.0, 2.0  # seconds


def _url(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(_FORM)
    try:
        parts = urlsplit(value)
        where = getattr(parts, _SCHEMES.get(parts.scheme, "query"))
        parts.port  # noqa: B018  # it is read for what it raises
    except ValueError:
        raise ValueError(_FORM) from None
    if parts.scheme.startswith("redis+") or value == "local":
        raise ValueError(f"Sentinel, Cluster and local servers are not supported: {_FORM}")
    if parts.scheme not in _SCHEMES or not where:
        raise ValueError(_FORM)
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


def _at_most(longest: float) -> AfterValidator:
    def check(seconds: float) -> float:
        if seconds > longest:
            raise ValueError(f"this must not be more than {units.format_duration(longest)}")
        return seconds

    return AfterValidator(check)


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

    url: SharedUrl = Field(description="The server: redis://, rediss:// or unix://, best as ${REDIS_URL}.")
    app: Text | None = key("Who shares: those of the same name; default: the name of the file without its ending.")
    secret: Secret | None = key(
        "Hides what the names in the server's keys are made of, and seals shared answers; the same for all processes."
    )
    share: Shares = key("What is shared: limits; cache (the answers of routes with `cache`, needs `secret`).", _DEFAULT)
    away: Literal["share", "local", "refuse"] = key(
        "Limits while the server does not answer: share (each process its part), local (all of it), refuse.", "share"
    )
    lease: Annotated[Duration, _at_most(_LONGEST_LEASE)] = key("How long what a process has leased is its own.", 2.0)
    timeout: Annotated[Duration, _at_most(_LONGEST_TIMEOUT)] = key("How long the server may take for a reply.", 0.25)
    single_flight: Switch = key("Whether identical requests wait for one answer on all machines: on, off.", False)
