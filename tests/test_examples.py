"""The files of examples/ fit the command as it is."""

from __future__ import annotations

import json
import re
import shlex

import click
import yaml

from router.cli import group
from router.config import load_text
from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"


def parsed(words: list[str]) -> dict[str, object]:
    """The arguments of a `signalbox …`; raises what the command would refuse them with."""
    assert words[0].rpartition("/")[2] == "signalbox"
    verb = group.get_command(click.Context(group), words[1])
    assert verb is not None
    return verb.make_context(words[1], words[2:]).params


def test_the_image_runs_and_is_looked_after() -> None:
    text = (EXAMPLES / "Dockerfile").read_text()
    commands = [json.loads(found) for found in re.findall(r"(?:ENTRYPOINT|CMD) (\[.*\])", text)]
    health, entry = map(parsed, commands)
    assert str(health["url"]).endswith(":4180/readyz")
    assert entry["addresses"] == (":4180",)


def test_the_unit_runs_the_command_and_lets_it_end() -> None:
    text = (EXAMPLES / "signalbox.service").read_text()
    (start,) = re.findall(r"^ExecStart=(.*)$", text, re.M)
    assert parsed(shlex.split(start))["path"] == "/etc/signalbox/routes.yaml"
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.M)
    serving = load_text("providers: {f: {kind: fake}}\nroutes: {c: {targets: [f/m]}}\nserve: {}").file
    assert serving is not None
    assert serving.serve is not None
    assert int(seconds) > serving.serve.drain + serving.serve.lead


def test_the_manifests_have_a_valid_file_and_let_it_end() -> None:
    file, deployment, service = yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text())
    loaded = load_text(file["data"]["routes.yaml"], env={"OPENAI_API_KEY": "k", "SB_KEY_ALICE": "sb-" + "a" * 43})
    assert loaded.diagnostics == ()
    assert loaded.file is not None
    assert loaded.file.serve is not None
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["terminationGracePeriodSeconds"] > loaded.file.serve.drain + loaded.file.serve.lead
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports["http"] == loaded.file.serve.listen[0].port
    assert service["spec"]["ports"][0]["port"] == ports["http"]
    parsed(["signalbox", "serve", "routes.yaml", *container["args"]])
