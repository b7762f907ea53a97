"""What `signalbox serve` keeps out of its memory."""

from __future__ import annotations

from tests.support.scripts import run

SERVE = """
import sys
from click.testing import CliRunner
from router.cli import serve

CliRunner().invoke(serve.command, ["/nowhere/routes.yaml"])  # it ends; what follows is imported as if it went on
import router.gateway.process
from providers import registry

registry.preload("openai")
unused = {"rich", "pygments", "textual", "jsonschema", "tui", "providers.simulator", "httpx"}
print(sorted(unused & set(sys.modules)))
"""


async def test_what_paints_terminals_is_not_imported_by_a_server() -> None:
    assert (await run(SERVE)).strip() == "[]"
