"""What the HTTP libraries' scripts share: the request, and the least that reads its answer."""

from __future__ import annotations

import json
from typing import Any

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
    """Cuts a stream's bytes into lines, and takes the text out of each, or the arguments of tools' calls."""

    def __init__(self, *, tools: bool = False) -> None:
        self.found: list[str] = []
        self._rest = b""
        self._tools = tools

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                self.line(line)

    def line(self, line: bytes | str) -> None:
        """One line that begins with `data: `."""
        payload = line[6:]
        if payload in (b"[DONE]", "[DONE]"):
            return
        deltas = [choice["delta"] for choice in json.loads(payload)["choices"]]
        if self._tools:
            self.found += arguments_of(deltas)
        else:
            self.found += [delta.get("content") or "" for delta in deltas]


def arguments_of(deltas: list[dict[str, Any]]) -> list[str]:
    """The pieces of tools' arguments in what one event has."""
    return [call["function"]["arguments"] for delta in deltas for call in delta.get("tool_calls", ())]
