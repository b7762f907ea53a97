"""`signalbox log`: the requests that a file's log on disk has."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from providers.printable import one_line
from router.cli.common import UNREADABLE, Failure, takes_file
from router.cli.terminal import echo, echo_json, style
from router.cli.verb import Verb
from router.config.units import duration
from router.plan.log import default_folder, log_rules
from router.request_log.lines import Line
from router.request_log.reader import LogReader
from router.request_log.users import names_in
from router.views.money import dollars
from router.views.requests import RequestFilter
from router.views.trace import what_decided

_LAST = 50  # requests that are shown where nothing says how many
_POLL = 0.5  # seconds between two looks of --follow


@click.command(
    "log",
    cls=Verb,
    examples=[
        "signalbox log                             # the last 50 requests of routes.yaml",
        "signalbox log --failed --since 1h         # what failed in the last hour",
        "signalbox log --route chat --slow 5s -n 0 # all of a route that took long",
        "signalbox log --trace 4711.ab12-77        # one of them, step by step",
    ],
    exits={0: "here they are", 1: "no request passes", 2: "wrong usage, or no FILE", 3: "there is no log"},
)
@takes_file()
@click.option("--since", metavar="WHEN", help="Those that began since: 1h (ago), or a time such as 2026-11-27T08:00.")
@click.option("--until", metavar="WHEN", help="Those that began until then.")
@click.option("--route", help="Of one route.")
@click.option("--provider", help="Of one provider.")
@click.option("--target", help="Of one target.")
@click.option("--caller", help="Of one caller.")
@click.option("--user", help="Of one user: the name, or the hash that the log has of it.")
@click.option("--code", help="Those that ended with this error code.")
@click.option("--failed", is_flag=True, help="Those that failed.")
@click.option("--slow", metavar="DURATION", help="Those that took this long, such as 5s.")
@click.option("--text", help="Those with these words in a name, code or id.")
@click.option("-n", "count", type=click.IntRange(min=0), help="How many, the newest; 0 is all.  [default: 50]")
@click.option("--trace", "ident", metavar="ID", help="One request, step by step.")
@click.option("--follow", is_flag=True, help="Go on with those that come, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="The lines as they are in the log, one JSON object each.")
def command(
    path: str,
    since: str | None,
    until: str | None,
    slow: str | None,
    user: str | None,
    count: int | None,
    ident: str | None,
    follow: bool,
    as_json: bool,
    **only: str | bool | None,
) -> int:
    """The requests in the log on disk of FILE (telemetry: {log: on}), the oldest first. No router has to run."""
    reader = LogReader(folder_of(path))
    now = time.time()
    began, ended = moment("--since", since, now, 0.0), moment("--until", until, now, float("inf"))
    passing = RequestFilter(slow=None if slow is None else _duration("--slow", slow), **only)  # type: ignore[arg-type] # the options are its fields
    try:
        lines = _of_user(reader, user, reader.lines(began, ended, passing))
        if ident is not None:
            return _show_trace(next((line for line in lines if line.id == ident), None), ident, as_json)
        shown = list(lines) if count == 0 else deque(lines, _LAST if count is None else count)
        _show(shown, as_json)
        if reader.unreadable:
            echo(unreadable(reader), err=True)
        if not shown and not follow:
            echo(f"signalbox: no request in {reader.folder} passes", err=True)
        if follow:
            _show(_of_user(reader, user, _coming(reader, passing)), as_json)
    except OSError as error:
        raise Failure(f"{reader.folder} can't be read: {error.strerror}", UNREADABLE) from None
    except KeyboardInterrupt:
        return 0
    return 0 if shown else 1


def folder_of(path: str) -> Path:
    """The folder of a file's log. A file that no longer asks for one may still have what was written."""
    from router.config import load

    loaded = load(path)
    rules = None if loaded.file is None else log_rules(loaded.file, Path(path))
    folder = default_folder(Path(path)) if rules is None else rules.folder
    if folder.is_dir():
        return folder
    if loaded.file is None:
        raise Failure(f"{path} has errors: signalbox check {path}", name="invalid_file")
    what = "has no requests yet" if rules is not None else "has no log: write telemetry: {log: on}"
    raise Failure(f"{path} {what}", 3, name="no_log")


def moment(option: str, text: str | None, now: float, default: float) -> float:
    """A time, in seconds since 1970."""
    if text is None:
        return default
    try:
        return now - duration(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone(UTC).timestamp()
    except ValueError:
        raise Failure(
            f'{option} takes 30m, 1h, 2d … ago, or a time such as 2026-11-27T08:00, not "{text}"', 2
        ) from None


def _duration(option: str, text: str) -> float:
    try:
        return duration(text)
    except ValueError:
        raise Failure(f'{option} takes a duration such as 500ms or 5s, not "{text}"', 2) from None


def unreadable(reader: LogReader) -> str:
    """How many lines can't be read, and where the first of them are."""
    few = ", ".join(reader.places) + (", …" if reader.unreadable > len(reader.places) else "")
    many = f"{reader.unreadable:,} line{'' if reader.unreadable == 1 else 's'}"
    return f"{many} can't be read, since a process was killed within them, or somebody changed them: {one_line(few)}"


def _of_user(reader: LogReader, user: str | None, lines: Iterator[Line]) -> Iterator[Line]:
    """Those of one user, where one is asked for."""
    if user is None:
        return lines
    names = names_in(reader.folder, user)
    return (line for line in lines if line.user in names)


def _coming(reader: LogReader, only: RequestFilter) -> Iterator[Line]:
    """The requests that are written after the last reading."""
    while True:
        yield from reader.more(only)
        time.sleep(_POLL)


def _show(lines: Iterable[Line], as_json: bool) -> None:
    for line in lines:
        if as_json:
            echo_json(msgspec.json.encode(line))
        else:
            echo(_text(line))


def _text(line: Line) -> str:
    record = line.record
    asked = f"{line.asked} → " if line.asked else ""
    target = "the cache" if record.cached else record.target or "nobody"
    tokens = "" if record.input_tokens is None else f"{record.input_tokens}+{record.output_tokens or 0} tok"
    tries = f"  {record.attempts} attempts" if record.attempts > 1 else ""
    caller = f"  {record.caller}" if record.caller else ""
    caller += f"  user {line.user}" if line.user else ""
    caller += "  copy" if record.shadow else ""
    caller += "".join(f"  {name}={value}" for name, value in (record.tags or {}).items())
    outcome = style(one_line(record.code), fg="red") if record.code else style("ok", fg="green")
    cost = "" if record.cost is None else dollars(record.cost, fine=True)
    kept = "" if line.prompt_cache is None else f"  prompt cache: {line.prompt_cache.line()}"
    at = datetime.fromtimestamp(line.time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = one_line(f"{at}  {record.id}  {asked}{record.route}  {target}")
    return (
        f"{text}  {outcome}  {record.seconds * 1000:.0f} ms  {tokens}  {cost}{kept}{tries}{one_line(caller)}".rstrip()
    )


def _show_trace(line: Line | None, ident: str, as_json: bool) -> int:
    if line is None:
        raise Failure(f'no request in the log is "{ident}"', 1, name="no_such_request")
    if as_json:
        echo_json(msgspec.json.encode(line))
        return 0
    echo(_text(line))
    for text in what_decided(line.rule, line.of_call or {}):
        echo(text)
    for entry in line.trace.entries:
        echo(f"  +{entry.at * 1000:5.0f} ms  {entry.line()}")
    if line.captured is not None:
        for name, text in (("prompt", line.captured.prompt), ("answer", line.captured.answer)):
            echo(f"  {name}: {text}")
    return 0
