"""The recipes of docs/clients.md work as they stand. Those of agents are run by `make agents`."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from tests.support.gateway import Served, served
from tests.support.node import FOLDER, NODE, needs_node
from tests.support.recipes import KEY, recipes

SDKS = ("OpenAI's SDKs", "Anthropic's SDKs", "Ollama's SDKs")


@pytest.fixture
async def gateway() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


async def output(*program: str, cwd: Path) -> str:
    """What a program prints; it ends well."""
    process = await asyncio.create_subprocess_exec(
        *program,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "SB_KEY": KEY},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
async def test_curl(gateway: Served, tmp_path: Path) -> None:
    """A line for each protocol, each answered."""
    (block,) = recipes(gateway.url)["curl"]
    assert (await output("bash", "-ec", block.source, cwd=tmp_path)).count("Rayleigh") == 4


@pytest.mark.parametrize("section", SDKS)
async def test_python(gateway: Served, section: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer is printed."""
    monkeypatch.setenv("SB_KEY", KEY)
    source = next(block.source for block in recipes(gateway.url)[section] if block.language == "python")
    printed: list[str] = []
    space: dict[str, object] = {"print": printed.append}
    await asyncio.to_thread(exec, source, space)
    space["client"].close()  # type: ignore[attr-defined]  # the recipe makes it
    assert len(printed) == source.count("print(")
    assert all("Rayleigh" in text for text in printed)


@needs_node
async def test_javascript(gateway: Served, tmp_path: Path) -> None:
    """Each answer is printed, by one process for all."""
    (tmp_path / "node_modules").symlink_to(FOLDER / "node_modules")
    found = recipes(gateway.url)
    sources = [block.source for section in SDKS for block in found[section] if block.language == "js"]
    for number, source in enumerate(sources):
        (tmp_path / f"{number}.mjs").write_text(source)
    (tmp_path / "all.mjs").write_text("".join(f'await import("./{number}.mjs");\n' for number in range(len(sources))))
    assert (await output(NODE, "all.mjs", cwd=tmp_path)).count("Rayleigh") == len(sources) == 3


def test_files_can_be_read() -> None:
    """Every file of a recipe is one of its format, and leads to the gateway."""
    readers = {
        "toml": tomllib.loads,
        "yaml": yaml.safe_load,
        "jsonc": lambda text: json.loads(re.sub(r"^//.*", "", text)),
    }
    files = [block for blocks in recipes().values() for block in blocks if block.place is not None]
    assert len(files) == 5
    for block in files:
        assert "http://127.0.0.1:4180/v1" in json.dumps(readers[block.language](block.source))
