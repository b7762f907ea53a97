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
BUILT = """
from router.config.sections import Section

def sections(cls):
    return [cls, *(inner for each in cls.__subclasses__() for inner in sections(each))]

print(sorted(each.__name__ for each in sections(Section) if each.__pydantic_complete__))
"""
LOOKED_THROUGH = """
import gc

gc.collect()
larger = []
gc.callbacks.append(lambda phase, info: phase == "stop" and info["generation"] > 0 and larger.append(info))
from router import Router

young = len(gc.get_objects(0)) + len(gc.get_objects(1))
print(Router.__name__, larger, young < 5_000, gc.isenabled(), gc.get_freeze_count())
"""
FROZEN = """
import gc

gc.freeze()
frozen = gc.get_freeze_count()
from router import Router

print(frozen > 0, gc.isenabled(), gc.get_freeze_count() >= frozen - 100)  # a few of them are gone by now
"""


async def test_a_plain_call_loads_nothing_that_it_does_not_use() -> None:
    async with serving(OK) as server:
        assert await run(PROGRAM, server.url) == "Hi\n[]\n"


async def test_of_the_file_s_checks_only_the_reader_of_yaml_compiles_patterns_as_it_is_imported() -> None:
    async with serving(OK) as server:
        *_, told = (await run(PROGRAM + COMPILED, server.url)).splitlines()
    assert told == "['router.config.yaml_reader']"


async def test_of_the_sections_only_those_that_the_file_has_build_their_validators() -> None:
    async with serving(OK) as server:
        *_, told = (await run(PROGRAM + BUILT, server.url)).splitlines()
    assert told == "['KeyConfig', 'ProviderConfig', 'RouteConfig', 'RoutesFile', 'TargetRef']"


async def test_what_the_import_leaves_is_not_looked_through_by_the_garbage_collector() -> None:
    assert await run(LOOKED_THROUGH) == "Router [] True True 0\n"


async def test_what_the_program_has_frozen_stays_so() -> None:
    assert await run(FROZEN) == "True True True\n"
