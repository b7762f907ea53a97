"""Options of the command that are parameters of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

from router.cli.common import Failure

F = TypeVar("F", bound=Callable[..., Any])

_ROUTING = (
    click.option("--only", multiple=True, metavar="NAME", help="As `only` of a call; may be repeated."),
    click.option("--avoid", multiple=True, metavar="NAME", help="As `avoid` of a call; may be repeated."),
    click.option("--timeout", metavar="TIME", help="As `timeout` of a call, such as 30s."),
    click.option("--max-attempts", type=int, metavar="N", help="As `max_attempts` of a call."),
    click.option("--require", multiple=True, metavar="LABEL=TEXT", help="As `require` of a call; may be repeated."),
)


def takes_routing(command: F) -> F:
    """Let a verb take what a call may say of who is asked, and for how long."""
    for option in reversed(_ROUTING):
        command = option(command)
    return command


def params_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a call that such options stand for; what was not given is left out.

    Raises:
        Failure: one is no pair.
    """
    params = {name: value for name, value in options.items() if value not in (None, ())}
    if "require" in params:
        labels: dict[str, list[str]] = {}
        for name, text in pairs("--require", params["require"], "LABEL=TEXT, such as region=eu"):
            labels.setdefault(name, []).append(text)
        params["require"] = labels
    if "tags" in params:
        params["tags"] = dict(pairs("--tags", params["tags"], "NAME=VALUE, such as tier=free"))
    return params


def pairs(option: str, texts: Iterable[str], form: str) -> list[tuple[str, str]]:
    """Split texts such as tier=free.

    Raises:
        Failure: one has no equals sign.
    """
    found = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise Failure(f'{option} takes {form}, not "{text}"', 2)
        found.append((name, value))
    return found
