"""`signalbox schema`: for editors that complete and check the file."""

from __future__ import annotations

import json

import click


@click.command("schema")
def command() -> int:
    """Print the JSON Schema of routes.yaml.

    Save it as routes.schema.json and begin the file with
    `# yaml-language-server: $schema=./routes.schema.json`.
    """
    from router.config.json_schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
    return 0
