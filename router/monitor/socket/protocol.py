"""The words that go over the socket: one JSON object a line, in both directions. docs/monitor.md tells it in full."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from router.views.commands import Command, Prompt
from router.views.figures import Struct
from router.views.requests import RequestFilter

VERSION = 1
LONGEST_LINE = 4 * 1024 * 1024  # bytes that a client may send in one line


class Hello(Struct, frozen=True, tag="hello", tag_field="signalbox"):
    """The server's first line. `label` begins the ids of its requests."""

    version: int
    pid: int
    label: str
    name: str
    path: str | None
    revision: str
    started_at: float


class Ask(Struct, frozen=True, tag_field="ask"):
    """What a client sends. `id` is its own choice, and comes back with every answer."""

    id: int


class Snapshots(Ask, frozen=True, tag="snapshots"):
    """One `Snapshot` now, and one every so many seconds (at least 0.1) until `stop`."""

    every: float = 0.25
    sketches: bool = False


class Events(Ask, frozen=True, tag="events"):
    """The recent `Event`s and those to come, until `stop`."""


class Requests(Ask, frozen=True, tag="requests"):
    """A list of `RequestRecord`, the newest first."""

    only: RequestFilter | None = None
    limit: int = 100


class TraceOf(Ask, frozen=True, tag="trace"):
    """The `TraceView` of a request, or null."""

    request: str


class SecondsSince(Ask, frozen=True, tag="seconds"):
    """The `Seconds` from this one (since 1970) on, in rows of `grain` seconds; 1 where a server does not know it."""

    since: int = 0
    grain: int = 1


class ChainsNow(Ask, frozen=True, tag="chains"):
    """The `Chains`."""


class ConfigNow(Ask, frozen=True, tag="config"):
    """The `ConfigView`."""


class Run(Ask, frozen=True, tag="command"):
    """Do a command; answered by `Done`."""

    command: Command


class RunPrompt(Ask, frozen=True, tag="prompt"):
    """Run a prompt; answered by `PromptChunk`s and one `PromptEnd`. `stop` cancels it."""

    prompt: Prompt


class Stop(Ask, frozen=True, tag="stop"):
    """End what was asked with this id."""


Asked: TypeAlias = (
    Snapshots | Events | Requests | TraceOf | SecondsSince | ChainsNow | ConfigNow | Run | RunPrompt | Stop
)


class Answer(Struct, frozen=True, omit_defaults=True):
    """What a server sends after its hello. `end`: no more comes for this id. `error`: why there is no value."""

    id: int
    value: Any = None
    end: bool = False
    error: str | None = None


class RawAnswer(Struct, frozen=True):
    """An `Answer` whose value is still JSON, for the side that knows by the id what it is."""

    id: int = 0
    value: msgspec.Raw = msgspec.Raw(b"null")
    end: bool = False
    error: str | None = None


asked = msgspec.json.Decoder(Asked)
answered = msgspec.json.Decoder(RawAnswer)
hello = msgspec.json.Decoder(Hello)
encoder = msgspec.json.Encoder()
