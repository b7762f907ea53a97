"""`signalbox simulate --traffic`: a log's requests on another file."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from router.cli.simulate import command
from router.request_log.lines import Line, files_of
from router.simulate.replay import replay
from router.simulate.scenario import compile_simulated, load_routes
from router.simulate.traffic import read_traffic
from router.views.trace import Attempt
from tests.support.paths import ROOT
from tests.support.request_logs import BEGIN, fell_back, line, write_log

FILE = """\
providers: {openai: {kind: openai, api_key: "${OPENAI}"}, groq: {kind: openai, api_key: "${GROQ}"}}
models:
  mini: {provider: openai, id: gpt, price: {input: 1, output: 10}}
  llama: {provider: groq, id: llama, price: {input: 0.1, output: 1}}
routes:
  chat: {targets: [mini], fallbacks: [llama]}
"""


def lines_of(number: int = 200) -> list[Line]:
    """A stream of 2 s every 3 s at `mini`, where every tenth was answered 429 and fell back."""
    return [
        fell_back(at, at * 3.0) if at % 10 == 0 else line(at, at * 3.0, 2.0, first_token=0.5) for at in range(number)
    ]


def simulated(folder: Path, file: str, lines: list[Line], *args: str) -> dict[str, Any]:
    path = folder / "routes.yaml"
    path.write_text(file)
    log = write_log(folder / "log", lines)
    result = CliRunner().invoke(command, [str(path), "--traffic", str(log), "--json", *args], standalone_mode=False)
    assert result.exception is None, result.output
    found: dict[str, Any] = json.loads(result.output)
    return found


def test_the_same_file_comes_to_what_the_log_says(tmp_path: Path) -> None:
    """Each call goes as it went: the 429s, the fallbacks, the times, the shares."""
    found = simulated(tmp_path, FILE, lines_of())
    log, now = found["sides"]
    assert (log["name"], now["name"]) == ("the log", str(tmp_path / "routes.yaml"))
    assert log["total"]["requests"] == now["total"]["requests"] == 200
    assert log["total"]["rate_limited"] == 20
    for name in ("calls", "share", "429s"):
        for target in ("mini", "llama"):
            assert now["targets"][target][name] == pytest.approx(log["targets"][target][name], abs=4), (target, name)
    for name in ("failed", "first_token_p50", "first_token_p95", "p50", "p95"):
        assert now["routes"]["chat"][name] == pytest.approx(log["routes"]["chat"][name], rel=0.03), name
    # The file's own prices: 1000 tokens of prompt, 101 of answer.
    assert now["targets"]["mini"]["cost"] == pytest.approx(180 * (1000 + 1010) / 1e6, rel=0.05)


def test_an_edit_shows_in_money_shares_and_429s(tmp_path: Path) -> None:
    before = tmp_path / "before.yaml"
    before.write_text(FILE)
    edited = FILE.replace("targets: [mini], fallbacks: [llama]", "targets: [llama], fallbacks: [mini]")
    found = simulated(tmp_path, edited, lines_of(), "--against", str(before))
    log, old, new = found["sides"]
    assert old["targets"]["mini"]["share"] > 0.85
    assert new["targets"]["llama"]["share"] == 1
    assert new["total"]["rate_limited"] == 0 < old["total"]["rate_limited"]
    assert new["total"]["cost"] == pytest.approx(old["total"]["cost"] / 10, rel=0.4)
    assert log["total"]["requests"] == new["total"]["requests"]


def test_a_target_that_the_log_has_not_is_a_usual_vendor_and_said_to_be(tmp_path: Path) -> None:
    found = simulated(tmp_path, FILE.replace("targets: [mini]", "targets: [openai/new]"), lines_of())
    assert found["notes"] == ["never called in the log, and simulated as vendors usually are: openai/new"]
    assert found["sides"][1]["targets"]["openai/new"]["calls"] == 200


def test_a_renamed_model_is_known_by_the_file_before(tmp_path: Path) -> None:
    before = tmp_path / "before.yaml"
    before.write_text(FILE)
    found = simulated(tmp_path, FILE.replace("mini", "small"), lines_of(), "--against", str(before))
    assert found["notes"] == []
    assert found["sides"][2]["routes"]["chat"]["p50"] == pytest.approx(2.0, rel=0.03)


def test_names_that_lead_elsewhere_are_followed(tmp_path: Path) -> None:
    lines = [line(number, number, asked="gpt", route="chat") for number in range(10)]
    found = simulated(tmp_path, FILE + "  fast: llama\n  gpt: fast\n", lines)
    assert found["sides"][1]["targets"]["llama"]["calls"] == 10
    assert found["sides"][1]["routes"]["gpt"]["requests"] == 10


def test_routes_that_the_file_has_not_fail_and_are_counted(tmp_path: Path) -> None:
    lines = [*lines_of(20), *(line(number, number, route="gone") for number in range(100, 105))]
    found = simulated(tmp_path, FILE, lines)
    assert found["sides"][1]["routes"]["gone"]["errors"] == {"unknown_route": 5}


def test_what_the_cache_answered_costs_nothing_while_the_route_has_one(tmp_path: Path) -> None:
    lines = [line(number, number, 0.01, cached=number % 2 == 1, cost=None) for number in range(40)]
    found = simulated(tmp_path, FILE.replace("chat: {", "chat: {cache: 1h, "), lines)
    assert found["sides"][1]["routes"]["chat"]["cached"] == 0.5
    assert found["sides"][1]["targets"]["mini"]["calls"] == 20
    (tmp_path / "b").mkdir()
    without = simulated(tmp_path / "b", FILE, lines)
    assert without["sides"][1]["targets"]["mini"]["calls"] == 40


def test_a_request_that_was_wrong_is_wrong_everywhere(tmp_path: Path) -> None:
    wrong = (Attempt("mini", 0, 0.0, 0.1, code="invalid_request", status=400),)
    lines = [
        line(number, number, 0.1, code="invalid_request", entries=wrong, output_tokens=None) for number in range(5)
    ]
    edited = FILE.replace("targets: [mini], fallbacks: [llama]", "targets: [llama], fallbacks: [mini]")
    found = simulated(tmp_path, edited, [*lines, *lines_of(20)])
    assert found["sides"][1]["routes"]["chat"]["errors"] == {"invalid_request": 5}


def test_the_files_own_limits_and_budgets_hold_at_that_time_of_day(tmp_path: Path) -> None:
    edited = FILE.replace("chat: {", "chat: {budget: $0.05/h, ")
    lines = [line(number, number * 10.0) for number in range(400)]  # over an hour: it is 09:00 after the first third
    found = simulated(tmp_path, edited, lines)
    now = found["sides"][1]["routes"]["chat"]
    assert now["cost"] == pytest.approx(0.1, abs=0.03)  # of two hours
    assert now["errors"] == {"quota_exhausted": pytest.approx(350, abs=12)}


def test_requests_begin_in_their_order_however_they_ended(tmp_path: Path) -> None:
    lines = [line(1, 0, 100.0), line(2, 1, 1.0), line(3, 2, 50.0), line(4, 3, 0.5)]
    traffic = read_traffic(write_log(tmp_path / "log", lines))
    assert [each.id for each in traffic.in_order()] == ["p-1", "p-2", "p-3", "p-4"]


def test_only_some_are_held_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.simulate.traffic.MOST_AHEAD", 10)
    traffic = read_traffic(write_log(tmp_path / "log", lines_of(100)))
    order = traffic.in_order()
    first = next(order)
    assert first.id == "p-0"
    assert len(list(order)) == 99


def test_broken_lines_are_counted_and_named(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", lines_of(10))
    file = files_of(log)[0][1]
    with file.open("ab") as opened:
        opened.write(b"{half\n")
    found = simulated(tmp_path, FILE, [])
    assert found["traffic"]["unreadable"] == 1
    assert found["notes"] == [f"1 line of the log can't be read: {file.name}:11"]


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(FILE)
    traffic = read_traffic(write_log(tmp_path / "log", lines_of(50)))
    plan = compile_simulated(load_routes(path))
    first, second = (replay(plan, traffic) for _ in range(2))
    assert first.targets["mini"].course == second.targets["mini"].course
    assert first.routes["chat"].usd == second.routes["chat"].usd


def test_it_is_told_side_by_side_and_quiet_in_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(FILE + "telemetry: {log: {path: log}}\n")
    write_log(tmp_path / "log", lines_of(50))
    result = CliRunner().invoke(command, [str(path), "--traffic", str(path)])  # the log that the file has
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    text = result.stdout.splitlines()
    assert text[1].startswith("50 requests from 2027-01-15 08:00:00 to 2027-01-15 08:02:29 UTC, simulated in")
    assert any(row.split()[:4] == ["mini", "calls", "50", "50"] for row in text)


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        ([], 2, "give a scenario (-s) or a log of requests (--traffic)"),
        (["-s", "x.yaml", "--traffic", "."], 2, "give a scenario (-s) or a log of requests (--traffic)"),
        (["-s", "x.yaml", "--since", "1d"], 2, "--since, --until and --against go with --traffic"),
        (["--traffic", "missing"], 2, "there is no log at missing"),
        (["--traffic", "empty"], 1, "empty has no request of that time"),
        (["--traffic", "empty", "--since", "soon"], 2, "--since takes 30m, 1h, 2d"),
    ],
)
def test_wrong_usage_says_what_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], code: int, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "routes.yaml").write_text(FILE)
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(command, args)
    assert (result.exit_code, told in result.output) == (code, True), result.output


def test_time_of_day_is_that_of_the_log(tmp_path: Path) -> None:
    found = simulated(tmp_path, FILE, lines_of(20), "--until", "2027-01-15T08:00:01Z")
    assert found["traffic"]["requests"] == 1
    assert found["traffic"]["from"] == BEGIN


@pytest.mark.slow
def test_a_terminal_sees_how_far_it_is(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(FILE)
    write_log(tmp_path / "log", lines_of(2500))
    leader, follower = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "router.cli", "simulate", "--traffic", "log"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=follower,
    )
    os.close(follower)
    seen = b""
    with contextlib.suppress(OSError), os.fdopen(leader, "rb") as opened:  # it says so when the other side is closed
        while part := opened.read1(65536):
            seen += part
    assert process.wait() == 0
    assert b"reading the log  39%" in seen or b"reading the log  40%" in seen
    assert b"simulating routes.yaml " in seen
    assert seen.endswith(b"\r\x1b[K")
