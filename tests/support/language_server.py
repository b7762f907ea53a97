"""The YAML language server that editors run, over its stdio: https://github.com/redhat-developer/yaml-language-server."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.node import FOLDER

PROGRAM = FOLDER / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
_SETTINGS = {"hover": True, "completion": True, "validate": True, "schemaStore": {"enable": False}}


class LanguageServer:
    """Opens texts in a folder, and asks about places in them (line and column count from 0)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ids = itertools.count(1)
        self._told: dict[str, list[dict[str, Any]]] = {}

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *("node", str(PROGRAM), "--stdio"), stdin=pipe, stdout=pipe, cwd=self._folder
        )
        uri = self._folder.as_uri()
        await self._ask(
            "initialize",
            {
                "processId": None,
                "rootUri": uri,
                "workspaceFolders": [{"uri": uri, "name": "folder"}],
                "capabilities": {
                    "textDocument": {"completion": {"completionItem": {"snippetSupport": True}}},
                    "workspace": {"configuration": True},
                },
            },
        )
        self._send({"method": "initialized", "params": {}})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        await self._process.communicate()

    def open(self, name: str, text: str) -> str:
        uri = (self._folder / name).as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return uri

    async def problems(self, uri: str) -> list[dict[str, Any]]:
        while uri not in self._told:
            await self._read()
        return self._told[uri]

    async def hover(self, uri: str, line: int, column: int) -> str:
        found = await self._ask("textDocument/hover", _place(uri, line, column))
        return str(found["contents"]["value"]) if found else ""

    async def completions(self, uri: str, line: int, column: int) -> dict[str, dict[str, Any]]:
        found = await self._ask("textDocument/completion", _place(uri, line, column))
        return {item["label"]: item for item in found["items"]}

    async def _ask(self, method: str, params: object) -> Any:
        number = next(self._ids)
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = await self._read()
            if message.get("id") == number and "method" not in message:
                return message["result"]

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    async def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        head = await self._process.stdout.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.splitlines() if line.lower().startswith(b"content-length:"))
        message: dict[str, Any] = json.loads(await self._process.stdout.readexactly(length))
        method, params = message.get("method"), message.get("params", {})
        if method == "textDocument/publishDiagnostics":
            self._told[params["uri"]] = params["diagnostics"]
        elif method == "workspace/configuration":
            settings = [_SETTINGS if item.get("section") == "yaml" else {} for item in params["items"]]
            self._send({"id": message["id"], "result": settings})
        elif "id" in message and method is not None:
            self._send({"id": message["id"], "result": None})
        return message


def _place(uri: str, line: int, column: int) -> dict[str, Any]:
    return {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}}
