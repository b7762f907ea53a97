"""`signalbox dash`: the dashboard over the routers that run, or over one that it starts."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from router.cli.common import Failure, valid_file
from router.config import ConfigError
from router.monitor.socket.client import SocketFeed, discover
from router.router import Router
from router.views.running import Running
from tui.commands.terminal import need_terminal, show


@click.command("dash")
@click.argument("what", metavar="[FILE|NAME]", required=False)
@click.option("--socket", "where", type=click.Path(path_type=Path), help="The socket, where the file names one.")
@click.option("--web", is_flag=True, help="Serve it to a browser on this machine (extra `web`).")
@click.option("--port", type=click.IntRange(0, 65535), default=8899, show_default=True, help="Of --web.")
def command(what: str | None, where: Path | None, web: bool, port: int) -> int:
    """Watch the running routers of this user, and act on them. FILE starts a router on that routes.yaml and shows it;
    NAME picks a running one.
    """
    if web:
        return _on_web(what, where, port)
    need_terminal("`signalbox status` prints the same as lines, `--watch` goes on")
    if what is not None and _is_file(what):
        return _on_file(what)
    return _on_running(what, where)


def _on_web(what: str | None, where: Path | None, port: int) -> int:
    """Each session of a browser is a `signalbox dash` of its own; a router on a file is here, and theirs to watch."""
    from tui.commands.web import serve
    from tui.router_thread import Engine

    again = [sys.executable, "-m", "router.cli", "dash", *(["--socket", str(where)] if where else [])]
    if what is None or not _is_file(what):
        return serve(shlex.join([*again, *([what] if what else [])]), port)
    valid_file(what)
    with Engine(lambda: Router.from_yaml(what)) as engine:
        return serve(shlex.join([*again, engine.value.report.name]), port)


def _is_file(what: str) -> bool:
    return Path(what).suffix in (".yaml", ".yml") or "/" in what or Path(what).is_file()


def _on_file(path: str) -> int:
    from tui.app import Dashboard
    from tui.router_thread import Engine

    valid_file(path)  # says what is wrong before the screen is taken
    try:
        with Engine(lambda: Router.from_yaml(path)) as engine:
            return show(Dashboard(engine.value.feed()))
    except ConfigError as error:  # it was changed in between
        raise Failure(str(error)) from None


def _on_running(name: str | None, where: Path | None) -> int:
    from tui.app import Dashboard

    async def find() -> tuple[Running, ...]:
        return tuple(each for each in await discover(where) if name is None or each.name == name)

    return show(Dashboard(find=find, attach=lambda running: SocketFeed(running, where)))
