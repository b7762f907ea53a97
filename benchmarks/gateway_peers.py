"""The gateways that are compared: how each is installed, set up for the upstream, and started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from benchmarks import environments
from benchmarks.answers import MODEL
from benchmarks.worker import Setup

ROOT = Path(__file__).resolve().parents[1]
KEY = "sk-benchmark-0123456789abcdef"
IN_PROCESS = "Signalbox Router in the app"
OURS = "Signalbox serve"
LITELLM = "LiteLLM proxy"
PORTKEY = "Portkey gateway"
PORTKEY_PACKAGES: dict[str, dict[str, str]] = {
    "dependencies": {"@portkey-ai/gateway": "1.15.2"},
    # With newer ones it answers each stream with 500 "Something went wrong" ("TypeError: immutable" in its log).
    "overrides": {"@hono/node-server": "1.13.8"},
}
# Portkey takes its target from headers; others read past them. `custom_host` is set when it starts.
PORTKEY_HEADERS: dict[str, str] = {"x-portkey-provider": "openai"}

Start = Callable[[str, int, Path, IO[str]], "subprocess.Popen[bytes]"]


@dataclass(frozen=True)
class Gateway:
    """One row of the table.

    `start` is given the upstream's root, the port to listen on, a folder of its own, and where it may write. `model`
    and `path` are what it is asked for and where, `vendor` is the kind of its target.
    """

    name: str
    start: Start
    install: Callable[[], None]
    model: str = "chat"
    path: str = "/v1/chat/completions"
    vendor: str = "openai"
    is_ours: bool = False


def _run(command: list[str], folder: Path, log: IO[str], **env: str) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**kept, **env})


def _nothing() -> None:
    """It is here already."""


def routes_of(upstream: str, vendor: str) -> str:
    """Our routes.yaml, with one target of a vendor's kind."""
    return (
        f'providers:\n  p0: {{kind: {vendor}, base_url: "{Setup(upstream, vendor=vendor).url()}", api_key: k}}\n'
        f"routes:\n  chat: {{targets: [p0/{MODEL}]}}\nserve:\n  keys: {{bench: {{key: {KEY}}}}}\n"
    )


def _ours(upstream: str, port: int, folder: Path, log: IO[str], *, vendor: str) -> subprocess.Popen[bytes]:
    path = folder / "routes.yaml"
    path.write_text(routes_of(upstream, vendor))
    command = [sys.executable, "-m", "router.cli", "serve", str(path), "--listen", f"127.0.0.1:{port}"]
    return _run(command, folder, log, PYTHONPATH=str(ROOT), SIGNALBOX_RUNTIME_DIR=str(folder / "run"))


def _litellm(upstream: str, port: int, folder: Path, log: IO[str]) -> subprocess.Popen[bytes]:
    python = Path(environments.folder() / "litellm_proxy" / "bin" / "python")
    config = {
        "model_list": [
            {
                "model_name": "chat",
                "litellm_params": {"model": f"openai/{MODEL}", "api_base": f"{upstream}/ok/v1", "api_key": "k"},
            }
        ],
        "general_settings": {"master_key": KEY},
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    command = [str(python.with_name("litellm")), "--config", str(path), "--host", "127.0.0.1", "--port", str(port)]
    return _run(
        [*command, "--num_workers", "1", "--telemetry", "False"], folder, log, LITELLM_LOCAL_MODEL_COST_MAP="True"
    )


def _install_litellm() -> None:
    environments.python_of("litellm_proxy", install=True)


def _portkey(upstream: str, port: int, folder: Path, log: IO[str]) -> subprocess.Popen[bytes]:
    PORTKEY_HEADERS["x-portkey-custom-host"] = f"{upstream}/ok/v1"
    server = (
        environments.folder() / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    )
    return _run(["node", str(server), f"--port={port}", "--headless"], folder, log, NODE_ENV="production")


def _install_portkey() -> None:
    place = environments.folder() / "portkey"
    stamp, wanted = place / "installed.json", json.dumps(PORTKEY_PACKAGES)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    (place / "package.json").write_text(wanted)
    done = subprocess.run(["npm", "install", "--no-fund", "--no-audit"], cwd=place, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"npm: {(done.stderr.strip().splitlines() or ['it failed'])[-1][:200]}")
    stamp.write_text(wanted)


def _of_ours(name: str, vendor: str, path: str) -> Gateway:
    return Gateway(name, partial(_ours, vendor=vendor), _nothing, path=path, vendor=vendor, is_ours=True)


GATEWAYS = (
    _of_ours(OURS, "openai", "/v1/chat/completions"),
    _of_ours(f"{OURS}, Anthropic to Anthropic", "anthropic", "/v1/messages"),
    _of_ours(f"{OURS}, chat to Anthropic", "anthropic", "/v1/chat/completions"),
    Gateway(LITELLM, _litellm, _install_litellm),
    Gateway(PORTKEY, _portkey, _install_portkey, model=MODEL),
)
