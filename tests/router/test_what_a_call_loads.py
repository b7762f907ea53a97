"""What a process that makes a router and asks it loads: of what takes long to import only what that call uses."""

from __future__ import annotations

from tests.support.raw_server import serving
from tests.support.scripts import run

ANSWER = b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}'
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)
UNUSED = (
    *("httpx", "rich", "click", "pygments", "textual", "tiktoken", "diskcache", "watchfiles", "redis", "jsonschema"),
    *("aiohttp.web_app", "uvloop", "router.cli", "router.gateway", "router.importers", "router.simulate", "tui"),
    *("router.cache.disk", "router.shared.redis", "router.request_log", "router.alerts", "router.exporters"),
    *("providers.anthropic.provider", "providers.ollama", "providers.simulator"),
)
PROGRAM = f"""
import asyncio, sys
from router import Router

text = "providers: {{p: {{kind: openai, base_url: '" + sys.argv[1] + "', api_key: k}}}}\\nroutes: {{chat: [p/m]}}"

async def ask():
    async with Router.from_text(text, env={{}}, monitor=False) as router:
        print((await router.complete("chat", "hi")).text)

asyncio.run(ask())
print([name for name in {UNUSED!r} if name in sys.modules])
"""


async def test_a_plain_call_loads_nothing_that_it_does_not_use() -> None:
    async with serving(OK) as server:
        assert await run(PROGRAM, server.url) == "Hi\n[]\n"
