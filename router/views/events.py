"""Something that happened to a router, as a sentence and as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from router.views.figures import Struct

EventKind: TypeAlias = Literal[
    "breaker", "hold", "drain", "reload", "budget", "cache", "process", "shared", "simulated", "health"
]

Level: TypeAlias = Literal["good", "info", "warning", "error"]


class Event(Struct, frozen=True):
    """Something that people want to know, as a sentence such as "groq opened: 5 failures in a row (server_error);
    retry in 10 s". `level` says how it is painted; `fields` has its parts."""

    time: float
    kind: EventKind
    sentence: str
    level: Level = "info"
    provider: str | None = None
    target: str | None = None
    route: str | None = None
    pid: int | None = None
    fields: Mapping[str, Any] = {}
