"""The first calls of a process: all that it needs was imported when the router was made."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.simulator import Simulator
from tests.support.scripts import run
from tests.support.vendors import VENDORS

pytestmark = pytest.mark.slow

PROGRAM = """
import asyncio, sys
from router import Router

name, exporters = sys.argv[1:]
router = Router.from_yaml("routes.yaml", env={})
if exporters:
    from router.exporters.otel import instrument
    instrument(router)
    router.prometheus()
before = set(sys.modules)

async def ask(how):
    message = [{"role": "user", "content": [{"type": "text", "text": how},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]}]
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    if how == "stream":
        async with router.stream(name, message, tools=[tool]) as stream:
            async for _ in stream:
                pass
    else:
        await router.complete(name, message, tools=[tool])

async def main():
    async with router:
        for how in ("plain", "stream"):
            await ask(how)
            new = sorted(set(sys.modules) - before)
            assert not new, (how, new)

asyncio.run(main())
print("nothing")
"""


@pytest.mark.parametrize("vendor", VENDORS)
async def test_it_imports_nothing(
    vendor: str, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the kind, with everything that a file can turn on."""
    for folder in ("STATE", "CACHE"):
        monkeypatch.setenv(f"SIGNALBOX_{folder}_DIR", str(tmp_path / folder))
    url = simulator.base_url(vendor).replace("127.0.0.1", "localhost")
    (tmp_path / "routes.yaml").write_text(
        f'providers: {{v: {{kind: {vendor}, base_url: "{url}", api_key: sk-0123456789}}}}\n'
        "models:\n"
        "  m: {provider: v, id: m, price: {input: 1, output: 1}}\n"
        "  n: {provider: v, id: n, price: {input: 1, output: 1}}\n"
        "routes:\n"
        "  bare: {targets: [m]}\n"
        "  full: {targets: [m, n], hedge: {after: 1s}, budget: $5/d, cache: {ttl: 1h}}\n"
    )
    for route, exporters in (("bare", ""), ("full", "with exporters")):
        assert await run(PROGRAM, route, exporters, folder=tmp_path) == "nothing\n"
