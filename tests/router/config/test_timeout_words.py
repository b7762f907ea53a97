"""Timeouts in routes.yaml: durations or `off`, the later level wins, and what cannot run out is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from providers.errors import ErrorCode, ProviderError
from router.cli.show import command as show
from router.config import LoadResult, load_text
from router.config.json_schema import json_schema
from router.engine.request import build_request
from router.plan.compile import compile_plan

NAMES = ("connect", "first_token", "idle", "answer", "total")
OTHER_WORDS = ("Off", "OFF", "none", "None", "null", "~", "", "no", "false", "true", "never", "0", "0s", "-1", ".inf")
HEAD = "providers: {a: {kind: fake}, b: {kind: fake}}\n"


def read(text: str, **env: str) -> LoadResult:
    return load_text(HEAD + text, env=env)


def errors(found: LoadResult) -> list[str]:
    return [diagnostic.message for diagnostic in found.diagnostics if diagnostic.severity == "error"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("word", ["off", '"off"', "'off'", "${NOTHING:-off}", '"${LIMIT}"'])
@pytest.mark.parametrize(
    "level",
    [
        "defaults: {TIMEOUT}\nroutes: {chat: a/m}",
        "models: {m: {provider: a, id: m, TIMEOUT}}\nroutes: {chat: m}",
        "routes: {chat: {targets: [a/m], TIMEOUT}}",
    ],
)
def test_every_timeout_can_be_off(level: str, name: str, word: str) -> None:
    """On every level, quoted or not, or out of a variable."""
    quoted = f'"{word}"' if word.startswith("$") else word  # as it has to be between braces
    found = read(level.replace("TIMEOUT", f"timeout: {{{name}: {quoted}}}"), LIMIT="off")
    assert errors(found) == []
    target = compile_plan(found).chains["chat"].targets[0]
    assert getattr(target.timeout, name) is None
    assert {getattr(target.timeout, other) is None for other in NAMES if other != name} == {False}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("word", OTHER_WORDS)
def test_every_other_word_for_it_is_an_error_that_says_off(name: str, word: str) -> None:
    """There is one way to say it, and nobody has to look for it."""
    found = read(f"defaults:\n  timeout:\n    {name}: {word}\nroutes: {{chat: a/m}}")
    assert found.file is None
    assert len(errors(found)) == 1
    assert "off" in errors(found)[0]
    assert found.diagnostics[0].path == f"defaults.timeout.{name}"


def test_a_route_wins_over_its_targets() -> None:
    """The later level, key by key, be it longer or shorter; a target called by its name has its own."""
    plan = compile_plan(
        read(
            "models: {m: {provider: a, id: m, timeout: {first_token: 5s, idle: 7s, answer: off}}}\n"
            "routes:\n"
            "  patient: {targets: [m], timeout: {first_token: 5m}}\n"
            "  hasty: {targets: [m], timeout: {answer: 1s}}\n"
        )
    )
    limits = {name: plan.chains[name].targets[0].timeout for name in ("patient", "hasty", "m")}
    assert [limits["patient"].first_token, limits["patient"].idle, limits["patient"].answer] == [300.0, 7.0, None]
    assert [limits["hasty"].first_token, limits["hasty"].answer] == [5.0, 1.0]
    assert [limits["m"].first_token, limits["m"].answer] == [5.0, None]


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        (
            "routes: {chat: {targets: [a/m], timeout: {first_token: 5m, total: 2m}}}",
            ["routes.chat.timeout.first_token"],
        ),
        ("routes: {chat: {targets: [a/m], timeout: {answer: 40m}}}", ["routes.chat.timeout.answer"]),
        (
            "defaults: {timeout: {total: 30s}}\nroutes: {chat: {targets: [a/m], fallbacks: [b/m]}}",
            ["defaults.timeout.total"],
        ),
        ("routes: {chat: {targets: [a/m], timeout: {connect: 1m, total: 30s}}}", ["routes.chat.timeout.connect"]),
        ("routes: {chat: {targets: [a/m], timeout: {total: 30s}}}", []),
        ("routes: {chat: {targets: [a/m], timeout: {first_token: 5m}}}", []),
        ("routes: {chat: {targets: [a/m, b/m], timeout: {first_token: off, answer: off, total: 30s}}}", []),
        ("routes: {chat: {targets: [a/m, b/m], timeout: {first_token: 1h, answer: 1h, total: off}}}", []),
        ("routes: {chat: {targets: [a/m, b/m]}}", []),
    ],
)
def test_a_timeout_that_total_makes_void_is_told(text: str, warned: list[str]) -> None:
    """Where it is written, once; a file that says nothing of timeouts gets no word about them."""
    found = read(text)
    assert found.file is not None
    told = [diagnostic for diagnostic in found.diagnostics if "timeout" in diagnostic.message]
    assert [diagnostic.path for diagnostic in told] == warned
    assert {diagnostic.severity for diagnostic in told} <= {"warning"}
    assert all("timeout.total" in diagnostic.message for diagnostic in told)


def test_show_says_off(tmp_path: Path) -> None:
    """With where it is written, as every value."""
    file = tmp_path / "routes.yaml"
    file.write_text(HEAD + "routes: {chat: {targets: [a/m, b/m], timeout: {answer: off, idle: 5m}}}\n")
    said = CliRunner().invoke(show, ["-f", str(file)], standalone_mode=False).output
    lines = {line.split()[0]: line.split()[1:3] for line in said.splitlines() if line.startswith("    ")}
    assert [lines[name][0] for name in NAMES] == ["3s", "1m", "5m", "off", "30m"]
    assert lines["answer"][1] == "routes.chat.timeout"


def test_editors_know_off() -> None:
    """The JSON Schema takes a duration, a variable and `off`, and nothing else."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema()

    def is_valid(limit: object) -> bool:
        file = {
            "providers": {"a": {"kind": "fake", "timeout": {"answer": limit}}},
            "routes": {"chat": {"targets": ["a/m"], "timeout": {"total": limit}}},
        }
        return not list(jsonschema.Draft202012Validator(schema).iter_errors(file))

    assert all(map(is_valid, ("off", "5s", "10m", "${LIMIT}")))
    assert not any(map(is_valid, ("none", 5, False, "Off")))


@pytest.mark.parametrize("name", NAMES)
def test_a_call_says_its_own(name: str) -> None:
    """What makes no sense is refused before anything is sent, with the right form."""
    for good, limit in ((5, 5), ("off", "off"), ("250ms", 0.25), ("2m", 120.0)):
        request = build_request("chat", "hi", {"timeout": {name: good}})
        assert request.timeout == {name: limit}
    for bad in (
        {name: "soon"},
        {name: 0},
        {name: -1},
        {name: True},
        {name: None},
        {name: float("nan")},
        {"read": 5},
        [30],
    ):
        with pytest.raises(ProviderError, match="timeout") as caught:
            build_request("chat", "hi", {"timeout": bad})
        assert caught.value.code is ErrorCode.INVALID_REQUEST
