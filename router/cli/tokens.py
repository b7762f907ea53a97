"""`signalbox tokens`: the vocabularies that make counting exact, put in place ahead of time."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import click

from providers import tokens
from router.cli.common import Failure, json_option
from router.cli.terminal import echo, echo_json
from router.cli.verb import Verbs


@click.group(
    "tokens",
    cls=Verbs,
    examples=["signalbox tokens status", "signalbox tokens fetch --from https://mirror.example/vocabularies"],
)
def command() -> None:
    """Tokenizer vocabularies: `status` says which are in place, `fetch` gets the missing ones."""


@command.command("status", examples=["signalbox tokens status", "signalbox tokens status --json"])
@json_option
def status(as_json: bool) -> int:
    """Say where the vocabularies are kept and which are in place."""
    found = {}
    for name in tokens.VOCABULARIES:
        path = _path(name)
        state = "in place" if tokens.is_whole(name, path) else "damaged" if path.exists() else "missing"
        found[name] = {"state": state, "path": str(path)}
        if not as_json:
            echo(f"{name:<12} {state:<9} {path}")
    if as_json:
        echo_json(found)
    return 0


@command.command(
    "fetch", examples=["signalbox tokens fetch", "signalbox tokens fetch --from https://mirror.example/vocabularies"]
)
@click.option("--from", "source", default=tokens.VOCABULARY_URL, show_default=True, metavar="URL", help="A mirror.")
def fetch(source: str) -> int:
    """Download the vocabularies (5 MB) to where tiktoken looks for them; each is checked before it is put in place."""
    import httpx

    with httpx.Client(follow_redirects=True, timeout=30) as client:
        for name in tokens.VOCABULARIES:
            path = _path(name)
            if tokens.is_whole(name, path):
                echo(f"{name}: in place")
                continue
            url = f"{source.rstrip('/')}/{name}.tiktoken"
            try:
                content = _download(client, url, name)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise Failure(f"{url}: {why_not(error)}; --from names a mirror") from None
            _put(name, path, content, url)
            echo(f"{name}: {len(content):,} bytes to {path}")
    return 0


def why_not(error: Exception) -> str:
    """What went wrong with a download, in our words."""
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        return f"the server answers {error.response.status_code}"
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return "no connection; is there a network?"
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return "this is no http:// or https:// address"
    return "the connection broke"


def _path(name: str) -> Path:
    path = tokens.vocabulary_file(name)
    if path is None:
        raise Failure("TIKTOKEN_CACHE_DIR is empty, which switches the cache off; name a folder or unset it")
    return path


def _download(client: object, url: str, name: str) -> bytes:
    import httpx

    assert isinstance(client, httpx.Client)
    parts: list[bytes] = []
    with client.stream("GET", url) as answer:
        answer.raise_for_status()
        total = int(answer.headers.get("content-length", 0))
        done = 0
        for part in answer.iter_bytes():
            parts.append(part)
            done += len(part)
            if sys.stderr.isatty():
                share = f" {done / total:4.0%}" if total else ""
                click.echo(f"\r{name}: {done:,} bytes{share}", nl=False, err=True)  # our own words and controls
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
    return b"".join(parts)


def _put(name: str, path: Path, content: bytes, url: str) -> None:
    """In one step, so that a broken download or a second process leaves no half file."""
    if hashlib.sha256(content).hexdigest() != tokens.VOCABULARIES[name]:
        raise Failure(f"{url}: the checksum is wrong; nothing was kept")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise Failure(f"{path}: can't be written ({error.strerror}); TIKTOKEN_CACHE_DIR names another folder") from None
