"""What the log says of a request, and in which file of its folder."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from router.monitor.requests import passes, record_of
from router.telemetry.recorder import RequestRecorder, Telemetry
from router.views.requests import Captured, RequestFilter, RequestRecord, TraceView
from router.views.trace import Attempt, Entry, PromptCacheUse

HOUR = 3600.0
_NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d)(?:\.(\d+))?\.jsonl")


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request that ended, as a line of the log; the fields are those of `RequestRecord`. What is not known, or is
    nothing, is left out, since most of a line costs its writer something.

    `asked` is the name that was asked for where it is not the route's own, `cache` what the response cache did.
    `entries` are left out of a request that its first attempt answered. `captured` are prompt and answer, where the
    file's `telemetry.capture` keeps them. `prompt_cache` is what the vendor's cache of prompts did: tokens that it read
    and wrote, and the USD that this spared. `user` is a hash (`users`), unless the file wants the plain text.
    `of_call` is what the call said for itself, in words.
    """

    time: float
    id: str
    route: str
    seconds: float
    target: str | None = None
    provider: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    code: str | None = None
    first_token: float | None = None
    cached: bool = False
    attempts: int = 1
    tier: int = 0
    hedged: bool = False
    pid: int | None = None
    caller: str | None = None
    revision: str = ""
    asked: str = ""
    cache: str = ""
    shadow: bool = False
    entries: tuple[Entry, ...] | None = None
    captured: Captured | None = None
    prompt_cache: PromptCacheUse | None = None
    tags: dict[str, str] | None = None
    rule: str = ""
    user: str | None = None
    of_call: dict[str, str] | None = None

    @property
    def record(self) -> RequestRecord:
        """The request as the dashboard lists it."""
        kept = {name: getattr(self, name) for name in RequestRecord.__struct_fields__ if name != "streamed"}
        return RequestRecord(**kept, streamed=self.first_token is not None)

    @property
    def trace(self) -> TraceView:
        """The request step by step."""
        entries = self.entries
        if entries is None and self.target is not None:
            entries = (Attempt(self.target, 0, 0.0, self.seconds, first_token=self.first_token),)
        view = (self.record, self.revision, self.seconds, entries or (), self.captured, self.prompt_cache)
        return TraceView(*view, of_call=self.of_call or {}, rule=self.rule)

    def passes(self, only: RequestFilter) -> bool:
        """Say whether the filter lets it through."""
        return passes(self, only)


def line_of(telemetry: Telemetry, ended: RequestRecorder, user: str | None = None) -> Line:
    """Make the line of a request that ended.

    Args:
        user: for whom it was, as the log names them.
    """
    trace, outcome, target = ended.trace, ended.outcome, ended.target
    entries, usage = trace.entries, outcome.usage
    time = round(ended.began + telemetry.offset, 3)
    is_plain = len(entries) == 1 and not trace.cache and not ended.route.telemetry.is_of_copies
    is_plain = is_plain and not trace.rule and not trace.of_call and not getattr(entries[0], "chain", "")
    if is_plain and target is not None and usage is not None and outcome.code is None:
        return Line(  # most: by position, since so many names would cost as much as all the rest
            time,
            f"{telemetry.label}-{ended.number}",
            trace.route,
            outcome.seconds,
            target.name,
            target.provider,
            usage.input_tokens,
            usage.output_tokens,
            outcome.cost,
            None,
            outcome.first_token,
            False,
            1,
            0,
            False,
            os.getpid(),
            trace.caller,
            trace.revision,
            trace.asked,
            "",
            False,
            None,
            outcome.captured,
            trace.prompt_cache,
            trace.tags,
            "",
            user,
        )
    record = record_of(telemetry, ended)
    kept = {name: getattr(record, name) for name in RequestRecord.__struct_fields__ if name not in ("time", "streamed")}
    return Line(
        time,
        **kept,
        revision=trace.revision,
        asked=trace.asked,
        cache=f"{trace.cache} ({trace.cache_level})" if trace.cache_level else trace.cache,
        entries=tuple(entries),
        captured=outcome.captured,
        rule=trace.rule,
        of_call=trace.of_call or None,
        prompt_cache=trace.prompt_cache,
        user=user,
    )


def name_at(seconds: float, part: int = 0) -> str:
    """Return the file for what ends at this time (seconds since 1970): of an hour, of which there may be parts."""
    hour = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H")
    return f"{hour}.{part}.jsonl" if part else f"{hour}.jsonl"


def files_of(folder: Path) -> list[tuple[float, Path]]:
    """List the log's files, the oldest first, each with when its hour ends (seconds since 1970)."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        name = _NAME.fullmatch(path.name)
        if name is not None:
            try:
                began = datetime.strptime(name[1], "%Y-%m-%dT%H").replace(tzinfo=UTC)
            except ValueError:
                continue  # somebody else's
            found.append((began.timestamp() + HOUR, int(name[2] or 0), path))
    return [(ends, path) for ends, _, path in sorted(found)]
