"""`signalbox init`: what it writes is valid, teaches, and runs."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest

from providers import ProviderSettings, registry
from providers.simulator import Simulator
from router import Router
from router.cli.init import VENDORS, file_of
from router.config import load_text
from tests.support.command import Run, environment, ran
from tests.support.paths import ROOT
from tests.support.raw_server import serving

pytestmark = pytest.mark.slow  # each starts the command as a process of its own


def init(path: Path | str, **env: str) -> Run:
    clean = {name: value for name, value in environment().items() if not name.endswith("_API_KEY")}
    return ran(["init", str(path)], ROOT, clean | {"OLLAMA_HOST": "127.0.0.1:9"} | env)


@pytest.mark.parametrize("count", [0, 1, 2, len(VENDORS)])
@pytest.mark.parametrize("models", [(), ("qwen3:4b",), ("qwen3:4b", "llama3.2:3b")])
def test_what_it_writes_is_valid(count: int, models: tuple[str, ...]) -> None:
    """Without an error or a warning, for any findings; keys appear by the names of their variables."""
    env = {vendor.variable: f"secret-{vendor.name}" for vendor in VENDORS}
    text = file_of(list(VENDORS[:count]), "http://127.0.0.1:11434", models)
    loaded = load_text(text, env=env)
    assert loaded.diagnostics == ()
    assert Router.from_text(text, env=env).chain("chat").targets
    assert "secret-" not in text


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_the_models_are_known(vendor: object) -> None:
    """Each starting model has a known price, so that costs and budgets work from the first call."""
    name, _, model, base_url, kind = vendor  # type: ignore[misc]  # a NamedTuple of five
    settings = ProviderSettings(name=name, kind=kind, base_url=base_url)
    assert registry.create(settings).capabilities(model).price is not None


def test_a_first_file(tmp_path: Path) -> None:
    """It is written once, says what it found and what to do next; the next time it is left alone."""
    path = tmp_path / "routes.yaml"
    done = init(path, OPENAI_API_KEY="sk-very-secret", GROQ_API_KEY="k")
    assert done.code == 0
    assert "openai (OPENAI_API_KEY), groq (GROQ_API_KEY)" in done.out
    assert f"signalbox check {path}" in done.out
    text = path.read_text()
    assert "sk-very-secret" not in text + done.out
    again = init(path)
    assert again.code == 1
    assert "exists, and is left as it is" in again.err
    assert path.read_text() == text


def test_nothing_found_calls_simulated_vendors() -> None:
    done = init("-")
    assert done.code == 0
    assert load_text(done.out, env={}).diagnostics == ()
    assert "simulated:" in done.out


def test_a_folder_that_takes_no_file(tmp_path: Path) -> None:
    done = init(tmp_path / "missing" / "routes.yaml")
    assert done.code == 2
    assert "can't be written: No such file or directory" in done.err
    assert not any(path for path in tmp_path.iterdir() if stat.S_ISREG(path.stat().st_mode))


@pytest.mark.parametrize(
    "name",
    [
        'x"}\nroutes: {chat: {targets: [evil/m]}}\n#',
        "${OPENAI_API_KEY}",
        "${file:/etc/passwd}",
        "\x1b]52;c;aGk=\x07",
        "a\u202eb",
        "x\u2028y",
        "a\\",
        "a b",
        "",
        "m" * 10_000,
        5,
    ],
    ids=range(11),
)
async def test_what_a_server_calls_its_models_is_a_name_or_nothing(name: object, tmp_path: Path) -> None:
    """Nothing of it becomes a line of the file, a variable whose value is sent to it, or a command for the terminal."""
    body = json.dumps({"models": [{"model": name}, {"model": "qwen3:4b"}, {"name": "z", "model": name}]}).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with serving(head + body) as server:
        done = await asyncio.to_thread(init, "-", OLLAMA_HOST=f"127.0.0.1:{server.port}")
    assert done.out == file_of([], f"http://127.0.0.1:{server.port}", ("qwen3:4b",))
    assert load_text(done.out, env={}).diagnostics == ()


async def test_a_password_in_ollama_host_stays_there(simulator: Simulator) -> None:
    """The file names the variable."""
    url = simulator.base_url("ollama").replace("://", "://me:pass-word-9@")
    done = await asyncio.to_thread(init, "-", OLLAMA_HOST=url)
    assert "pass-word-9" not in done.out + done.err
    assert load_text(done.out, env={"OLLAMA_HOST": url}).diagnostics == ()
    assert "base_url: ${OLLAMA_HOST}" in done.out


async def test_an_ollama_that_answers(simulator: Simulator) -> None:
    """Its models are taken, wherever OLLAMA_HOST says it is."""
    url = simulator.base_url("ollama")
    done = await asyncio.to_thread(init, "-", OLLAMA_HOST=url)
    assert 'local: {provider: ollama, id: "llama3.2:3b"}' in done.out
    assert f"base_url: {url}" in done.out
