"""What the pages of docs/ show works: their Python runs, their YAML is valid, their commands are there.

The tutorial and docs/howto are followed whole by tests/test_walkthroughs.py, docs/processes.md by
tests/test_processes.py, and docs/clients.md by the tests of its recipes.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import io
import re
import shlex
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from providers import FakeProvider
from providers.simulator import Simulator
from router import Router, SyncRouter
from router.cli import group
from router.config import load_text
from router.config.schema import RoutesFile
from router.plan.compile import compile_plan
from router.simulate.scenario import load_scenario
from tests.support.gateway import served
from tests.support.pages import PAGES, blocks
from tests.support.vendors import VENDORS

# And what docs/reference shows is the docstrings' own.
FOLLOWED = ("tutorial.md", "howto/", "processes.md", "clients.md", "reference/")
PYTHON = [(place, source) for place, source in blocks("python") if not place.startswith(FOLLOWED)]
YAML = [(place, source) for place, source in blocks("yaml") if not place.startswith(FOLLOWED)]

# --- Python: what a block needs around it


@asynccontextmanager
async def nothing(source: str, _: Path) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    yield source, {}


@asynccontextmanager
async def a_file(source: str, folder: Path) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """A routes.yaml over simulated vendors."""
    async with Simulator(seed=1) as simulator:
        for name in VENDORS:
            simulator.vendor(name).set(fast=True)
        (folder / "routes.yaml").write_text(
            f'providers: {{v: {{kind: openai, base_url: "{simulator.base_url("openai")}"}}}}\n'
            "routes: {chat: v/gpt-4o}\n"
        )
        yield source.replace("https://api.groq.com/openai/v1", simulator.base_url("openai")).replace('"…"', '"k"'), {}


@asynccontextmanager
async def a_cache(source: str, _: Path) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """A router whose route keeps answers, and the app's own names."""
    text = "providers: {a: {kind: fake}}\nroutes: {chat: {targets: [a/m], cache: 1h}}\ncache: {path: memory}\n"
    async with Router.from_text(text, providers={"a": FakeProvider.scripted(name="a")}) as router:
        yield source, {"router": router, "messages": "hi", "tenant": "one"}


@asynccontextmanager
async def a_server(source: str, _: Path) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    async with served() as running:
        text = source.replace("http://127.0.0.1:4180", running.url)
        yield text + "client.close()\n", {}


@asynccontextmanager
async def a_call(source: str, _: Path) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """A router that an app without a loop has."""
    text = "providers: {openai: {kind: fake}, local: {kind: fake, labels: {region: eu}}}\nmodels: {mini: openai/mini}\n"
    text += "routes: {chat: [mini, local/llama]}\n"
    fakes = {name: FakeProvider.scripted(name=name) for name in ("openai", "local")}
    with SyncRouter.from_text(text, providers=fakes) as router:
        yield source, {"router": router}


@asynccontextmanager
async def an_index(source: str, _: Path) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """A router whose routes make vectors and ranks."""
    text = "providers: {a: {kind: fake}}\n"
    text += "models: {e: {provider: a, id: e, embeds: true}, r: {provider: a, id: r, reranks: true}}\n"
    text += "routes: {embed: {embeds: true, targets: [e]}, rank: {reranks: true, targets: [r]}}\n"
    async with Router.from_text(text, providers={"a": FakeProvider.scripted(name="a")}) as router:
        yield source, {"router": router}


@asynccontextmanager
async def all_sorts(source: str, folder: Path) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """A route over vendors of which one or the other can do what is asked; files; what was imported."""
    for name in ("notes.md", "question.wav"):
        (folder / name).write_text("x")
    async with Simulator(seed=1) as simulator:
        for name in VENDORS:
            simulator.vendor(name).set(fast=True, sources=[{"url": "https://yr.no", "title": "Rain"}])
        text = "providers:\n"
        for name, kind, more in (
            ("openai", "openai", "api: responses, dialect: openai, "),
            ("chat", "openai", "api: chat, dialect: openai, "),
            ("claude", "anthropic", ""),
        ):
            text += f'  {name}: {{kind: {kind}, {more}base_url: "{simulator.base_url(kind)}", api_key: k}}\n'
        text += "routes: {chat: {targets: [openai/gpt-4o], fallbacks: [chat/gpt-4o, claude/claude-sonnet-4-5]}}\n"
        with SyncRouter.from_text(text, env={}) as router:
            space: dict[str, Any] = {"router": router, "users_own_key": "k2"}
            exec("from pathlib import Path\nfrom providers import AudioPart, Message, ServerTool", space)
            yield source, space


Context = Callable[[str, Path], Any]
CONTEXTS: dict[str, Context] = {  # by a word of the block
    "router.embed(": an_index,
    "credentials={": all_sorts,
    "ServerTool(": all_sorts,
    "FilePart(": all_sorts,
    "from_yaml": a_file,
    "ProviderSettings(": a_file,
    "namespace=tenant": a_cache,
    "only=[": a_call,
    "from openai import": a_server,
    "from_text": nothing,
    "from_dict": nothing,
    "registry.register": nothing,
    "async with Simulator()": nothing,
}


@pytest.mark.parametrize(("place", "source"), PYTHON, ids=[place for place, _ in PYTHON])
async def test_python_runs(place: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    context = next(found for word, found in CONTEXTS.items() if word in source)
    async with context(source, tmp_path) as (text, space):
        code = compile(text, place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        with contextlib.redirect_stdout(io.StringIO()):
            if code.co_flags & 0x80:  # it awaits
                await eval(code, space)
            else:
                await asyncio.to_thread(exec, code, space)
        for name in [name for name in space if name.startswith("test_")]:
            await asyncio.to_thread(space[name])
        if isinstance(found := space.get("router"), Router):
            await found.aclose()


async def test_the_gateway_of_the_page_is_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/serve.md: the app answers below the path that the page says."""
    monkeypatch.chdir(tmp_path)
    source = next(source for place, source in PYTHON if place.startswith("serve.md") and "FastAPI" in source)
    async with a_file(source, tmp_path) as (text, space):
        exec(text, space)

        def ask() -> Any:
            from fastapi.testclient import TestClient

            with TestClient(space["app"], base_url="http://127.0.0.1", client=("127.0.0.1", 50000)) as client:
                body = {"model": "chat", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
                return client.post("/llm/v1/chat/completions", json=body).json()

        answered = await asyncio.to_thread(ask)
    assert "choices" in answered, answered
    assert "Rayleigh" in answered["choices"][0]["message"]["content"]


# --- YAML: a fragment is completed by what the names in it may mean

BASE: dict[str, dict[str, Any]] = {
    "providers": {name: {"kind": "openai", "api_key": "k"} for name in ("openai", "groq", "anthropic", "local")},
    "models": {
        name: {"provider": "local", "id": name, "price": {"input": 1, "output": 5}}
        for name in ("mini", "haiku", "llama", "long", "offline", "spare", "luna", "qwen", "cheap")
    },
    "routes": dict.fromkeys(("chat", "fast", "code", "smart"), "mini"),
}


class _Words(yaml.SafeLoader):
    """As the language reads: `on` and `off` are words."""


_Words.yaml_implicit_resolvers = {
    letter: [(tag, form) for tag, form in forms if letter in "tTfF" or not tag.endswith(":bool")]
    for letter, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_VARIABLE = re.compile(r"\$\{([A-Z_0-9]+)\}")


def whole(source: str) -> str:
    """A file with this in it; what it says itself goes before."""
    written = yaml.load(source.replace("https://…", "https://llm.example/v1"), _Words)
    if source.startswith(" "):  # a part of the providers
        written = {"providers": written}
    for name, value in BASE.items():
        if name == "routes" and "routes" in written and "providers" in written:
            continue  # a whole file
        written[name] = {**value, **written.get(name, {})}
    return yaml.safe_dump(written, sort_keys=False)


@pytest.mark.parametrize(("place", "source"), YAML, ids=[place for place, _ in YAML])
def test_yaml_is_valid(place: str, source: str, tmp_path: Path) -> None:
    if set(yaml.safe_load(source)) - set(RoutesFile.model_fields) and not source.startswith(" "):
        return _scenario(source, tmp_path)
    text = whole(source)
    env = {name: f"sb-{name.lower()}-0123456789012345" for name in _VARIABLE.findall(text)}
    env["REDIS_URL"] = "redis://cache.example"
    env["ALERT_URL"] = "https://hooks.example/a"
    assert [each for each in load_text(text, env=env).diagnostics if each.severity == "error"] == []
    return None


def _scenario(source: str, folder: Path) -> None:
    path = folder / "scenario.yaml"
    path.write_text(source)
    plan = compile_plan(load_text(yaml.safe_dump(BASE), env={}))
    assert [each for each in load_scenario(path, plan).diagnostics if each.severity == "error"] == []


def test_every_block_is_of_a_kind_that_is_run() -> None:
    """A new example needs a context here, or a page that is followed."""
    assert [place for place, source in PYTHON if not any(word in source for word in CONTEXTS)] == []


# --- commands

COMMAND = re.compile(r"^(?: {4}|\$ )(?:\w+ \| )?(signalbox [a-z][^\n|&>]*)", re.M)


def commands() -> list[tuple[str, str]]:
    """(page, command) of every `signalbox …` that a page shows as something to type."""
    found = []
    for page in PAGES:
        if "reference" not in page.parts:
            found += [(page.name, match[1].strip()) for match in COMMAND.finditer(page.read_text())]
    return found


@pytest.mark.parametrize(("page", "command"), commands(), ids=[f"{page}: {line}" for page, line in commands()])
def test_a_command_is_one(page: str, command: str) -> None:
    """Its verb, its arguments and its options are there."""
    words = shlex.split(command, comments=True)[1:]
    context = click.Context(group, info_name="signalbox")
    verb: click.Command = group
    while isinstance(verb, click.Group):
        found = verb.get_command(context, words[0])
        assert found is not None, words[0]
        verb, context = found, click.Context(found, info_name=words.pop(0), parent=context)
    verb.make_context(context.info_name, words, parent=context.parent)
