"""The recent requests as people see them, and one of them step by step."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from typing import Protocol

from msgspec.structs import replace

from router.telemetry.recorder import RequestRecorder, Telemetry
from router.views.requests import RequestFilter, RequestRecord, TraceView
from router.views.trace import Entry

_AT_ONCE = 30  # requests of a step


def recent(
    telemetry: Telemetry, only: RequestFilter | None, limit: int
) -> Generator[None, None, tuple[RequestRecord, ...]]:
    """Find the recent requests that pass the filter, the newest first; by steps, see `router.turns`."""
    records: list[RequestRecord] = []
    for number, ended in enumerate(_newest_first(telemetry)):
        if len(records) >= limit:
            break
        record = record_of(telemetry, ended)
        if only is None or passes(record, only):
            records.append(record)
        if number % _AT_ONCE == 0:
            yield
    return tuple(records)


def trace_of(telemetry: Telemetry, id: str) -> TraceView | None:
    """Return a recent request step by step; None when it is not remembered (any more)."""
    return next((_view(telemetry, ended) for ended in _newest_first(telemetry) if _id(telemetry, ended) == id), None)


def numbered(telemetry: Telemetry, number: int) -> TraceView | None:
    """Return a recent request by its number among those of this router; None when it is not remembered."""
    return next((_view(telemetry, ended) for ended in _newest_first(telemetry) if ended.number == number), None)


def _view(telemetry: Telemetry, ended: RequestRecorder) -> TraceView:
    record = record_of(telemetry, ended)
    trace, captured = ended.trace, ended.outcome.captured
    entries, said = _entries(ended), trace.of_call
    return TraceView(record, trace.revision, record.seconds, entries, captured, trace.prompt_cache, said, trace.rule)


def _newest_first(telemetry: Telemetry) -> Iterator[RequestRecorder]:
    return (RequestRecorder.remembered(telemetry, row) for row in reversed(tuple(telemetry.requests)))


def _id(telemetry: Telemetry, ended: RequestRecorder) -> str:
    return f"{telemetry.label}-{'s' if ended.route.telemetry.is_of_copies else ''}{ended.number}"


def record_of(telemetry: Telemetry, ended: RequestRecorder) -> RequestRecord:
    """Make the record of a request that ended."""
    attempts, answer = ended.trace.attempts, ended.trace.answer
    last = answer or (attempts[-1] if attempts else None)
    target = ended.target.name if ended.target else last.target if last else None
    outcome = ended.outcome
    usage = outcome.usage
    return RequestRecord(
        id=_id(telemetry, ended),
        time=ended.began + telemetry.offset,
        route=ended.trace.route,
        seconds=outcome.seconds,
        target=target,
        provider=ended.target.provider if ended.target else _provider(telemetry, target),
        code=outcome.code,
        first_token=outcome.first_token,
        input_tokens=None if usage is None else usage.input_tokens,
        output_tokens=None if usage is None else usage.output_tokens,
        cost=outcome.cost,
        streamed=outcome.first_token is not None,
        cached=outcome.cached,
        attempts=len(attempts),
        tier=last.tier if last else 0,
        hedged=ended.hedged,
        pid=os.getpid(),
        caller=ended.trace.caller,
        shadow=ended.route.telemetry.is_of_copies,
        tags=ended.trace.tags,
    )


def _provider(telemetry: Telemetry, target: str | None) -> str | None:
    if target is None:
        return None
    called = telemetry.plan.called(target)
    return None if called is None else called[0]


class Filtered(Protocol):
    """What a filter goes by, besides the names: a record, or a line of the log."""

    @property
    def id(self) -> str: ...
    @property
    def route(self) -> str: ...
    @property
    def seconds(self) -> float: ...
    @property
    def target(self) -> str | None: ...
    @property
    def provider(self) -> str | None: ...
    @property
    def code(self) -> str | None: ...
    @property
    def caller(self) -> str | None: ...
    @property
    def tags(self) -> Mapping[str, str] | None: ...


def passes(record: Filtered, only: RequestFilter) -> bool:
    """Say whether the filter lets a record through."""
    for name in ("route", "provider", "target", "code", "caller"):
        wanted = getattr(only, name)
        if wanted is not None and getattr(record, name) != wanted:
            return False
    if only.text is not None:
        tags = [f"{name}={value}" for name, value in (record.tags or {}).items()]
        has = (record.route, record.target, record.provider, record.caller, record.code, record.id, *tags)
        text = " ".join(each for each in has if each).lower()
        if not all(word in text for word in only.text.lower().split()):
            return False
    return (not only.failed or record.code is not None) and (only.slow is None or record.seconds >= only.slow)


def _entries(ended: RequestRecorder) -> tuple[Entry, ...]:
    """Return the trace's entries; the attempt of a stream lasts to the stream's end and says when its first content
    came.
    """
    answer, outcome = ended.trace.answer, ended.outcome
    if outcome.first_token is None or answer is None:
        return tuple(ended.trace.entries)
    whole_answer = replace(answer, seconds=outcome.seconds - answer.at, first_token=outcome.first_token - answer.at)
    return tuple(whole_answer if entry is answer else entry for entry in ended.trace.entries)
