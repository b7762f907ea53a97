"""Reading a log that others write: forwards, from where one was, and from its end."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from router.request_log.lines import files_of
from router.request_log.reader import LogReader
from router.views.requests import RequestFilter
from tests.support.request_logs import BEGIN, fell_back, line, write_log


def append(folder: Path, data: bytes) -> None:
    with files_of(folder)[-1][1].open("ab") as file:
        file.write(data)


def ids(lines: object) -> list[str]:
    return [each.id for each in lines]  # type: ignore[attr-defined]  # lines, of a list or an iterator


def test_what_comes_is_read_from_where_it_was(tmp_path: Path) -> None:
    folder = write_log(tmp_path / "log", [line(1, 0), line(2, 1)])
    reader = LogReader(folder)
    assert ids(reader.lines()) == ["p-1", "p-2"]
    assert ids(reader.more()) == []
    whole = msgspec.json.encode(line(3, 2)) + b"\n"
    append(folder, whole[:20])
    assert ids(reader.more()) == []  # it is being written
    append(folder, whole[20:] + msgspec.json.encode(line(4, 3)) + b"\n")
    before = reader.read
    assert ids(reader.more()) == ["p-3", "p-4"]
    assert reader.read - before < 2 * len(whole) + 10  # nothing was read again
    write_log(folder, [line(5, 7200)])  # the file of another hour
    assert ids(reader.more()) == ["p-5"]


def test_what_was_not_shown_before_is_not_told_as_new(tmp_path: Path) -> None:
    folder = write_log(tmp_path / "log", [line(number, number) for number in range(100)] + [line(200, 7200)])
    reader = LogReader(folder)
    assert len(list(reader.lines(until=BEGIN + 50))) == 51
    assert ids(reader.more()) == []


@pytest.mark.parametrize(
    ("only", "found"),
    [
        (RequestFilter(route="other"), ["p-2"]),
        (RequestFilter(provider="groq"), ["p-3"]),
        (RequestFilter(target="llama"), ["p-3"]),
        (RequestFilter(code="timeout"), ["p-4"]),
        (RequestFilter(failed=True), ["p-4"]),
        (RequestFilter(caller='a"nn ä'), ["p-5"]),
        (RequestFilter(slow=1.1), ["p-3"]),
        (RequestFilter(text="GROQ llama"), ["p-3"]),
        (RequestFilter(route="nobody"), []),
    ],
)
def test_both_ways_filter_alike(tmp_path: Path, only: RequestFilter, found: list[str]) -> None:
    lines = [
        line(1, 0),
        line(2, 1, route="other"),
        fell_back(3, 2),
        line(4, 3, code="timeout"),
        line(5, 4, caller='a"nn ä'),
    ]
    reader = LogReader(write_log(tmp_path / "log", lines))
    assert ids(reader.lines(only=only)) == found
    assert ids(reader.newest(BEGIN + 100, only)) == found[::-1]


def test_the_newest_are_read_from_the_end_and_no_further(tmp_path: Path) -> None:
    lines = [line(number, number * 10.0, caller="c" * 500) for number in range(2000)]
    folder = write_log(tmp_path / "log", lines)
    reader = LogReader(folder)
    page = reader.newest(BEGIN + 15_000, limit=50)
    assert ids(page) == [f"p-{number}" for number in range(1499, 1449, -1)]
    known = frozenset(ids(page))
    after = reader.newest(page[-1].time + page[-1].seconds, limit=50, known=known)
    assert ids(after) == [f"p-{number}" for number in range(1449, 1399, -1)]
    files_of(folder)[0][1].unlink()  # the oldest hour is not even opened
    assert len(reader.newest(BEGIN + 15_000, limit=100)) == 100


def test_lines_that_are_none_are_counted_and_named(tmp_path: Path) -> None:
    folder = write_log(tmp_path / "log", [line(1, 0)])
    name = files_of(folder)[0][1].name
    append(folder, b'{"time": 1, "id"\n\xff\xfe\n[]\n')
    append(folder, msgspec.json.encode(line(2, 1)) + b"\n" + b"x\n" * 20)
    reader = LogReader(folder)
    assert ids(reader.lines()) == ["p-1", "p-2"]
    assert reader.unreadable == 23
    assert reader.places[:3] == [f"{name}:2", f"{name}:3", f"{name}:4"]
    assert len(reader.places) == 10


def test_one_file_of_a_log_is_a_log(tmp_path: Path) -> None:
    folder = write_log(tmp_path / "log", [line(1, 0), line(2, 7200)])
    reader = LogReader(files_of(folder)[0][1])
    assert ids(reader.lines()) == ["p-1"]
    assert ids(reader.newest(BEGIN + 9999)) == ["p-1"]
