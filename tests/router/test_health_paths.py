"""A provider's own path for its health: asked in place of its list of models, under its host."""

from __future__ import annotations

from random import Random

import pytest

from router.config import load_text
from router.engine.engine import Engine
from router.health_checks import HealthChecks
from router.plan.compile import compile_plan
from router.views.figures import HealthCheck
from tests.support.raw_server import serving


def answer(status: int, body: str = "", kind: str = "text/plain") -> bytes:
    return f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


def file_of(url: str, path: str = "/health", kind: str = "openai") -> str:
    return (
        f'providers: {{p: {{kind: {kind}, base_url: "{url}/v1", api_key: k, health: {{every: 1h, path: {path}}}}}}}\n'
        "routes: {chat: p/m}\n"
    )


async def checked(text: str, times: int = 1) -> tuple[HealthCheck, str]:
    """Check so often; gives what came of the last one, and what the breaker is then."""
    engine = Engine(compile_plan(load_text(text, env={})), rng=Random(1))
    (target,) = engine.chain("chat").targets
    try:
        checks = HealthChecks(engine, {})
        found = [await checks.check("p") for _ in range(times)][-1]
        assert found is not None
        return found, engine.states.key_guard(target, target.keys[0]).breaker.state
    finally:
        await engine.aclose()


@pytest.mark.parametrize("kind", ["openai", "anthropic", "ollama"])
@pytest.mark.parametrize("body", ["", "OK", '{"status": "ok"}'])
async def test_the_path_is_asked_whatever_it_says(kind: str, body: str) -> None:
    async with serving(answer(200, body)) as server:
        found, state = await checked(file_of(server.url, kind=kind))
        assert (found.ok, state) == (True, "closed")
        (request,) = server.requests
        assert request.startswith(b"GET /health HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("status", "body"), [(503, '{"error": {"code": 503, "message": "Loading model"}}'), (500, ""), (502, "no")]
)
async def test_one_that_is_not_well_opens_as_failed_calls_do(status: int, body: str) -> None:
    async with serving(answer(status, body)) as server:
        found, state = await checked(file_of(server.url), 5)
        assert (found.ok, state) == (False, "open")


async def test_a_path_that_is_not_there_is_told_and_no_evidence() -> None:
    async with serving(answer(404, '{"detail": "Not Found"}', "application/json")) as server:
        found, state = await checked(file_of(server.url, "/helth?deep=1"), 6)
        assert (found.ok, state) == (False, "closed")
        assert found.why.startswith("/helth?deep=1: ")
        assert server.requests[0].startswith(b"GET /helth?deep=1 HTTP/1.1\r\n")


@pytest.mark.parametrize("path", ["health", '"http://elsewhere/health"', '"/a b"', '"/x\\r\\ny: z"'])
def test_a_path_stays_on_the_providers_host(path: str) -> None:
    (found,) = load_text(file_of("http://localhost", path), env={}).diagnostics
    assert "path begins with a slash" in found.message
