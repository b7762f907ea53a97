"""An editor on the file that `signalbox init` writes: the YAML language server completes, explains and checks it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.command import signalbox
from tests.support.language_server import PROGRAM, LanguageServer
from tests.support.paths import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("node") is None or not PROGRAM.exists(),
        reason="the YAML language server is not installed: `make .clients/.done` does it where npm is",
    ),
]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[tuple[LanguageServer, str]]:
    """A server on a folder where `signalbox init` ran, and the first line that it wrote."""
    done = await signalbox("init", cwd=tmp_path)
    assert done.code == 0, done.err
    async with asyncio.timeout(120), LanguageServer(tmp_path) as running:
        yield running, (tmp_path / "routes.yaml").read_text().splitlines()[0]


async def test_files_that_are_right_have_no_problem(server: tuple[LanguageServer, str], tmp_path: Path) -> None:
    """The one of init, and the example that teaches the language."""
    running, first = server
    for name, text in (
        ("routes.yaml", (tmp_path / "routes.yaml").read_text()),
        ("example.yaml", f"{first}\n{(ROOT / 'routes.example.yaml').read_text()}"),
    ):
        assert await running.problems(running.open(name, text)) == []


async def test_a_mistake_is_marked_where_it_is(server: tuple[LanguageServer, str]) -> None:
    running, first = server
    text = (
        f"{first}\nproviders:\n  a: {{kind: openai, tiemout: 3s}}\nroutes:\n  chat: {{targets: a/m, balance: fair}}\n"
    )
    problems = await running.problems(running.open("wrong.yaml", text))
    assert {problem["range"]["start"]["line"] for problem in problems} == {2, 4}
    assert any("tiemout" in problem["message"] for problem in problems)


async def test_a_key_is_explained_with_default_and_examples(server: tuple[LanguageServer, str]) -> None:
    running, first = server
    text = (
        f"{first}\nproviders:\n  a: {{kind: openai}}\ndefaults:\n  retry:\n    max_backoff: 8s\nroutes: {{chat: a/m}}\n"
    )
    told = await running.hover(running.open("hover.yaml", text), 5, 6)
    assert "The longest wait between two tries. Default: 8s." in told
    assert "250ms" in told


async def test_keys_and_values_are_completed(server: tuple[LanguageServer, str]) -> None:
    """Only those that fit the place; a section comes with what is in force."""
    running, first = server
    head = f"{first}\nproviders:\n  a:\n    kind: openai\n    "
    keys = await running.completions(running.open("keys.yaml", f"{head}\nroutes: {{chat: a/m}}\n"), 4, 4)
    assert {"base_url", "api_key", "timeout", "limits"} <= keys.keys()
    assert "targets" not in keys
    assert "backoff: ${2:250ms}" in keys["retry"]["insertText"]
    text = f"{first}\nproviders:\n  a: {{kind: openai}}\nroutes:\n  chat:\n    targets: a/m\n    on_stream_break: \n"
    values = await running.completions(running.open("values.yaml", text), 6, 21)
    assert values.keys() == {"error", "restart", "continue"}
