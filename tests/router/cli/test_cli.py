"""The command as a user runs it: as a process of its own, with its exit codes, and one clear line for each mistake."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from providers.simulator import Simulator
from tests.support.command import signalbox, start
from tests.support.vendors import KEY, routes

pytestmark = pytest.mark.slow  # each starts the command as a process of its own


@pytest.fixture
def folder(tmp_path: Path, simulator: Simulator) -> Path:
    (tmp_path / "routes.yaml").write_text(routes(simulator))
    return tmp_path


# --- check


async def test_check_a_valid_file(folder: Path) -> None:
    """One line, exit 0; and nothing of a key."""
    run = await signalbox("check", cwd=folder)
    assert run.code == 0
    assert run.out.startswith("routes.yaml: valid: 3 providers, 3 models, 3 routes")
    assert KEY not in run.out + run.err


async def test_check_an_invalid_file(tmp_path: Path) -> None:
    """All errors with their lines on stderr, exit 1; as JSON for machines."""
    (tmp_path / "r.yaml").write_text("providers: {a: {kind: openia}}\nroutes: {chat: b/m}\n")
    run = await signalbox("check", "r.yaml", cwd=tmp_path)
    assert run.code == 1
    assert 'r.yaml:1:23: providers.a.kind: no provider kind is named "openia"' in run.err
    assert 'r.yaml:2:16: routes.chat: no provider is named "b"' in run.err
    assert run.err.rstrip().endswith("r.yaml: 2 errors")
    data = json.loads((await signalbox("check", "r.yaml", "--json", cwd=tmp_path)).out)
    assert (data["valid"], [(d["line"], d["column"]) for d in data["diagnostics"]]) == (False, [(1, 23), (2, 16)])


async def test_check_lists_what_is_not_active(tmp_path: Path) -> None:
    """What is accepted without an engine for it is named."""
    text = "providers: {a: {kind: ollama}}\nroutes: {chat: a/m}\n"
    (tmp_path / "routes.yaml").write_text(text)
    assert "not active" not in (await signalbox("check", cwd=tmp_path)).out


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.yaml", None, "no such file"),
        ("folder", "DIR", "a directory"),
        ("huge.yaml", b"# " + b"x" * 2 * 1024 * 1024, "larger than 1 MiB"),
        ("binary.yaml", b"\x00\x01\x02", "a binary file"),
    ],
    ids=["missing", "folder", "huge", "binary"],
)
@pytest.mark.parametrize("verb", ["check", "ask"])
async def test_unreadable_files(tmp_path: Path, verb: str, name: str, content: bytes | str | None, words: str) -> None:
    """One clear line, exit 2."""
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        (tmp_path / name).mkdir()
    args = ["check", name] if verb == "check" else ["ask", "chat", "hi", "-f", name]
    run = await signalbox(*args, cwd=tmp_path)
    assert run.code == 2
    assert run.out == ""
    assert words in run.err
    assert len(run.err.splitlines()) == 1


@pytest.mark.parametrize("args", [["ask", "chat", "hi"], ["show"], ["explain", "chat", "-p", "hi"]])
async def test_broken_files_are_explained_by_every_verb(tmp_path: Path, args: list[str]) -> None:
    """The diagnostics, and nothing done."""
    (tmp_path / "routes.yaml").write_text(
        "providers: {a: {kind: openai, api_key: '${NOT_SET_HERE}'}}\nroutes: {chat: a/m}\n"
    )
    run = await signalbox(*args, cwd=tmp_path)
    assert run.code == 1
    assert "routes.yaml:1:40: providers.a.api_key: the variable NOT_SET_HERE is not set" in run.err
    assert "nothing was done" in run.err


# --- ask


async def test_ask_streams_the_answer(folder: Path) -> None:
    """Text on stdout, the trace on stderr."""
    run = await signalbox("ask", "openai-first", "Why is the sky blue?", "-v", cwd=folder)
    assert run.code == 0
    assert "Rayleigh" in run.out
    assert "luna  ok" in run.err
    assert KEY not in run.out + run.err


async def test_ask_takes_the_prompt_from_a_pipe(folder: Path) -> None:
    """As any tool does."""
    run = await signalbox("ask", "openai-first", cwd=folder, stdin=b"Why is the sky blue?")
    assert (run.code, run.err) == (0, "")
    assert "Rayleigh" in run.out


async def test_ask_as_json(folder: Path, simulator: Simulator) -> None:
    """The whole response, its trace with the fallback included."""
    simulator.vendor("openai").set(error_rate=1, error="overloaded")
    run = await signalbox("ask", "openai-first", "hi", "--json", cwd=folder)
    data = json.loads(run.out)
    assert (data["target"], data["provider"]) == ("haiku", "anthropic")
    assert [entry["code"] for entry in data["trace"]["entries"]] == ["overloaded", None]


async def test_ask_an_unknown_route(folder: Path) -> None:
    """It names the near one."""
    run = await signalbox("ask", "openai-frist", "hi", cwd=folder)
    assert run.code == 1
    assert 'did you mean "openai-first"' in run.err
    assert len(run.err.splitlines()) == 1


async def test_ask_when_everything_fails(folder: Path, simulator: Simulator) -> None:
    """Every attempt is listed; exit 1."""
    for vendor in simulator.vendors.values():
        vendor.set(error_rate=1, error="quota")
    run = await signalbox("ask", "openai-first", "hi", cwd=folder)
    assert run.code == 1
    assert "is exhausted after 3 attempts" in run.err
    for target in ("luna", "haiku", "qwen"):
        assert f"{target}  quota_exhausted" in run.err
    assert KEY not in run.err


async def test_ask_without_network(tmp_path: Path) -> None:
    """A vendor that nobody listens for is one clear error."""
    text = "providers: {a: {kind: openai, base_url: 'http://127.0.0.1:9/v1'}}\nroutes: {chat: a/m}\n"
    text += "defaults: {retry: {same_target: 0}}\n"
    (tmp_path / "routes.yaml").write_text(text)
    run = await signalbox("ask", "chat", "hi", cwd=tmp_path)
    assert run.code == 1
    assert "connection_failed" in run.err


async def test_a_stream_that_breaks_says_so(folder: Path, simulator: Simulator) -> None:
    """What came stays on stdout; stderr says that it is not all."""
    simulator.vendor("openai").set(cut_after=5)
    run = await signalbox("ask", "openai-first", "Why is the sky blue?", cwd=folder)
    assert run.code == 1
    assert run.out.strip()
    assert "the answer above is not complete" in run.err


async def test_ctrl_c_ends_a_stream_at_once(folder: Path, simulator: Simulator) -> None:
    """Exit 130, no traceback, and the vendor is told to stop."""
    vendor = simulator.vendor("openai")
    vendor.set(fast=False, first_token=0.0, hang_after=3)
    process = await start(["ask", "openai-first", "Why is the sky blue?"], folder)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        while not vendor.cancelled:
            await asyncio.sleep(0)
    assert process.returncode == 130
    assert err.decode().strip() == "interrupted"


# --- show, explain, schema, and the command itself


async def test_show_tells_values_and_their_origins(folder: Path) -> None:
    """Each effective value, with built in or the line of the file."""
    run = await signalbox("show", "openai-first", cwd=folder)
    assert run.code == 0
    assert "luna = openai/gpt-4o" in run.out
    lines = [line.split() for line in run.out.splitlines()]
    assert ["connect", "1m", "defaults.timeout", "routes.yaml:7"] in lines
    assert ["max_attempts", "6", "built", "in"] in lines
    assert KEY not in run.out


async def test_explain_says_who_would_be_asked(folder: Path) -> None:
    """Without a call: order, odds, and why others are skipped."""
    data = json.loads((await signalbox("explain", "openai-first", "-p", "hi", "--json", cwd=folder)).out)
    assert [tier["offered"][0]["target"] for tier in data["tiers"]] == ["luna", "haiku", "qwen"]
    run = await signalbox("explain", "openai-first", "-p", "hi", cwd=folder)
    assert "100%  luna" in run.out


async def test_explain_takes_a_request_file(folder: Path) -> None:
    """JSON in OpenAI's shape; what it asks of a target is looked at."""
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    (folder / "request.json").write_text(json.dumps(body))
    assert (await signalbox("explain", "openai-first", "request.json", cwd=folder)).code == 0
    (folder / "request.json").write_text("{")
    run = await signalbox("explain", "openai-first", "request.json", cwd=folder)
    assert run.code == 2
    assert len(run.err.splitlines()) == 1


@pytest.mark.slow
async def test_models_lists_what_is_offered(folder: Path, simulator: Simulator) -> None:
    """Live from each provider; one that can't be asked is told and costs the exit code only."""
    run = await signalbox("models", cwd=folder)
    assert run.code == 0, run.err
    for words in ("openai  4 models", "\n  model  ", "$/M in / out", "gpt-4o-mini", "claude-haiku-4-5", "llama3.2:3b"):
        assert words in run.out
    simulator.vendor("openai").set(error_rate=1, error="authentication")
    run = await signalbox("models", "--json", cwd=folder)
    data = json.loads(run.out)
    assert run.code == 1
    assert "authentication" in data["openai"]["error"]
    assert data["anthropic"]["claude-haiku-4-5"]["context_window"] == 200_000
    assert KEY not in run.out + run.err
    assert 'no provider is named "nobody"' in (await signalbox("models", "nobody", cwd=folder)).err


async def test_schema_is_json(tmp_path: Path) -> None:
    """For editors."""
    data = json.loads((await signalbox("schema", cwd=tmp_path)).out)
    assert "routes" in data["properties"]


async def test_the_command_explains_itself(tmp_path: Path) -> None:
    """Help and version; an unknown command names the known ones."""
    for args in ([], ["--help"], ["ask", "--help"]):
        assert "Usage: signalbox" in (run := await signalbox(*args, cwd=tmp_path)).out + run.err
    assert "signalbox, version" in (await signalbox("--version", cwd=tmp_path)).out
    run = await signalbox("chekc", cwd=tmp_path)
    assert run.code == 2
    assert "commands: alerts, ask, cache, check" in run.err


@pytest.mark.slow
async def test_the_demo_tells_its_story(tmp_path: Path) -> None:
    """Three vendors stream, one breaks, the next answers, it is mended; no key, no network, exit 0."""
    run = await signalbox("demo", cwd=tmp_path)
    assert run.code == 0, run.err
    for words in ("Rayleigh", "A fault", "overloaded HTTP 503", "haiku  ok", "Mended", "Summary", "/v1/messages -d"):
        assert words in run.out
    assert "\x1b[" not in run.out
    assert not os.listdir(tmp_path)
