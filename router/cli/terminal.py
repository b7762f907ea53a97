"""The one place where the command's text leaves for a terminal, which obeys nothing in it but our own colours."""

from __future__ import annotations

import json
import os
import secrets
import sys
from typing import Any

import click

from providers.printable import printable, printable_json

_OWN = secrets.token_hex(8)  # stands around what `style` writes; nobody else's text can have it


def echo(text: object = "", *, err: bool = False, nl: bool = True, color: bool | None = None) -> None:
    """Print a text; what vendors, files and other processes put into it acts on no terminal.

    Args:
        color: whether the styles are kept; None keeps them where `has_colours` says so.
    """
    color = has_colours(err=err) if color is None else color
    pieces = str(text).split(_OWN)
    pieces[::2] = map(printable, pieces[::2])  # between them stand the styles
    click.echo("".join(pieces), err=err, nl=nl, color=color)


def has_colours(*, err: bool = False) -> bool:
    """Whether stdout (or stderr) gets colours: a terminal does, a pipe does not; NO_COLOR and FORCE_COLOR decide before
    that, in this order, as they do for Python itself. https://no-color.org, https://force-color.org
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    stream = sys.stderr if err else sys.stdout
    return os.environ.get("TERM") != "dumb" and stream is not None and stream.isatty()


def style(text: object, **how: Any) -> str:
    """A text with a colour or the like, for `echo`; as `click.style`."""
    begin, _, end = click.style("\0", **how).partition("\0")
    return f"{_OWN}{begin}{_OWN}{text}{_OWN}{end}{_OWN}"


def width(text: str) -> int:
    """How many characters of a text are seen: those of its styles are not."""
    return len(click.unstyle("".join(text.split(_OWN))))


def secho(text: object, *, err: bool = False, nl: bool = True, **how: Any) -> None:
    """Print a text with a style."""
    echo(style(text, **how), err=err, nl=nl)


def echo_json(value: object, *, indent: int | None = 2) -> None:
    """Print data as JSON, in which the same characters stand as escapes."""
    encoded = value.decode() if isinstance(value, bytes) else json.dumps(value, indent=indent, ensure_ascii=False)
    click.echo(printable_json(encoded))
