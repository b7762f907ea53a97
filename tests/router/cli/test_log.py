"""`signalbox log`: the requests that a file's log on disk has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from providers import ErrorCode, FakeProvider, ProviderError
from providers.fake import Fail, Reply
from router import Router
from router.cli.log import command
from tests.support.request_logs import line, write_log


def shown_of(*args: str) -> Result:
    return CliRunner().invoke(command, list(args))


FILE = """
providers: {a: {kind: fake}, b: {kind: fake}}
routes: {chat: {targets: [a/x], fallbacks: [b/y]}, other: b/y}
telemetry: {log: {path: logs}}
"""


@pytest.fixture
async def path(tmp_path: Path) -> str:
    file = tmp_path / "routes.yaml"
    file.write_text(FILE)
    steps = Reply("fine"), Fail(ErrorCode.OVERLOADED), Fail(ErrorCode.INVALID_REQUEST, "bad")
    fakes = {"a": FakeProvider.scripted(*steps, name="a"), "b": FakeProvider.scripted(name="b")}
    async with Router.from_yaml(file, env={}, providers=fakes, monitor=False) as router:
        await router.complete("chat", "hi", caller="ann")
        await router.complete("chat", "hi")
        with pytest.raises(ProviderError):
            await router.complete("chat", "hi")
        await router.complete("other", "hi")
    return str(file)


@pytest.mark.parametrize(
    ("options", "targets"),
    [
        ([], ["a/x", "b/y", "a/x", "b/y"]),
        (["--failed"], ["a/x"]),
        (["--code", "invalid_request"], ["a/x"]),
        (["--route", "other"], ["b/y"]),
        (["--provider", "b"], ["b/y", "b/y"]),
        (["--caller", "ann"], ["a/x"]),
        (["--text", "INVALID"], ["a/x"]),
        (["-n", "1"], ["b/y"]),
        (["--since", "1h"], ["a/x", "b/y", "a/x", "b/y"]),
        (["--since", "2000-01-01", "--until", "2000-01-02"], []),
        (["--slow", "1h"], []),
    ],
)
def test_those_that_pass_are_shown_the_oldest_first(path: str, options: list[str], targets: list[str]) -> None:
    result = CliRunner().invoke(command, [path, *options, "--json"], standalone_mode=False)
    assert [json.loads(line)["target"] for line in result.stdout.splitlines()] == targets
    assert result.return_value == (0 if targets else 1)


def test_a_line_for_people(path: str) -> None:
    lines = shown_of(path).stdout.splitlines()
    assert "chat  a/x  ok" in lines[0]
    assert "10+5 tok" in lines[0]
    assert lines[0].endswith("ann")
    assert "2 attempts" in lines[1]
    assert "invalid_request" in lines[2]


def test_one_request_step_by_step(path: str) -> None:
    lines = shown_of(path, "--json").stdout.splitlines()
    ident = json.loads(lines[1])["id"]
    shown = shown_of(path, "--trace", ident).stdout
    assert "a/x  overloaded" in shown
    assert "b/y  ok" in shown
    missing = shown_of(path, "--trace", "nobody")
    assert missing.exit_code == 1
    assert 'no request in the log is "nobody"' in missing.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--since", "yesterday"], "--since takes 30m, 1h, 2d"),
        (["--slow", "much"], "--slow takes a duration"),
        (["-n", "-1"], "-1"),
    ],
)
def test_a_wrong_option_is_told(path: str, options: list[str], told: str) -> None:
    result = shown_of(path, *options)
    assert result.exit_code == 2
    assert told in result.stderr


def test_without_a_log_it_says_how_to_get_one(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(FILE.replace("telemetry: {log: {path: logs}}", ""))
    result = shown_of(str(file))
    assert (result.exit_code, "write telemetry: {log: on}" in result.stderr) == (3, True)
    file.write_text(FILE)
    result = shown_of(str(file))
    assert (result.exit_code, "has no requests yet" in result.stderr) == (3, True)


def test_to_follow_shows_what_comes_and_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "routes.yaml").write_text(FILE)
    folder = write_log(tmp_path / "logs", [line(number, number) for number in range(5)])
    looks = 0

    def sleep(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise KeyboardInterrupt
        write_log(folder, [line(10 * looks, 10 * looks)])

    monkeypatch.setattr("router.cli.log.time.sleep", sleep)
    result = shown_of(str(tmp_path / "routes.yaml"), "-n", "2", "--follow", "--json")
    assert result.exit_code == 0
    assert [json.loads(each)["id"] for each in result.output.splitlines()] == ["p-3", "p-4", "p-10", "p-20"]


async def test_a_trace_of_the_log_says_which_line_decided_and_what_the_call_set(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    rules = "{when: [{if: {tags: {tier: free}}, to: b/y}], targets: [a/x]}"
    file.write_text(FILE.replace("{targets: [a/x], fallbacks: [b/y]}", rules))
    async with Router.from_yaml(file, env={}, monitor=False) as router:
        reply = await router.complete("chat", "hi", tags={"tier": "free"}, only="b", timeout="5s")
        await router.complete("other", "hi", max_attempts=2)
    assert reply.trace.rule == f"{file}:3: if tags.tier is free → b/y"
    idents = [json.loads(text)["id"] for text in shown_of(str(file), "--json").stdout.splitlines()]
    ruled, plain = (shown_of(str(file), "--trace", ident).stdout.splitlines() for ident in idents)
    assert ruled[1:3] == [f"  {reply.trace.rule}", "  set by the call: timeout: total 5 s; only: b"]
    assert plain[1] == "  set by the call: max_attempts: 2"


def test_where_none_passes_it_says_so(path: str) -> None:
    """On stderr alone: what reads the lines gets none."""
    result = shown_of(path, "--route", "nope")
    assert result.stdout == ""
    assert result.stderr.startswith("signalbox: no request in ")
