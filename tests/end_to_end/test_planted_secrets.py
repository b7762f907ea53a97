"""Every secret of a file is planted, echoed by a vendor wherever it can, and looked for in all that leaves a router."""

from __future__ import annotations

import asyncio
import json
import logging
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import prometheus_client
import pytest

from router import RouteExhausted, Router
from router.monitor.socket import paths
from tests.support.raw_server import serving
from tests.support.waiting import until

SECRETS = {
    "header": "planted-header-000002",
    "query": "planted-query-0000003",
    "proxy": "planted-proxy-0000004",
    "call": "planted-call-00000005",
    "variable": "planted-variable-0006",
}
FILE = """
providers:
  p:
    kind: openai
    base_url: "http://vendor.invalid/v1?code={query}"
    api_key: ${{KEY}}
    headers: {{x-gateway: "Bearer {header}"}}
routes:
  bad: {{targets: [p/m], retry: {{same_target: 1, backoff: 1ms}}}}
"""


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sb-") as short:  # a socket's path may have 103 bytes
        monkeypatch.setenv(paths.FOLDER, f"{short}/run")
        yield Path(short) / "run"


async def everything_watched(path: Path, ids: list[str]) -> str:
    """What the monitor's socket tells about all that it can be asked."""
    reader, writer = await asyncio.open_unix_connection(path, limit=1 << 26)
    asks: list[dict[str, Any]] = [{"ask": name} for name in ("requests", "chains", "config", "seconds")]
    asks += [{"ask": "trace", "request": id} for id in ids]
    asks += [{"ask": "snapshots", "sketches": True}, {"ask": "events"}]
    for number, ask in enumerate(asks, 1):
        writer.write(json.dumps({**ask, "id": number}).encode() + b"\n")
    told, answered = "", set()
    async with asyncio.timeout(60):
        while answered < set(range(1, len(asks) + 1)):
            line = (await reader.readline()).decode()
            told += line
            answered.add(json.loads(line).get("id"))
    writer.close()
    return told


async def test_nothing_that_leaves_has_a_secret(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Errors, traces, logs of all libraries in asyncio's debug mode, snapshots, the socket, metrics, reprs."""
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    echo = " ".join(SECRETS.values())
    body = json.dumps({"error": {"message": echo, "type": echo, "code": SECRETS["variable"]}, "request_id": echo})
    head = f"HTTP/1.1 500 {echo}\r\nx-request-id: {SECRETS['header']}\r\ncontent-length: {len(body)}\r\n\r\n"
    told: dict[str, str] = {}
    async with serving(f"{head}{body}".encode()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:{SECRETS['proxy']}@127.0.0.1:{proxy.port}")
        env = {"KEY": SECRETS["variable"]}
        async with Router.from_text(FILE.format(**SECRETS), env=env) as router:
            with pytest.raises(RouteExhausted) as caught:
                await router.complete("bad", "hi", extra_headers={"x-mine": SECRETS["call"]})
            error = caught.value
            assert error.trace is not None
            told["error"] = "".join(traceback.format_exception(ExceptionGroup("all", [error]))) + repr(vars(error))
            told["trace"] = f"{error.trace} {error.trace.render()}"
            told["plan"] = f"{router.plan!r} {router!r} {router.plan.file.model_dump_json()}"
            told["provider"] = f"{router.provider('p')!r} {vars(router.provider('p'))}"
            told["tasks"] = repr(asyncio.all_tasks())
            told["snapshot"] = repr(router.snapshot())
            ids = [record.id for record in await router.feed().requests()]
            await until(lambda: paths.sockets(folder))
            told["socket"] = await everything_watched(paths.sockets(folder)[-1], ids)
            registry = prometheus_client.CollectorRegistry()
            registry.register(router.prometheus())
            told["metrics"] = prometheus_client.generate_latest(registry).decode()
    told["log"] = caplog.text
    assert "[key]" in told["error"]
    found = {(where, name) for where, text in told.items() for name, secret in SECRETS.items() if secret in text}
    assert found == set()
