"""What `signalbox serve` says on a terminal: where it is, and a line for each request."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from providers.printable import one_line
from router.cli.terminal import style
from router.monitor.report import app_name
from router.views.money import dollars

if TYPE_CHECKING:
    from router.config.listen import Address
    from router.gateway.record import Record
    from router.plan.serving import Serving

_ROUTES = 12  # that are named
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # and where a client on this machine finds it


def serves(serving: Serving, listening: Sequence[Address]) -> str:
    """Where it is, and for whom; in a log all that is said of a start."""
    scheme = "http" if serving.tls is None else "https"
    keys = f"{len(serving.clients)} client key{'' if len(serving.clients) == 1 else 's'}"
    who = keys if serving.clients else "no key needed, from this machine alone"
    if any(address.host in _EVERYWHERE for address in listening if address.path is None):
        who += ", on every address of this machine"
    return f"serves {', '.join(url_of(address, scheme) for address in listening)}  ({who})"


def banner(path: str, serving: Serving, listening: Sequence[Address]) -> str:
    """Where clients find it."""
    names = [one_line(name) for name in serving.routes]
    more = f" and {len(names) - _ROUTES} more" if len(names) > _ROUTES else ""
    lines = [
        f"{style('signalbox', bold=True)} {serves(serving, listening)}",
        f"  routes     {', '.join(names[:_ROUTES])}{more}",
        *_bases(serving, listening),
        f"  dashboard  signalbox dash {one_line(app_name(Path(path).absolute()))}",
        "  Ctrl-C ends it; what is under way is answered before",
    ]
    return "\n".join(lines)


def _bases(serving: Serving, listening: Sequence[Address]) -> list[str]:
    """What each kind of client is set to."""
    scheme = "http" if serving.tls is None else "https"
    base = next((url_of(address, scheme) for address in listening if address.path is None), None)
    if base is None:
        return [f"  by curl    curl --unix-socket {listening[0].path} http://localhost/v1/models"]
    return [f"  OpenAI     base URL {base}/v1", f"  Anthropic  base URL {base}", f"  Ollama     host     {base}"]


def url_of(address: Address, scheme: str) -> str:
    """What a client on this machine is set to."""
    if address.path is not None:
        return f"unix:{address.path}"
    host = _EVERYWHERE.get(address.host, address.host)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{address.port}"


def request_line(record: Record) -> str:
    """One request: when, who, in which protocol, to whom, how it ended, what it took."""
    at = time.strftime("%H:%M:%S", time.localtime(record.at))
    way = record.route or record.model or f"{record.method} {record.path[:60]}"
    if record.target:
        way += f" → {record.target}"
    parts = [at, record.client or "–", record.face or "–", one_line(way), _outcome(record)]
    parts.append(f"{record.seconds * 1000:.0f} ms")
    if record.input_tokens is not None or record.output_tokens is not None:
        parts.append(f"{_count(record.input_tokens)}+{_count(record.output_tokens)} tokens")
    if record.cost is not None:
        parts.append(dollars(record.cost, fine=True))
    if record.cache:
        parts.append(f"cache {record.cache}")
    return "  ".join(parts)


def _outcome(record: Record) -> str:
    words = f"{record.status} {record.code}".rstrip()
    if record.code == "cancelled":
        return style(words, fg="yellow")
    return style(words, fg="red" if record.code or record.status >= 400 else "green")


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"
