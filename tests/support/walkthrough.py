"""Follows a page of the documentation as its reader does: block by block, in one folder.

What a block is, its language and its first line say:

- `# routes.yaml` (or another file's name) in the first line: it is written to the folder. A routes.yaml is read first
  and must have no error; its vendors are then simulated ones, and its variables are set.
- `python` without a name: it runs, after what the page's Python before it has defined; its `test_…` functions are
  called.
- `console`: what follows a `$` runs in a shell, and what is below must be what it prints. With `&` at its end it goes
  on until the page ends. `pip install` is looked at, not run; a package of this repository is built.
- `text` right behind Python that ran: what it must print.

`…` stands for anything that differs from run to run. A comment before a block says what cannot be seen in it:
`<!-- test: shown -->` (it is an example of something else, and not run), `<!-- test: no variables -->`,
`<!-- test: own vendors -->`, `<!-- test: exit 1 -->`, `<!-- test: terminal, TEXT, KEYS -->` (the command fills the
screen until the keys end it).
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, NamedTuple, Self

from router.config import load_text
from tests.support.paths import ROOT
from tests.support.terminal import Terminal

PATIENCE = 60.0  # seconds; a command that hangs takes as long
_BLOCK = re.compile(r"^(?:<!-- test: (.*?) -->\n)?```(\w+)\n(.*?)^```", re.M | re.S)
_NAME = re.compile(r"(?:#|//|<!--) ([\w./-]+\.\w+)\b.*\n")
_VARIABLE = re.compile(r"\$\{([A-Z_0-9]+)\}")
_KIND = re.compile(r"(?:({)|\n +)kind: (\w+)(?!.*base_url)")  # of a provider, in one line or in several
_PIP = re.compile(r"pip install ['\"]?([\w./-]+)(?:\[([\w,-]+)\])?['\"]?(.*)")


class Block(NamedTuple):
    """A fenced block: where it stands, what its comment says, its language and its text."""

    place: str
    mark: str
    language: str
    source: str

    @property
    def name(self) -> str | None:
        """The file that it is."""
        found = _NAME.match(self.source)
        return found[1] if found else None


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text = page.read_text()
    found = []
    for match in _BLOCK.finditer(text):
        line = text[: match.start(2)].count("\n") + 1
        found.append(Block(f"{page.name}:{line}", match[1] or "", match[2], match[3]))
    assert len(found) * 2 == len(re.findall(r"^ *```", text, re.M)), f"a block of {page.name} is not seen"
    return found


class Walk:
    """A reader's folder and what runs there.

    Args:
        vendors: the base URL of the simulated vendor for each kind; without any a page's vendors are its own.
        replaced: words of the pages that are others here, such as ports.
    """

    def __init__(self, folder: Path, *, vendors: Mapping[str, str], replaced: Mapping[str, str]) -> None:
        self._folder = folder
        self._vendors = vendors
        self._replaced = replaced
        self._variables: dict[str, str] = {}
        self._module = ModuleType("__main__")
        self._running: list[subprocess.Popen[bytes]] = []
        self._printed: str | None = None  # by the Python right before
        self._installed: list[Path] = []
        self._bin = folder / ".bin"
        self._bin.mkdir()
        for name, program in (("python", ""), ("signalbox", " -m router.cli")):
            (self._bin / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{program} "$@"\n')
            (self._bin / name).chmod(0o755)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def follow(self, page: Path) -> None:
        """Go through a page; raises AssertionError with the place of the block that does not do what it says."""
        for block in blocks(page):
            if block.mark.startswith("shown"):
                continue
            try:
                self._take(block._replace(source=self._here(block.source)))
            except Exception as error:
                raise AssertionError(f"{block.place}: {error}") from error

    def _here(self, text: str) -> str:
        for word, other in self._replaced.items():
            text = re.sub(rf"(?<![\w.]){re.escape(word)}(?!\w)", lambda _, other=other: str(other), text)
        return text

    def _take(self, block: Block) -> None:
        printed, self._printed = self._printed, None
        if block.language == "console":
            self._console(block)
        elif block.name is not None:
            self._write(block, block.name)
        elif block.language == "python":
            self._printed = self._python(block)
        elif block.language == "text" and printed is not None:
            _compare(block.source, printed)
        else:
            raise AssertionError("nobody knows what to do with this block")

    # --- files

    def _write(self, block: Block, name: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = block.source
        if path.name == "routes.yaml":
            text = self._routes(text, block.mark)
        path.write_text(text)

    def _routes(self, text: str, mark: str) -> str:
        variables = {name: f"sk-of-the-test-{name.lower()}-0123456789" for name in _VARIABLE.findall(text)}
        variables |= {name: "https://hooks.example/services/x" for name in variables if name.endswith("_URL")}
        with self._inside():
            wrong = [each for each in load_text(text, env=variables).diagnostics if each.severity == "error"]
        assert wrong == [], wrong
        if mark != "no variables":
            self._variables |= variables
        return text if mark == "own vendors" else _KIND.sub(self._at_its_vendor, text)

    def _at_its_vendor(self, kind: re.Match[str]) -> str:
        url = self._vendors.get(kind[2])
        between = ", " if kind[1] else kind[0][: -len(f"kind: {kind[2]}")]
        return kind[0] if url is None else f'{kind[0]}{between}base_url: "{url}"'

    # --- Python

    def _python(self, block: Block) -> str:
        space = self._module.__dict__
        before = set(space)
        out = io.StringIO()
        code = compile(block.source, block.place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with self._inside(), contextlib.redirect_stdout(out):
            asyncio.run(_awaited(code, space)) if code.co_flags & 0x80 else exec(code, space)
            for name in sorted(set(space) - before):
                if name.startswith("test_"):
                    space[name]()
        return out.getvalue()

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        """The page's folder, variables and modules are those of this process."""
        environment, path, modules = dict(os.environ), list(sys.path), set(sys.modules)
        os.environ.update(self._variables)
        sys.path[:0] = map(str, (self._folder, *self._installed))
        try:
            with contextlib.chdir(self._folder):
                yield
        finally:
            for name in set(sys.modules) - modules:
                if str(self._folder) in str(getattr(sys.modules[name], "__file__", "")):
                    del sys.modules[name]
            sys.path[:] = path
            os.environ.clear()
            os.environ.update(environment)

    # --- commands

    def _console(self, block: Block) -> None:
        for command, expected in _commands(block.source):
            if block.mark.startswith("terminal"):
                _, seen, keys = block.mark.split(", ")
                self._screen(command, seen, keys)
            elif (found := _PIP.fullmatch(command)) and found[1].startswith("./"):
                self._installed.append(_built(ROOT / found[1], self._folder / ".built"))
            elif found:
                _check_installable(*found.groups())
            elif command.endswith("&"):
                self._begin(command.removesuffix("&").strip(), expected)
            else:
                self._run(command, expected, int(block.mark.removeprefix("exit ")) if "exit" in block.mark else 0)

    @property
    def _environment(self) -> dict[str, str]:
        here = {"PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
        modules = os.pathsep.join(map(str, (*self._installed, ROOT, ".")))
        known = {"PYTHONPATH": modules, "COLUMNS": "120"}
        return {**os.environ, **self._variables, **here, **known}

    def _run(self, command: str, expected: str, code: int) -> None:
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            text=True,
            check=False,
        )
        assert ended.returncode == code, f"{command} ended with {ended.returncode}:\n{ended.stdout}"
        if expected:
            _compare(expected, ended.stdout)

    def _begin(self, command: str, expected: str) -> None:
        """Start what goes on, and wait until it has printed what the page shows."""
        said = self._folder / f".said-{len(self._running)}"
        with said.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append(process)
        end = time.monotonic() + PATIENCE
        while not _matches(expected, said.read_text(), whole=False):
            assert process.poll() is None, f"{command} has ended:\n{said.read_text()}"
            assert time.monotonic() < end, f"{command} says only:\n{said.read_text()}"
            time.sleep(0.02)

    def _screen(self, command: str, seen: str, keys: str) -> None:
        inside = f"cd {self._folder} && exec {command}"
        terminal = Terminal(["bash", "-c", inside], env={**self._environment, "COLUMNS": "140"}, size=(140, 40))
        try:
            terminal.until(lambda text: seen in text, seen)
            terminal.send(keys)
            assert terminal.until_end() == 0
        finally:
            terminal.close()


async def _awaited(code: CodeType, space: dict[str, Any]) -> None:
    await eval(code, space)


def _commands(source: str) -> Iterator[tuple[str, str]]:
    """(command, what is shown below it) of a console."""
    parts = re.split(r"^\$ ", source.replace("\\\n", " "), flags=re.M)
    assert parts[0] == "", "a console begins with a command"
    for part in parts[1:]:
        command, _, expected = part.partition("\n")
        yield command.strip(), expected


def _matches(expected: str, printed: str, *, whole: bool = True) -> bool:
    shown, text = ("\n".join(line.rstrip() for line in each.strip().splitlines()) for each in (expected, printed))
    pattern = re.compile(re.escape(shown).replace("…", ".*"), re.DOTALL)
    return bool((pattern.fullmatch if whole else pattern.match)(text))


def _compare(expected: str, printed: str) -> None:
    assert _matches(expected, printed), f"it shows\n{expected}\nand prints\n{printed}"


def _built(package: Path, folder: Path) -> Path:
    """Build a package's wheel, and unpack it; gives the folder that stands for an environment with it."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=package, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def _check_installable(name: str, extras: str | None, more: str) -> None:
    """`pip install` of a page names what there is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = {re.split(r"[^\w-]", each)[0] for each in project["optional-dependencies"]["dev"]}
    for extra in (extras or "").split(","):
        assert not extra or extra in project["optional-dependencies"], extra
    assert name == project["name"] or name in known, name
    assert set(more.split()) <= known, more
