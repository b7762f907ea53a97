"""`signalbox schema`: for editors that complete and check the file."""

from __future__ import annotations

import click

from router.cli.terminal import echo_json
from router.cli.verb import Verb


@click.command(
    "schema",
    cls=Verb,
    examples=[
        "signalbox schema > routes.schema.json",
        "signalbox schema --included > included.schema.json",
        "signalbox schema --scenario > scenario.schema.json",
        "signalbox schema | jq '.properties | keys'",
    ],
    exits={0: "done", 2: "wrong usage"},
)
@click.option("--scenario", is_flag=True, help="Of the scenarios of `signalbox simulate`.")
@click.option("--included", is_flag=True, help="Of files that a routes.yaml includes.")
def command(scenario: bool, included: bool) -> int:
    """Print the JSON Schema of routes.yaml.

    Save it as routes.schema.json and begin the file with `# yaml-language-server: $schema=routes.schema.json`:
    `signalbox init` does both.
    """
    if scenario:
        from router.simulate.schema import json_schema as of_scenario

        echo_json(of_scenario())
    else:
        from router.config.json_schema import json_schema

        echo_json(json_schema(included=included))
    return 0
