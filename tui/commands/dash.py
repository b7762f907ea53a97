"""`signalbox dash`: the dashboard over the routers that run, or over one that it starts."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from router.cli.common import UNREADABLE, Failure, shared_feed, takes_file, valid_file
from router.cli.log import folder_of
from router.cli.verb import Verb
from router.config import ConfigError
from router.router import Router
from router.views.running import Running
from tui.commands.terminal import need_terminal, show
from tui.feed import SocketFeed, discover

_USUAL = "routes.yaml"


@click.command(
    "dash",
    cls=Verb,
    examples=[
        "signalbox dash                    # the routers of yours that run",
        "signalbox dash conf/prod.yaml     # start one on this file, and show it",
        "signalbox dash shop               # the running one of that name",
        "signalbox dash --shared --web     # all machines, in a browser",
        "signalbox dash --log              # the requests in the log of routes.yaml; no router has to run",
    ],
    exits={0: "it was left", 1: "FILE has errors", 2: "no terminal, wrong usage, or FILE can't be read"},
)
@click.argument("what", metavar="[NAME]", required=False)
@takes_file(default=None)
@click.option("--shared", is_flag=True, help="All processes on all machines that share as FILE says.")
@click.option("--socket", "where", type=click.Path(path_type=Path), help="The socket, where the file names one.")
@click.option("--log", is_flag=True, help="The requests in a log on disk: of FILE, or a log's folder or file itself.")
@click.option("--web", is_flag=True, help="Serve it to a browser on this machine (extra `web`).")
@click.option("--port", type=click.IntRange(0, 65535), default=8899, show_default=True, help="Of --web.")
def command(
    what: str | None,
    path: str | None,
    where: Path | None,
    web: bool,
    port: int,
    shared: bool = False,
    log: bool = False,
) -> int:
    """Watch the running routers of this user, and act on them. FILE starts a router on that routes.yaml and shows it;
    NAME picks a running one. With --shared no router is started: all processes that share over the server of FILE
    (routes.yaml) are one. With --log nothing has to run, and nothing is started.
    """
    if path is not None and what is not None:
        raise Failure("give a FILE to start a router on, or the NAME of one that runs", UNREADABLE)
    if path is not None:
        what = path if is_file(path) else f"./{path}"
    if log and shared:
        raise Failure("--log shows a log of this machine, --shared all machines: give one of them", UNREADABLE)
    if log:
        return _on_log(what or _USUAL, web, port)
    if web:
        return _on_shared_web(what or _USUAL, port) if shared else _on_web(what, where, port)
    need_terminal("`signalbox status` prints the same as lines, `--watch` goes on")
    if shared:
        return _on_fleet(what or _USUAL)
    if what is not None and is_file(what):
        return _on_file(what)
    return _on_running(what, where)


def _on_web(what: str | None, where: Path | None, port: int) -> int:
    """Serve it: each session of a browser is a `signalbox dash` of its own, and watches the router on a file here."""
    from tui.commands.web import serve
    from tui.router_thread import RouterThread

    again = [sys.executable, "-m", "router.cli", "dash", *(["--socket", str(where)] if where else [])]
    if what is None or not is_file(what):
        return serve(shlex.join([*again, *([what] if what else [])]), port, "ends it; the router goes on")
    valid_file(what)
    with RouterThread(lambda: Router.from_yaml(what)) as thread:
        return serve(shlex.join([*again, thread.value.feed().name]), port, "ends it, and the router with it")


def _on_shared_web(path: str, port: int) -> int:
    from tui.commands.web import serve

    shared_feed(path)  # says what is wrong here
    again = [sys.executable, "-m", "router.cli", "dash", "--shared", path]
    return serve(shlex.join(again), port, "ends it; the fleet goes on")


def is_file(what: str) -> bool:
    """Return whether a routes.yaml is meant, and not the name of a running router, which has no slash."""
    return Path(what).suffix in (".yaml", ".yml") or "/" in what or Path(what).is_file()


def _on_log(what: str, web: bool, port: int) -> int:
    """Show the requests of a log: of a routes.yaml, or of the folder or file that it is."""
    from tui.app import Dashboard
    from tui.log_feed import LogFeed
    from tui.screens.requests import RequestsScreen

    place = Path(what)
    folder = place if place.is_dir() or place.suffix == ".jsonl" else folder_of(what)
    if not folder.exists():
        raise Failure(f"there is no log at {what}", UNREADABLE)
    if web:
        from tui.commands.web import serve

        again = [sys.executable, "-m", "router.cli", "dash", "--log", what]
        return serve(shlex.join(again), port, "ends it")
    need_terminal("`signalbox log` prints the same as lines, `--follow` goes on")
    return show(Dashboard(LogFeed(folder, place.name), first=RequestsScreen.name_of_mode))


def _on_file(path: str) -> int:
    from tui.app import Dashboard
    from tui.router_thread import RouterThread

    valid_file(path)  # says what is wrong before the screen is taken
    try:
        with RouterThread(lambda: Router.from_yaml(path)) as thread:
            return show(Dashboard(thread.value.feed()))
    except ConfigError as error:  # it was changed in between
        raise Failure(str(error)) from None


def _on_fleet(path: str) -> int:
    from tui.app import Dashboard

    return show(Dashboard(shared_feed(path)))


def _on_running(name: str | None, where: Path | None) -> int:
    from tui.app import Dashboard

    async def find() -> tuple[Running, ...]:
        return tuple(running for running in await discover(where) if name is None or running.name == name)

    return show(Dashboard(find=find, attach=lambda running: SocketFeed(running, where), named=name))
