"""`signalbox demo`: the dashboard over simulated vendors; where there is no terminal, a story told on them."""

from __future__ import annotations

import click

from router.cli.story import tell
from router.cli.terminal import echo
from router.cli.verb import Verb
from tui.commands.terminal import is_terminal, show


@click.command(
    "demo",
    cls=Verb,
    examples=["signalbox demo", "signalbox demo --story   # as lines, also on a terminal"],
    exits={0: "it was left, or the story is told"},
)
@click.option("--story", is_flag=True, help="The story, as lines, also on a terminal.")
def command(story: bool) -> int:
    """Simulated vendors under traffic, to break and mend by key, with a routes.yaml to edit. No key, no network."""
    if story or not is_terminal():
        return tell()
    from tui.app import Dashboard
    from tui.demo import Demo, demo
    from tui.router_thread import RouterThread

    with RouterThread(demo) as thread:
        running: Demo = thread.value
        code = show(Dashboard(running.router.feed(), vendors=running))
    kept = running.kept()
    if kept is not None:
        echo(f"You edited the demo's routes.yaml; it is kept: {kept}")
    return code
