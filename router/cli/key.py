"""`signalbox key`: a new key for a client of `signalbox serve`, and what of it goes into the file."""

from __future__ import annotations

import hashlib
import re
import secrets
import sys

import click

from router.cli.common import UNREADABLE, Failure
from router.cli.terminal import echo, echo_json, style
from router.cli.verb import Verb
from router.config.serve_rules import is_name

_RANDOM_BYTES = 32  # 43 characters


@click.command(
    "key",
    cls=Verb,
    examples=[
        "signalbox key alice                    # on a terminal: the key, and what goes into the file",
        "signalbox key alice --json | jq -r .key",
        "signalbox key ci | head -1 > ci.key",
    ],
    exits={0: "a key was made", 2: "NAME is none"},
)
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="As JSON: name, key, sha256, variable.")
def command(name: str, as_json: bool) -> int:
    """Make a new key for the client NAME.

    Nothing is kept: the key goes to the client, its SHA-256 into routes.yaml. In a pipe it prints both lines alone:
    the key, then the entry for serve.keys.
    """
    if not is_name(name):
        raise Failure(f'"{name}" is not a name of a client: use a-z, 0-9, ".", "_" and "-"', UNREADABLE)
    key = f"sb-{secrets.token_urlsafe(_RANDOM_BYTES)}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    variable = f"SB_KEY_{re.sub('[^A-Z0-9]+', '_', name.upper())}"
    entry = f"{name}: {{sha256: {digest}}}"
    if as_json:
        echo_json({"name": name, "key": key, "sha256": digest, "variable": variable})
    elif sys.stdout.isatty():
        echo(f"{style(key, bold=True)}\n\nThe client sends it; it is shown but once. In routes.yaml:\n")
        echo(f"serve:\n  keys:\n    {entry}\n")
        echo(f'or, with the key itself in the variable {variable}:\n\n    {name}: "${{{variable}}}"')
    else:
        echo(f"{key}\n{entry}")
    return 0
