"""`make agents`: real agents finish a task with a tool through a gateway, before every kind of vendor.

They are installed into a folder of their own, follow the recipes of docs/clients.md, and reach this machine alone.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from providers.simulator import Simulator
from providers.simulator.vendor import ToolAnswer
from tests.support.gateway import TARGETS, Served, routes, served
from tests.support.paths import ROOT
from tests.support.recipes import KEY, recipes, write_files

FOLDER = ROOT / ".agents"
PINS = ROOT / "tests" / "end_to_end" / "agents"
MADE = "made.txt"
_WRITE = f"echo signal > {MADE}"
_NOWHERE = "http://127.0.0.1:9"  # a proxy that nobody is: what would leave this machine fails at once
_PATIENCE = 240.0  # seconds


@dataclass(frozen=True)
class Agent:
    """One agent and its task: to make a file, by a tool or, without one, by what it is answered.

    Attributes:
        section: of docs/clients.md.
        more: added to the recipe's last command.
        environment: keeps it from calling home.
        program: what has to be there.
        tool: what the model calls.
        python: the recipe is a program in Python.
        said: is part of what it prints.
        model: what it asks for.
    """

    section: str
    program: str
    more: str = ""
    tool: ToolAnswer | None = None
    answer: str = "All is done."
    environment: Mapping[str, str] = field(default_factory=dict)
    python: bool = False
    makes_file: bool = True
    said: str = ""
    model: str = "chat"

    @property
    def is_installed(self) -> bool:
        return shutil.which(self.program, path=_path()) is not None


AGENTS = {
    "claude": Agent(
        "Claude Code",
        "claude",
        "--allowedTools Bash",
        ToolAnswer("Bash", {"command": _WRITE, "description": "Make a file"}),
        environment={"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"},
    ),
    "codex": Agent(
        "Codex",
        "codex",
        "--skip-git-repo-check --sandbox danger-full-access",
        ToolAnswer("exec_command", {"cmd": _WRITE}),
    ),
    # A tool that takes bare text, which only models that it knows are offered; and one of a namespace.
    "codex-patch": Agent(
        "Codex",
        "codex",
        "--skip-git-repo-check --sandbox danger-full-access -m gpt-5.5",
        ToolAnswer("apply_patch", {"input": f"*** Begin Patch\n*** Add File: {MADE}\n+signal\n*** End Patch"}),
        model="gpt-5.5",
    ),
    "codex-agents": Agent(
        "Codex",
        "codex",
        "--skip-git-repo-check --sandbox danger-full-access",
        ToolAnswer("multi_agent_v1__close_agent", {"target": "nobody"}),
        makes_file=False,
        said="All is done.",
    ),
    "opencode": Agent(
        "opencode",
        "opencode",
        tool=ToolAnswer("bash", {"command": _WRITE, "description": "Make a file"}),
        environment={"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"},
    ),
    "aider": Agent(
        "aider",
        "aider",
        "--message 'Make the file.' --edit-format whole --no-git --yes-always --no-check-update --analytics-disable "
        f"{MADE}",
        answer=f"{MADE}\n```\nsignal\n```\n",
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    ),
    "llm": Agent(
        "llm",
        "llm",
        '--functions \'def make(name: str) -> str:\n    open(name, "w").write("signal")\n    return "made"\'',
        ToolAnswer("make", {"name": MADE}),
    ),
    "langchain": Agent("LangChain", "llm", python=True, makes_file=False, said="All is done.\n" * 3),
    "pydantic-ai": Agent(
        "pydantic-ai",
        "llm",
        tool=ToolAnswer("weather", {"city": "Paris"}),
        python=True,
        makes_file=False,
        said="All is done.",
    ),
}


@dataclass
class Outcome:
    """What came of one task."""

    requests: int
    seconds: float
    faults: list[str]


def _path() -> str:
    own = [FOLDER / "node_modules" / ".bin", FOLDER / "frameworks" / "bin", FOLDER / "aider" / "bin"]
    return os.pathsep.join([*map(str, own), os.environ.get("PATH", "")])


def _environment(agent: Agent, home: Path) -> dict[str, str]:
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), _NOWHERE)
    return {
        **proxies,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "PATH": _path(),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "SB_KEY": KEY,
        **agent.environment,
    }


async def run(agent: Agent, target: str) -> Outcome:
    """Have an agent do its task, with a model at this target of `TARGETS`."""
    with tempfile.TemporaryDirectory(prefix="signalbox-agent-") as folder:
        async with Simulator(seed=1) as simulator:
            for vendor in simulator.vendors.values():
                vendor.set(fast=True, tool_call=agent.tool, answer=agent.answer)
            async with served(routes(simulator, {agent.model: target}), simulator=simulator) as gateway:
                return await _task(agent, gateway, Path(folder))


async def _task(agent: Agent, gateway: Served, folder: Path) -> Outcome:
    blocks = recipes(gateway.url)[agent.section]
    write_files(blocks, folder)
    source = next(block.source for block in blocks if block.place is None)
    program = [str(FOLDER / "frameworks" / "bin" / "python"), "-c", source]
    if not agent.python:
        program = ["bash", "-ec", f"{source.rstrip()} {agent.more}"]
    began = time.monotonic()
    code, out, err = await _ended(program, folder, _environment(agent, folder))
    seconds = time.monotonic() - began
    faults = [f"{told.method} {told.path}: {told.status}" for told in gateway.refused]
    if not gateway.told:
        faults.append("it has asked nothing")
    return Outcome(len(gateway.told), seconds, faults + _faults(agent, folder, code, out, err))


def _faults(agent: Agent, folder: Path, code: int | None, out: str, err: str) -> list[str]:
    """What is wrong with what it has done."""
    found = [] if code == 0 else [f"it ends with {code}: {(err or out)[-1000:]}"]
    if agent.makes_file and not (folder / MADE).is_file():
        found.append(f"it has not made its file: {(out + err)[-1000:]}")
    if "unsupported call" in out + err:  # in Codex's words: it has no tool of this name
        found.append("it does not know its own tool")
    if agent.said not in out:
        found.append(f"it says {out!r}")
    return found


async def _ended(program: list[str], folder: Path, environment: dict[str, str]) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *program,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            out, err = await process.communicate()
    except TimeoutError:
        os.killpg(process.pid, 9)
        out, err = await process.communicate()
        return None, out.decode(), f"it was ended after {_PATIENCE:g} s\n{err.decode()}"
    return process.returncode, out.decode(), err.decode()


def install() -> None:
    """Install all agents that this machine can have, in the pinned releases."""
    FOLDER.mkdir(exist_ok=True)
    if shutil.which("npm"):
        shutil.copy(PINS / "package.json", FOLDER)
        modules = FOLDER / "node_modules"
        _quietly("npm", "install", "--silent", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts")
        _quietly("node", "install.cjs", folder=modules / "@anthropic-ai" / "claude-code")
        _quietly("node", "postinstall.mjs", folder=modules / "opencode-ai")
    for name in ("frameworks", "aider"):
        _quietly(sys.executable, "-m", "venv", name)
        pip = (str(FOLDER / name / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        _quietly(*pip, "-r", str(PINS / f"{name}.txt"))


def _quietly(*program: str, folder: Path = FOLDER) -> None:
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"signalbox: {' '.join(program)} failed: {done.stderr.strip()[-300:]}")


def main(names: list[str]) -> int:
    """Install what is missing, run the agents of these names (or all), and print a table. Gives the exit code."""
    chosen = {name: AGENTS[name] for name in names or AGENTS}
    if not all(agent.is_installed for agent in chosen.values()):
        print(f"signalbox: installing the agents into {FOLDER.name}")
        install()
    print(f"{'agent':<14}{'vendor':<12}{'requests':>8}{'seconds':>9}")
    failed = ran = 0
    for name, agent in chosen.items():
        if not agent.is_installed:
            print(f"{name:<14}can't be installed here")
            continue
        for target in TARGETS:
            outcome = asyncio.run(run(agent, target))
            ran += 1
            failed += bool(outcome.faults)
            told = "; ".join(outcome.faults) or "well"
            print(f"{name:<14}{target:<12}{outcome.requests:>8}{outcome.seconds:>9.1f}  {told}", flush=True)
    print(f"{ran - failed} of {ran} are well")
    return 0 if ran and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
