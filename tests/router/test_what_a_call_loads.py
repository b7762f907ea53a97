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
    *("providers.credentials.aws", "providers.credentials.entra", "providers.credentials.google"),
)
PROGRAM = f"""
import asyncio, re, sys
from router import Router

text = "providers: {{p: {{kind: openai, base_url: '" + sys.argv[1] + "', api_key: k}}}}\\nroutes: {{chat: [p/m]}}"

async def ask():
    async with Router.from_text(text, env={{}}, monitor=False) as router:
        print((await router.complete("chat", "hi")).text)

asyncio.run(ask())
print([name for name in {UNUSED!r} if name in sys.modules])
"""
# Those with patterns that are compiled as they are imported: of the file's checks few meet what they look for.
COMPILED = """
def patterns(module):
    return any(isinstance(value, re.Pattern) for value in vars(module).values())

print(sorted(name for name, module in sys.modules.items() if name.startswith("router.config.") and patterns(module)))
"""


async def test_a_plain_call_loads_nothing_that_it_does_not_use() -> None:
    async with serving(OK) as server:
        assert await run(PROGRAM, server.url) == "Hi\n[]\n"


async def test_of_the_file_s_checks_only_the_reader_of_yaml_compiles_patterns_as_it_is_imported() -> None:
    async with serving(OK) as server:
        *_, told = (await run(PROGRAM + COMPILED, server.url)).splitlines()
    assert told == "['router.config.yaml_reader']"
