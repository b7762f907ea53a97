"""Requests that ended, as anybody sees them: the line of each, its steps, and the filter for a list of them. The
conventions are those of `router.views.figures`.
"""

from __future__ import annotations

import msgspec

from router.views.figures import Struct
from router.views.trace import Entry, PromptCacheUse


class RequestRecord(Struct, frozen=True):
    """A request that ended. `time` is when it began; `code` is None for a success.

    `id` is unique over all processes. `tier` counts from 0. `first_token` and `seconds` count from its begin.
    `caller` is who asked, by the request's own word, and `tags` are what it says of itself. A `shadow` is a copy, whose
    answer nobody saw.
    """

    id: str
    time: float
    route: str
    seconds: float
    target: str | None = None
    provider: str | None = None
    code: str | None = None
    first_token: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    streamed: bool = False
    cached: bool = False
    attempts: int = 0
    tier: int = 0
    hedged: bool = False
    pid: int | None = None
    caller: str | None = None
    shadow: bool = False
    tags: dict[str, str] | None = None


class Captured(Struct, frozen=True):
    """Prompt and answer, where `telemetry.capture` allows it. `whole` is False for the beginning only."""

    prompt: str
    answer: str
    whole: bool


class TraceView(Struct, frozen=True):
    """A request step by step; `entries`, `prompt_cache`, `of_call` and `rule` as in a `Trace`."""

    record: RequestRecord
    revision: str
    seconds: float
    entries: tuple[Entry, ...]
    captured: Captured | None = None
    prompt_cache: PromptCacheUse | None = None
    of_call: dict[str, str] = msgspec.field(default_factory=dict)
    rule: str = ""


class RequestFilter(Struct, frozen=True):
    """Which requests; None takes any. `slow` is the least duration in seconds, `failed` only those with an error, and
    `text` has words that stand in the names of route, target, provider or caller, in a tag, in the code, or in the id,
    in any case of letters.
    """

    route: str | None = None
    provider: str | None = None
    target: str | None = None
    code: str | None = None
    slow: float | None = None
    failed: bool = False
    caller: str | None = None
    text: str | None = None
