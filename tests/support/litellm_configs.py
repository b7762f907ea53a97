"""Configs of LiteLLM as people have them, the keys that stand in them, and what is made of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from providers.simulator import Simulator
from router import Router
from router.config import load_text
from router.config.diagnostics import Findings
from router.config.yaml_reader import read_yaml
from router.importers.litellm import Imported, import_litellm
from tests.support.paths import ROOT

CONFIGS = ROOT / "tests" / "router" / "importers" / "configs"
SECRETS = re.compile(
    r"Zq81hvNNc0ffee|hunter2secret|sk-lf-0123abcd|sk-1234|wJalrXUtnFEMI|sk-shop-0123|admin-password-42|sk-very-secret"
)


def imported(name: str) -> Imported:
    path = CONFIGS / f"{name}.yaml"
    return import_litellm(path.read_text(), path)


def of(text: str, path: str = "config.yaml") -> Imported:
    return import_litellm(text, Path(path))


def one(params: str, **more: str) -> Imported:
    """A config of one model, `chat`, with these litellm_params in YAML's short form."""
    rest = "".join(f"{name}: {value}\n" for name, value in more.items())
    return of(f"model_list:\n- model_name: chat\n  litellm_params: {{{params}}}\n{rest}")


def parsed(made: Imported) -> dict[str, Any]:
    """What a file has, as routes.yaml is read: `on` is a word there."""
    root = read_yaml(made.text, Findings("routes.yaml", made.text))
    assert root is not None
    found = root.data()
    assert isinstance(found, dict)
    return found


def environment(made: Imported) -> dict[str, str]:
    """Every variable that a file needs, with a value of its kind."""
    env = {name: f"value-of-{name.lower()}-0123456789" for name in made.variables}
    for name in env:
        if name.endswith(("_BASE", "_URL")):
            env[name] = "https://llm.example"
        elif name.endswith("_PORT"):
            env[name] = "6379"
        elif name.endswith(("_HOST", "REGION_NAME", "LOCATION", "PROJECT")):
            env[name] = "us-1"
    return env


def findings(made: Imported) -> list[str]:
    return [found.render() for found in load_text(made.text, env=environment(made)).diagnostics]


def told(made: Imported, sort: str = "left out") -> dict[str, int]:
    """What is told, with its line."""
    return {note.what: note.place.line for note in made.notes if note.sort == sort}


class Simulated:
    """A router on an imported file, each of whose providers is a vendor of the simulator."""

    def __init__(self, made: Imported, simulator: Simulator) -> None:
        file = parsed(made)
        file.pop("shared", None)  # there is no Redis
        for policy in ("cache", "limits"):
            file.get("defaults", {}).pop(policy, None)
        for said in file.get("models", {}).values():
            said.pop("limits", None)
        self._simulator = simulator
        for name, said in file["providers"].items():
            if f"at-{name}" not in simulator.vendors:
                simulator.add_vendor(f"at-{name}", said["kind"]).set(fast=True)
            said["base_url"] = simulator.base_url(f"at-{name}")
            if isinstance(said.get("api_key"), dict):  # there is no cloud that gives one
                said["api_key"] = "a-key-of-a-test"
            said["breaker"] = {"consecutive": 1000, "min_calls": 1000}
        file.setdefault("defaults", {})["retry"] = {"same_target": 0, "backoff": "1ms", "max_backoff": "1ms"}
        self.router = Router.from_text(json.dumps(file), env=environment(made), seed=1)

    def fail(self, name: str, error: str) -> None:
        self._simulator.vendor(f"at-{name}").set(error_rate=1.0, error=error, retry_after=None)

    def last(self, name: str) -> Mapping[str, Any]:
        request = self._simulator.vendor(f"at-{name}").last_request
        assert request is not None
        body = request.body
        assert isinstance(body, dict)
        return body

    async def asked(self, route: str) -> str:
        """Who answered: provider and model id, as the vendor saw them."""
        before = {name: vendor.requests for name, vendor in self._simulator.vendors.items()}
        reply = await self.router.complete(route, f"Hello {sum(before.values())}")
        assert reply.text
        provider = reply.provider
        return f"{provider}/{self.last(provider)['model']}"
