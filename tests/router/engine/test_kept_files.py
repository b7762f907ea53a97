"""A file that goes by its id goes to the vendor that keeps it, whatever the route, and whatever fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from providers.errors import ErrorCode
from providers.simulator import Simulator
from providers.types import FilePart, ImagePart, Message, Part, TextPart
from router import RouteExhausted, Router

ROUTES = """
providers:
  llama: {{kind: ollama, base_url: "{ollama}"}}
  groq: {{kind: openai, options: {{dialect: groq}}, base_url: "{openai}", api_key: k}}
  one: {{kind: openai, api: responses, dialect: openai, base_url: "{openai}", api_key: k}}
  claude: {{kind: anthropic, base_url: "{anthropic}", api_key: k}}
defaults:
  timeout: {{connect: 60s, first_token: 60s, answer: 60s, idle: 60s, total: 120s}}
  retry: {{max_attempts: 9, same_target: 0, backoff: 1ms, max_backoff: 1ms}}
routes:
  openai-first: {{targets: [llama/x, groq/x, one/gpt-4o], fallbacks: [claude/claude-sonnet-4-5]}}
  claude-first: {{targets: [claude/claude-sonnet-4-5], fallbacks: [one/gpt-4o]}}
  nobody: {{targets: [llama/x], fallbacks: [groq/x]}}
"""
BY_ID = [FilePart(id="f1"), ImagePart(id="f1")]
both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(seed=1) as simulator:
        for vendor in simulator.vendors.values():
            vendor.set(fast=True)
        yield simulator


def router(sim: Simulator) -> Router:
    urls = {name: sim.base_url(name) for name in ("openai", "anthropic", "ollama")}
    return Router.from_text(ROUTES.format(**urls), env={}, seed=1)


async def ask(made: Router, route: str, *parts: Part, stream: bool = False) -> Any:
    messages = [Message.user([TextPart("What is it?"), *parts])]
    if not stream:
        return await made.complete(route, messages)
    async with made.stream(route, messages) as chunks:
        async for _ in chunks:
            pass
    return chunks.response


@both
@pytest.mark.parametrize("part", BY_ID, ids=["file", "image"])
@pytest.mark.parametrize(("route", "target"), [("openai-first", "one/gpt-4o"), ("claude-first", "claude/")])
async def test_where_nothing_is_told_the_first_that_keeps_files_has_it(
    sim: Simulator, route: str, target: str, part: Part, stream: bool
) -> None:
    async with router(sim) as made:
        assert (await ask(made, route, part, stream=stream)).target.startswith(target)


@both
@pytest.mark.parametrize(("origin", "target"), [("one", "one/gpt-4o"), ("claude", "claude/claude-sonnet-4-5")])
@pytest.mark.parametrize("route", ["openai-first", "claude-first"])
async def test_an_origin_says_whose_it_is(sim: Simulator, route: str, origin: str, target: str, stream: bool) -> None:
    async with router(sim) as made:
        reply = await ask(made, route, FilePart(id="f1", origin=origin), stream=stream)
        assert reply.target == target
        assert all(f'the file "f1" is kept at "{origin}"' in skip.message for skip in reply.trace.skips)


@both
@pytest.mark.parametrize("origin", [None, "one"])
async def test_when_its_vendor_fails_nobody_else_is_sent_it(sim: Simulator, origin: str | None, stream: bool) -> None:
    sim.vendor("openai").set(error_rate=1.0, error="server_error")
    async with router(sim) as made:
        with pytest.raises(RouteExhausted) as caught:
            await ask(made, "openai-first", FilePart(id="f1", origin=origin), stream=stream)
    assert 'the file "f1" is kept at "one"' in caught.value.trace.render()
    assert sim.vendor("anthropic").requests == sim.vendor("ollama").requests == 0


async def test_files_of_two_vendors_can_go_to_neither(sim: Simulator) -> None:
    async with router(sim) as made:
        with pytest.raises(RouteExhausted) as caught:
            await ask(made, "openai-first", FilePart(id="f1", origin="one"), FilePart(id="f2", origin="claude"))
    assert caught.value.code is ErrorCode.UNSUPPORTED
    assert sum(vendor.requests for vendor in sim.vendors.values()) == 0


async def test_where_nobody_keeps_files_it_is_said(sim: Simulator) -> None:
    async with router(sim) as made:
        with pytest.raises(RouteExhausted, match="id") as caught:
            await ask(made, "nobody", FilePart(id="f1"))
    assert caught.value.code is ErrorCode.UNSUPPORTED
    assert sum(vendor.requests for vendor in sim.vendors.values()) == 0


async def test_a_picture_that_a_model_made_is_no_file(sim: Simulator) -> None:
    """Its data is at hand: it binds a talk to nobody."""
    sim.vendor("openai").set(image=True, answer="Here.")
    async with router(sim) as made:
        reply = await made.complete("claude-first", "Draw.", only="one")
        talk = [Message.user("Draw."), reply.message, Message.user("Again.")]
        assert (await made.complete("claude-first", talk, only="one")).target == "one/gpt-4o"
