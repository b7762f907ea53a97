"""`signalbox health`: asks a server whether it is well, for health checks of containers."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from urllib.parse import SplitResult, urlsplit

import click

from router.cli.common import UNREADABLE, Failure, json_option
from router.cli.terminal import echo_json
from router.cli.verb import Verb
from router.config.listen import Address

_TIMEOUT = 5.0  # seconds
_LONGEST_LINE = 1024
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: .*)?\r?\n")


@click.command(
    "health",
    cls=Verb,
    examples=[
        "signalbox health http://127.0.0.1:4180/readyz",
        "HEALTHCHECK CMD signalbox health http://127.0.0.1:4180/readyz --timeout 2   # of a Dockerfile",
    ],
    exits={0: "it is answered with 200", 1: "it is not", 2: "wrong usage"},
)
@click.argument("url")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=_TIMEOUT,
    show_default=True,
    help="Seconds that the answer may take.",
)
@json_option
def command(url: str, timeout: float, as_json: bool) -> int:
    """Exit with 0 when a GET of URL is answered with 200 in time, else with 1 and one line that says why.

    Such as http://127.0.0.1:4180/readyz. No proxy is asked and no redirect followed; on this machine's loopback any
    certificate will do.
    """
    parts = _parts(url)
    try:
        status = asyncio.run(_status(parts, timeout))
    except TimeoutError:
        raise Failure(f"{url}: no answer within {timeout:g} s") from None
    except ssl.SSLError as error:
        raise Failure(f"{url}: no TLS to be had ({str(error.reason or error).replace('_', ' ').lower()})") from None
    except OSError as error:
        number = error.errno or 0  # below 0: of the resolver, which has words of its own
        why = os.strerror(number) if number > 0 else error.strerror or error
        raise Failure(f"{url}: no connection ({why})") from None
    if status != 200:
        raise Failure(f"{url}: " + ("what answers is no HTTP server" if status is None else f"it answers {status}"))
    if as_json:
        echo_json({"url": url, "status": status})
    return 0


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url or "@" in parts.netloc:
        raise Failure("this needs an address such as http://127.0.0.1:4180/readyz", UNREADABLE)
    return parts


async def _status(parts: SplitResult, timeout: float) -> int | None:
    """The status of the answer; None where what came is none."""
    host, secure = str(parts.hostname), parts.scheme == "https"
    context = None
    if secure:
        context = ssl.create_default_context()
        if Address(host).is_loopback:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(
            host, parts.port or (443 if secure else 80), ssl=context, limit=_LONGEST_LINE
        )
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
            found = _STATUS.fullmatch(await reader.readline())
        except ValueError:  # a line without an end
            found = None
        finally:
            writer.transport.abort()
    return None if found is None else int(found[1])
