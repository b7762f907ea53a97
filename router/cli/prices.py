"""`signalbox prices`: from when the known prices are, and fetching the newest."""

from __future__ import annotations

import os
import time
from typing import Any

import click
import msgspec

from providers import catalog, catalog_fetched
from router.cli.common import Failure, json_option
from router.cli.terminal import echo, echo_json
from router.cli.tokens import why_not
from router.cli.verb import Verbs

_MOST = 50_000_000  # bytes: far more than all prices there are
_LONGEST = 300.0  # seconds
_AS_THEY_WERE = "the prices stay as they were"


@click.group(
    "prices",
    cls=Verbs,
    invoke_without_command=True,
    examples=["signalbox prices", "signalbox prices fetch", "signalbox prices fetch --from https://mirror/p.json"],
)
@click.pass_context
def command(context: click.Context) -> int:
    """Prices of models: `status` (or nothing) says from when they are, `fetch` gets the newest."""
    if context.invoked_subcommand is None:
        _tell(as_json=False)
    return 0


@command.command("status", examples=["signalbox prices status", "signalbox prices status --json"])
@json_option
def status(as_json: bool) -> int:
    """Say from when the known prices are, and of how many vendors."""
    _tell(as_json)
    return 0


@command.command("fetch", examples=["signalbox prices fetch", "signalbox prices fetch --from https://mirror/p.json"])
@click.option("--from", "source", default=catalog_fetched.URL, show_default=True, metavar="URL", help="A mirror.")
@json_option
def fetch(source: str, as_json: bool) -> int:
    """Download the newest prices (some 400 kB) that genai-prices publishes. They stand before those that came along,
    for all that starts from then on; nothing else ever fetches any.
    """
    import httpx

    try:
        with httpx.Client(follow_redirects=True, timeout=30) as client, client.stream("GET", source) as answer:
            answer.raise_for_status()
            published = bytearray()
            until = time.monotonic() + _LONGEST
            for part in answer.iter_bytes():
                published += part
                if len(published) > _MOST:
                    raise Failure(f"{source}: too much for a list of prices; {_AS_THEY_WERE}")
                if time.monotonic() > until:
                    raise Failure(f"{source}: no whole answer within {_LONGEST:g} s; {_AS_THEY_WERE}")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Failure(f"{source}: {why_not(error)}; {_AS_THEY_WERE}; --from names a mirror") from None
    try:
        found = catalog_fetched.catalog_of(bytes(published))
    except ValueError as error:
        page = " but a web page" if published.lstrip()[:1] == b"<" else ""
        raise Failure(f"{source}: {error}{page}; {_AS_THEY_WERE}") from None
    _put(found)
    catalog.read_anew()
    _tell(as_json)
    return 0


def _put(found: dict[str, Any]) -> None:
    """In one step, so that a second process leaves no half file."""
    path = catalog_fetched.path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            part.write_bytes(msgspec.json.encode(found))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        text = f"{path}: can't be written ({error.strerror}); {_AS_THEY_WERE}; SIGNALBOX_DATA_DIR names another folder"
        raise Failure(text) from None


def _tell(as_json: bool) -> None:
    day, path = catalog.fetched_on(), str(catalog_fetched.path())
    if as_json:
        echo_json({"source": catalog.source(), "fetched": day, "path": path, "vendors": catalog.vendors()})
        return
    echo(f"prices of {len(catalog.vendors())} vendors: {catalog.described()}")
    echo(f"  {path}" if day else "  `signalbox prices fetch` gets the newest")
