"""The official SDKs ask the gateway for vectors: each in its own way, which the SDKs of OpenAI do in base64 unasked."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from array import array
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import ollama
import openai
import pytest
import pytest_asyncio

from providers.made_up import vector_of
from tests.support.gateway import Served, served
from tests.support.node import FOLDER, NODE, needs_node

SIZE = 1536
FILE = """
providers:
  a: {kind: openai, base_url: "{openai}", api_key: k-0123456789abcdef0}
  plain: {kind: openai, base_url: "{openai}", api_key: k-0123456789abcdef0, dialect: generic}
  asked: {kind: openai, base_url: "{openai}", api_key: k-0123456789abcdef0, dialect: openai}
  near: {kind: ollama, base_url: "{ollama}"}
models:
  in_base64: {provider: asked, id: text-embedding-3-small, embeds: true}
  in_numbers: {provider: plain, id: other, embeds: true}
  nomic: {provider: near, id: nomic, embeds: true}
defaults: {retry: {max_attempts: 1}, timeout: {connect: 60s, answer: 60s, total: 120s}}
routes:
  base64: {embeds: true, targets: [in_base64]}
  numbers: {embeds: true, targets: [in_numbers], cache: 1h}
  local: {embeds: true, targets: [nomic]}
  chat: a/gpt-4o
cache: {path: memory}
"""
ROUTES = ("base64", "numbers", "local")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[Served]:
    async with served(FILE) as running:
        yield running


def numbers(text: str) -> list[float]:
    return array("f", vector_of(text, SIZE)).tolist()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("form", [openai.omit, "float", "base64"])
async def test_openai_for_python(gateway: Served, route: str, form: Any) -> None:
    """By its own wish, by numbers, and by base64, which it then leaves as it is."""
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as client:
        made = await client.embeddings.create(model=route, input=["a", "b"], encoding_format=form)
        vectors: list[Any] = [each.embedding for each in made.data]
        if form == "base64":
            vectors = [array("f", base64.b64decode(vector)).tolist() for vector in vectors]
        assert vectors == [numbers("a"), numbers("b")]
        assert made.usage.prompt_tokens == 2
        with pytest.raises(openai.BadRequestError, match="this route makes no embeddings"):
            await client.embeddings.create(model="chat", input="a")
        with pytest.raises(openai.BadRequestError, match="this route makes no answers"):
            await client.chat.completions.create(model=route, messages=[{"role": "user", "content": "a"}])


@pytest.mark.asyncio(loop_scope="module")
async def test_openai_for_python_without_a_loop_and_by_tokens(gateway: Served) -> None:
    def ask() -> Any:
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as client:
            many = client.embeddings.create(model="base64", input=[[1, 2], [3]], dimensions=4)
            return [each.embedding for each in many.data]

    found = await asyncio.to_thread(ask)
    assert found == [array("f", vector_of(each, 4)).tolist() for each in ((1, 2), (3,))]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("route", ROUTES)
async def test_ollama_for_python(gateway: Served, route: str) -> None:
    async with ollama.AsyncClient(host=gateway.url) as client:
        assert (await client.embed(model=route, input=["a", "b"]))["embeddings"] == [numbers("a"), numbers("b")]
        assert (await client.embed(model=route, input="a"))["embeddings"] == [numbers("a")]
        assert (await client.embeddings(model=route, prompt="a"))["embedding"] == numbers("a")
        assert (await client.show(route)).capabilities == ["embedding"]
        with pytest.raises(ollama.ResponseError, match="this route makes no embeddings"):
            await client.embed(model="chat", input="a")


@needs_node
@pytest.mark.asyncio(loop_scope="module")
async def test_javascript(gateway: Served) -> None:
    """Both SDKs see each vector whole: one that gets numbers where it asked for base64 gets a quarter, silently."""
    process = await asyncio.create_subprocess_exec(
        *(NODE, str(Path(__file__).with_name("embeddings.mjs")), str(FOLDER), gateway.url, *ROUTES),
        env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    for seen in json.loads(out).values():
        both = [numbers("a"), numbers("b")]
        assert seen["unasked"] == seen["float"] == seen["ollama"] == both
        assert seen["one"] == [seen["old"]] == [numbers("a")]
        assert seen["refused"][:2] == ["BadRequestError", 400]
        assert "this route makes no embeddings" in seen["refused"][2]
        assert "this route makes no embeddings" in seen["refusedOllama"][2]
