"""Whatever is typed wrong: one clear line, the right exit code, nobody else's words; and JSON where it is asked for."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from router.cli import main

ROUTES = """\
providers: {a: {kind: openai, api_key: k-1, base_url: "http://127.0.0.1:9/v1"}}
defaults: {retry: {same_target: 0}}
routes: {chat: {targets: [a/m], cache: 1h}}
"""
# What no user of the command knows: words of the libraries, and of Python.
FOREIGN = ("Traceback", "Errno", "Error:", "Invalid value", "Got unexpected", "No such option", "Missing ", "aiohttp")
FOREIGN += (
    "Connect call",
    "ssl:default",
    "pydantic",
    "ValueError",
    "TypeError",
    "NoneType",
    "Expecting",
    "is not a valid",
)

USAGE = """\
nope | chek | --nope | -x | ask | ask chat '' | ask chat hi there | ask chat hi --max-tokens
ask chat hi --max-tokens 0 | ask chat hi --max-tokens x | ask chat hi --temperature hot | ask chat hi --json=1
ask chat hi -f | ask chat hi -f no.yaml | ask chat hi folder.yaml | check no.yaml | check binary.yaml
check latin.yaml | check folder.yaml | check a b c | check -f | check '' | show chat chat | show a b | explain
explain chat no.json | explain chat broken.json | explain chat latin.json | explain chat broken.json -p hi
explain chat -p '' | explain chat . | simulate | simulate -s | simulate -s nope | simulate -s scenario.yaml
simulate -s . | simulate no.yaml -s x | simulate -s x --seed -1 | status --shared no.yaml | status --socket
status a b | serve --listen foo | serve --listen :99999 | serve --workers 0 | serve --workers x | serve no.yaml
serve a b | key | key 'A b' | key '' | health | health foo | health http://127.0.0.1:9 --timeout 0
health http://127.0.0.1:9 --timeout x | schema x | schema --nope | init a b | cache nope | cache stats no.yaml
prices nope | cache why | cache why chat | cache why chat no.json | tokens nope | completion install tcsh
completion nope
dash nope | dash --port x | demo x | demo --nope | models --nope | models -f"""
FAILURES = """\
ask nope hi | ask chat hi | ask chat hi bad.yaml | ask chat hi --temperature 9 | check bad.yaml
check empty.yaml | show nope | show bad.yaml | explain nope | explain chat request.json | models nope | models
serve bad.yaml | health http://127.0.0.1:9/ | health https://127.0.0.1:9/ | init routes.yaml
cache clear --route nope | cache why nope -p x | cache clear --shared | status --shared
tokens fetch --from http://127.0.0.1:9 | tokens fetch --from nope
prices fetch --from http://127.0.0.1:9 | prices fetch --from nope"""


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\n", " | ").split(" | ")]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "vocabularies"))
    monkeypatch.setattr("router.parent.serves", False)  # `serve` says that this process is one of its own, for good
    files = {"routes.yaml": ROUTES, "bad.yaml": "providers: [\n", "empty.yaml": "", "broken.json": "{"}
    files |= {"request.json": '{"messages": 3}', "scenario.yaml": "traffic: nope\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "binary.yaml").write_bytes(b"\0\1")
    for name in ("latin.yaml", "latin.json"):
        (tmp_path / name).write_bytes(b"a: \xff")
    (tmp_path / "folder.yaml").mkdir()


def run(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["signalbox", *shlex.split(line)])
    with pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize("line", _lines(USAGE))
def test_wrong_usage_is_one_line_and_exit_2(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(line, monkeypatch)
    out, err = capsys.readouterr()
    assert (code, out) == (2, ""), err
    assert err.splitlines()[-1].startswith("signalbox: ")
    assert not [word for word in FOREIGN if word in err], err


@pytest.mark.parametrize("line", _lines(FAILURES))
def test_a_failure_is_told_in_our_words_and_exit_1(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(line, monkeypatch)
    out, err = capsys.readouterr()
    assert (code, out) == (1, ""), err
    assert err
    assert not [word for word in FOREIGN if word in err], err


@pytest.mark.parametrize(
    ("line", "code", "facts"),
    [
        ("ask chat hi --json", "connection_failed", {"route", "trace"}),
        ("ask nope hi --json", "unknown_route", set()),
        ("ask chat hi --json -f no.yaml", "unreadable_file", {"file"}),
        ("check no.yaml --json", "unreadable_file", {"file"}),
        ("show --json bad.yaml", "invalid_file", {"file", "diagnostics"}),
        ("explain chat --json no.json", "usage", set()),
        ("explain --json", "usage", set()),
        ("models nope --json", "unknown_provider", set()),
        ("status nope --json", "nothing_runs", set()),
        ("simulate --json -s scenario.yaml", "invalid_file", {"file", "diagnostics"}),
        ("health http://127.0.0.1:9/ --json", "failed", set()),
        ("init routes.yaml --json", "file_exists", set()),
        ("nope --json", "usage", set()),
    ],
)
def test_with_json_an_error_is_json(
    line: str, code: str, facts: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stdout, where whoever asked for JSON reads; the exit code is that of the plain error."""
    monkeypatch.setenv("SIGNALBOX_RUNTIME_DIR", ".")
    ended = run(line, monkeypatch)
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert (error["code"], err) == (code, "")
    assert error.keys() == {"code", "message"} | facts
    assert ended > 0


def test_a_prompt_behind_two_dashes_asks_for_no_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("ask chat -- --json", monkeypatch)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("typed", "meant"), [("chek", "check"), ("shwo", "show"), ("modles", "models")])
def test_a_mistyped_verb_is_guessed(
    typed: str, meant: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(typed, monkeypatch)
    assert f'did you mean "{meant}"' in capsys.readouterr().err


def test_warnings_are_counted_but_told_by_check_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A budget that counts nothing is worth a line, not one of each verb."""
    (tmp_path / "b.yaml").write_text(ROUTES.replace("cache: 1h", "budget: $5/d"))
    for line in ("show b.yaml", "explain chat b.yaml", "ask chat hi b.yaml", "models b.yaml", "cache stats b.yaml"):
        run(line, monkeypatch)
        err = capsys.readouterr().err
        assert "does not count" not in err, line
        assert err.count("1 warning: signalbox check b.yaml") == 1
    run("check b.yaml", monkeypatch)
    assert capsys.readouterr().out.count("does not count") == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("serve --port 8080", "there is no option --port: write --listen 127.0.0.1:PORT; see"),
        ("serve --host 0.0.0.0", "there is no option --host: write --listen 127.0.0.1:PORT; see"),
        ("serve -c routes.yaml", "there is no option -c: write --file PATH; see"),
        ("log --tail", "there is no option --tail: write --follow; see"),
        ("check --port 1", "there is no option --port; options: "),
    ],
)
def test_an_option_of_other_tools(
    line: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line, monkeypatch) == 2
    assert capsys.readouterr().err.startswith(f"signalbox: {words}")
