"""What the HTTP libraries' scripts share: the request, and the least that reads its answer."""

from __future__ import annotations

import json

from benchmarks.answers import MODEL, PATHS
from benchmarks.worker import Gap, Setup

HEADERS = {"authorization": "Bearer k", "content-type": "application/json"}


def url_of(setup: Setup) -> str:
    """The whole URL; raises Gap for what an HTTP library does not do."""
    if setup.vendor != "openai" or setup.fallbacks or setup.dead or setup.cache or setup.targets > 1 or setup.bare:
        raise Gap("an HTTP library alone")
    return f"{setup.base}/{setup.mode}{PATHS[setup.vendor]}"


def body(setup: Setup, stream: bool) -> bytes:
    return json.dumps({"model": MODEL, "messages": setup.messages, "stream": stream}).encode()


def text_of(data: bytes) -> str:
    return str(json.loads(data)["choices"][0]["message"]["content"])


class Lines:
    """Cuts a stream's bytes into lines, and takes the text out of each."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                self.line(line)

    def line(self, line: bytes | str) -> None:
        """One line that begins with `data: `."""
        payload = line[6:]
        if payload not in (b"[DONE]", "[DONE]"):
            self.found += [choice["delta"].get("content") or "" for choice in json.loads(payload)["choices"]]
