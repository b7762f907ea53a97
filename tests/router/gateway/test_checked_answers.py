"""What clients asked for as JSON is checked where the route says so; else they get what the vendor answers."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from tests.support.gateway import served

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
FILE = """
providers:
  one: {kind: openai, api: chat, base_url: "{openai}", api_key: k}
  two: {kind: ollama, base_url: "{ollama}"}
defaults: {retry: {backoff: 1ms}}
routes:
  free: {targets: [one/gpt-4o], fallbacks: [two/qwen3]}
  checked: {targets: [one/gpt-4o], fallbacks: [two/qwen3], accept: {valid_json: true}}
"""
ASKED = [{"role": "user", "content": "x"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "messages": ASKED,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
    },
    "/v1/responses": {"input": "x", "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}},
    "/v1/messages": {
        "messages": ASKED,
        "max_tokens": 100,
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    },
    "/api/chat": {"messages": ASKED, "format": SCHEMA},
}
paths = pytest.mark.parametrize("path", BODIES)


async def post(url: str, path: str, route: str, **more: Any) -> tuple[int, str]:
    body = {"model": route, "stream": False, **BODIES[path], **more}
    async with aiohttp.ClientSession() as session, session.post(url + path, json=body) as answer:
        return answer.status, await answer.text()


@paths
async def test_a_client_gets_what_fits_its_schema(path: str) -> None:
    async with served(text=FILE) as here:
        here.simulator.vendor("openai").set(fast=True, answer='{"a": "one"}')
        here.simulator.vendor("ollama").set(fast=True, answer='{"a": 1}')
        assert json.dumps('{"a": "one"}') in (await post(here.url, path, "free"))[1]
        status, text = await post(here.url, path, "checked")
        assert (status, json.dumps('{"a": 1}') in text) == (200, True)
        assert here.simulator.vendor("openai").requests == 3  # once more than that, before the next vendor


@paths
async def test_a_client_is_told_when_nobody_answers_what_it_asked_for(path: str) -> None:
    async with served(text=FILE) as here:
        for vendor in here.simulator.vendors.values():
            vendor.set(fast=True, answer="words")
        status, text = await post(here.url, path, "checked")
        assert status == 502
        assert "error" in text
        assert "words" not in text


@paths
async def test_a_clients_stream_ends_with_the_error(path: str) -> None:
    """What was sent can't be taken back: it is for the client to see that it did not end well."""
    async with served(text=FILE) as here:
        here.simulator.vendor("openai").set(fast=True, answer='{"a": "one"}')
        here.simulator.vendor("ollama").set(fast=True, answer='{"a": 1}')
        status, text = await post(here.url, path, "checked", stream=True)
        assert status == 200
        assert "error" in text.lower()


@paths
async def test_requests_for_words_are_not_checked(path: str) -> None:
    async with served(text=FILE) as here:
        here.simulator.vendor("openai").set(fast=True, answer="words")
        body = {name: value for name, value in BODIES[path].items() if name not in ("response_format", "text")}
        body = {name: value for name, value in body.items() if name not in ("output_config", "format")}
        async with aiohttp.ClientSession() as session:
            ask = {"model": "checked", "stream": False, **body}
            async with session.post(here.url + path, json=ask) as answer:
                assert (answer.status, "words" in await answer.text()) == (200, True)
        assert here.simulator.vendor("openai").requests == 1
