"""What vendors, files and other processes wrote acts on no terminal, whichever verb prints it."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import sys
import unicodedata
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ErrorCode
from providers.printable import one_line, printable, printable_json
from router.cli import group
from router.cli.terminal import echo, echo_json, style
from router.config import load_text
from router.views.trace import Attempt, Pause, Skip, Trace
from tests.support.command import environment
from tests.support.raw_server import serving

BAD = "\x1b]52;c;aGk=\x07\x1b[2J\x1b]8;;http://x\x1b\\\x9b31m\x85\x08\r\x7f\u202e\u2066\u200b\u200d\ufeff\ufe0f\u2028\u2029\U000e0041\ud83d"
KEPT = "a\tb\nc é 日本 🏳 [red]"


def is_clean(text: str) -> bool:
    """By Unicode's own word for what acts or is not seen."""
    acts = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return not any(
        (unicodedata.category(char) in acts and char not in "\n\t") or "\ufe00" <= char <= "\ufe0f" for char in text
    )


def test_each_acts_no_more() -> None:
    """Each by itself and all together; what is harmless stays."""
    for char in (*BAD, BAD):
        assert is_clean(printable(f"a{char}b")), ascii(char)
    assert printable(KEPT) == KEPT
    assert one_line("a\nroutes.yaml: valid") == "a routes.yaml: valid"
    assert "52;c;" in printable(BAD)  # what was tried is to be seen


@given(st.text())
def test_of_any_text(text: str) -> None:
    """Nothing acts, doing it twice changes nothing, and a JSON text stays the same value."""
    assert is_clean(printable(text))
    assert not {"\n", "\t"} & set(one_line(text))
    assert printable(printable(text)) == printable(text)
    assert json.loads(printable_json(json.dumps(text, ensure_ascii=False))) == text


def test_styles_are_the_commands_own(capsys: pytest.CaptureFixture[str]) -> None:
    """A colour of ours stays on a terminal; the same sequence in somebody's text does not."""
    echo(f"{style('x' + BAD, fg='red')} \x1b[31m{BAD}", color=True)
    out = capsys.readouterr().out
    assert out.startswith("\x1b[31mx")
    assert is_clean(out.replace("\x1b[31m", "", 1).replace("\x1b[0m", "", 1).rstrip("\n"))
    echo_json({"a": BAD})
    out = capsys.readouterr().out
    assert json.loads(out) == {"a": BAD}
    assert is_clean(out)


@pytest.mark.parametrize("text", [
    'providers: {"p\\e]52;c;x\\a\\u202e": {kind: fake}}\nroutes: {r: p/m}\n',
    'providers: {p: {kind: "\\e[2J"}}\nroutes: {"r\\nroutes.yaml: valid": "p/\\x9b"}\n',
    "providers: {p: {kind: fake, headers: {a: \x1b[2J}}}\n",
    'providers: {p: {kind: fake, base_url: "\\e[2J", "\\u200b": 1}}\nroutes: {r: ["p/\\e[2J"]}\n',
])  # fmt: skip
def test_the_keys_and_values_of_a_file(text: str, tmp_path: Path) -> None:
    """`check` and `show` decode YAML's escapes, and print none of them; nor does an app that prints the findings."""
    (tmp_path / "r.yaml").write_text(text)
    for verb in (["check", str(tmp_path / "r.yaml")], ["show", "-f", str(tmp_path / "r.yaml")]):
        result = CliRunner().invoke(group, verb)
        assert is_clean(result.output)
        assert result.output
    for found in load_text(text).diagnostics:
        assert is_clean(found.render())
        assert "\n" not in found.path


def test_a_trace_is_lines_of_ours() -> None:
    """Names and messages of vendors stay on their lines."""
    trace = Trace(f"r{BAD}", "rev")
    trace.entries += [
        Attempt(f"p/{BAD}\nx", 0, 0.0, 1.0, ErrorCode.SERVER_ERROR, f"{BAD}\nfake", request_id=BAD),
        Skip(f"p/{BAD}", 0, 0.0, f"{BAD}", f"{BAD}\nfake"),
        Pause(f"p/{BAD}", 0.0, 1.0),
    ]
    assert is_clean(trace.render())
    assert len(trace.render().splitlines()) == 4


@pytest.mark.slow
async def test_an_answer_on_a_terminal_and_in_a_pipe(tmp_path: Path) -> None:
    """On the terminal nothing acts; in the pipe it is exact."""
    said = BAD.replace("\ud83d", "")
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    body = json.dumps({"model": "m", "choices": [choice]}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    async with serving(head.encode() + body) as server:
        text = f"providers: {{p: {{kind: openai, base_url: '{server.url}'}}}}\nroutes: {{r: p/m}}\n"
        (tmp_path / "routes.yaml").write_text(text)
        command = [sys.executable, "-m", "router.cli", "ask", "r", "hi"]
        run = partial(asyncio.create_subprocess_exec, *command, cwd=tmp_path, env=environment())
        piped, _ = await (await run(stdout=asyncio.subprocess.PIPE)).communicate()
        assert piped.decode().removesuffix("\n") == said
        master, slave = pty.openpty()
        with os.fdopen(master, "rb", buffering=0) as terminal:
            assert await (await run(stdout=slave)).wait() == 0
            os.close(slave)
            shown = terminal.read(65536).decode().replace("\r\n", "\n")
    assert is_clean(shown)
    assert "52;c;" in shown


@pytest.mark.parametrize(
    "verb", [["ask", "r", ""], ["ask", "r", " \n"], ["explain", "r", "-"], ["cache", "why", "r", "-"]]
)
def test_an_empty_prompt_is_refused(verb: list[str], tmp_path: Path) -> None:
    """With a sentence, and nothing is sent."""
    (tmp_path / "r.yaml").write_text("providers: {p: {kind: fake}}\nroutes: {r: {targets: [p/m], cache: {ttl: 1h}}}\n")
    result = CliRunner().invoke(group, [*verb, "-f", str(tmp_path / "r.yaml")], input="\n")
    assert "the prompt is empty" in result.output
    assert result.exit_code == 2


def test_the_line_end_of_a_file_is_no_part_of_the_prompt(tmp_path: Path) -> None:
    """So that a file, a pipe and the command line ask for the same cached answer."""
    (tmp_path / "r.yaml").write_text("providers: {p: {kind: fake}}\nroutes: {r: {targets: [p/m], cache: {ttl: 1h}}}\n")
    keys = set()
    for name, text in (("unix", "Hello\n"), ("dos", "Hello\r\n"), ("bare", "Hello")):
        (tmp_path / name).write_bytes(text.encode())
        asked = ["explain", "r", str(tmp_path / name), "--json", "-f", str(tmp_path / "r.yaml")]
        keys.add(json.loads(CliRunner().invoke(group, asked).output)["cache"]["key"])
    asked = ["explain", "r", "-p", "Hello", "--json", "-f", str(tmp_path / "r.yaml")]
    keys.add(json.loads(CliRunner().invoke(group, asked).output)["cache"]["key"])
    assert len(keys) == 1
