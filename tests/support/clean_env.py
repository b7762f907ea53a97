"""What somebody has who installs the wheel: an environment of its own, and a folder that knows nothing of this one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSIONS = ("3.11", "3.12", "3.13")
EXTRAS = "serve,web,prometheus,redis,otel"
UV = str(Path(sys.executable).with_name("uv"))
_PATIENCE = 60  # seconds

FIRST_CALL = """
import asyncio
from providers import CompletionRequest, FakeProvider, Message
from providers.fake import Reply

request = CompletionRequest(model="any", messages=(Message.user("Hello"),))
print(asyncio.run(FakeProvider.scripted(Reply("Hello from the wheel.")).complete(request)).text)
"""
FAKE = "providers: {a: {kind: fake}}\nroutes: {chat: a/m}\n"


def pythons() -> dict[str, str]:
    """Return the interpreters of the versions that we support, as far as they are on this machine."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {}
    for version in VERSIONS:
        places = (shutil.which(f"python{version}"), *map(str, kept.glob(f"{version}.*/bin/python")))
        place = next((place for place in places if place and _is(version, place)), None)
        if place is None:
            print(f"Python {version} is not here")
        else:
            found[version] = place
    return found


def _is(version: str, place: str) -> bool:
    ask = [place, "-c", "import sys; print(*sys.version_info[:2], sep='.')"]
    return subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip() == version


class CleanEnv:
    """An environment with the wheel in it, and an empty folder to work in.

    Args:
        folder: where both are made.
        python: the interpreter.
        wheel: what is installed, with the newest releases of what it needs.
    """

    def __init__(self, folder: Path, python: str, wheel: Path) -> None:
        self.bin, self.work = folder / "env" / "bin", folder / "work"
        self.work.mkdir(parents=True)
        subprocess.run([UV, "venv", "--quiet", "--python", python, folder / "env"], check=True)
        install = [UV, "pip", "install", "--quiet", "--only-binary", ":all:", "--python", self.bin / "python"]
        subprocess.run([*install, wheel], check=True)  # no compiler is needed
        subprocess.run([*install, "--dry-run", f"{wheel}[{EXTRAS}]"], check=True)  # the extras fit together
        kept = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "TMPDIR")}
        self._env = {**kept, "PATH": f"{self.bin}:{os.defpath}", "OPENAI_API_KEY": "sk-none"}

    def run(self, *command: str, fails: bool = False) -> str:
        """Run a command there and return what it prints, errors included. It has to succeed, or to fail."""
        done = subprocess.run(
            [self.bin / command[0], *command[1:]], cwd=self.work, env=self._env, text=True, timeout=_PATIENCE,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        if (done.returncode != 0) != fails:
            raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}")
        return done.stdout

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Run `signalbox serve` over a fake vendor; gives its address."""
        (self.work / "fake.yaml").write_text(FAKE)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [self.bin / "signalbox", "serve", "fake.yaml", "--listen", f"127.0.0.1:{port}"]
        with subprocess.Popen(
            command, cwd=self.work, env=self._env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as server:
            try:
                assert server.stdout is not None
                for line in server.stdout:
                    if str(port) in line:
                        break
                yield f"http://127.0.0.1:{port}"
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(_PATIENCE)


def check_env(env: CleanEnv, version: str) -> None:
    """Do what a newcomer does in the first minutes. Raises SystemExit where something is not as it should be."""
    expected = f"signalbox, version {version}\n"
    _expect(env.run("signalbox", "--version"), expected)
    _expect(env.run("python", "-m", "signalbox", "--version"), expected)
    _expect(env.run("python", "-c", "import signalbox; print(signalbox.Router.__module__)"), "router.router\n")
    _expect(env.run("python", "-c", FIRST_CALL), "Hello from the wheel.\n")
    _expect(env.run("signalbox", "init"), "routes.yaml is written")
    _expect(env.run("signalbox", "check"), "valid: ")
    _expect(env.run("signalbox", "demo"), "openai/gpt-6-luna")
    with env.serving() as url:
        body = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}).encode()
        asked = urllib.request.Request(f"{url}/v1/chat/completions", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=_PATIENCE) as answer:
            _expect(answer.read().decode(), '"choices"')
        env.run("signalbox", "health", f"{url}/readyz")
    for hiding in ("router.py", "providers/__init__.py"):
        place = env.work / hiding
        place.parent.mkdir(exist_ok=True)
        place.write_text("")
        _expect(env.run("python", "-c", "import signalbox", fails=True), f"{place} hides the package")
        _expect(env.run("signalbox", "--version"), expected)
        place.unlink()


def check_tool(wheel: Path, version: str, folder: Path) -> None:
    """Run it as `uvx` and `pipx run` do, without an installation."""
    command = [UV, "tool", "run", "--quiet", "--from", wheel, "signalbox", "--version"]
    told = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_PATIENCE * 5)
    _expect(told.stdout, f"signalbox, version {version}\n")


def _expect(told: str, part: str) -> None:
    if part not in told:
        raise SystemExit(f"{part!r} is missing in\n{told}")
