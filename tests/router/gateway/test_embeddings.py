"""Vectors and ranks over HTTP: every form of input and answer, who may ask, and what each mistake is told."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest

from providers.made_up import vector_of
from tests.support.corpus import FOLDER
from tests.support.gateway import Served, served

KEY, OTHER = "sb-test-client-key-0000000001", "sb-test-client-key-0000000002"
FILE = f"""
providers:
  openai: {{kind: openai, base_url: "{{openai}}", api_key: k-0123456789abcdef0}}
  ollama: {{kind: ollama, base_url: "{{ollama}}"}}
models:
  small:
    {{provider: openai, id: text-embedding-3-small, embeds: {{dimensions: 8, max_tokens: 100}}, price: {{input: 100}}}}
  nomic: {{provider: ollama, id: nomic, embeds: {{dimensions: 8}}}}
  ranker: {{provider: openai, id: rerank-1, reranks: true}}
  chatty: {{provider: openai, id: gpt-4o}}
defaults: {{retry: {{max_attempts: 1}}, timeout: {{connect: 60s, answer: 60s, total: 120s}}}}
routes:
  e: {{embeds: true, targets: [small]}}
  emb: {{embeds: true, targets: [small]}}
  kept: {{embeds: true, targets: [small], cache: 1h}}
  near: {{embeds: true, targets: [nomic]}}
  rank: {{reranks: true, targets: [ranker]}}
  chat: {{targets: [chatty]}}
cache: {{path: memory}}
serve:
  keys:
    ann: {KEY}
    bob: {{key: {OTHER}, routes: [kept], limits: {{requests: 2/d}}}}
"""


@pytest.fixture
async def running() -> AsyncIterator[Served]:
    async with served(FILE) as one:
        for vendor in one.simulator.vendors.values():
            vendor.set(fast=True, dimensions=8)
        yield one


async def ask(
    running: Served, path: str, body: Any, *, key: str = KEY, status: int = 200
) -> tuple[Any, Mapping[str, str]]:
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {key}"}) as session:
        data = body if isinstance(body, bytes) else json.dumps(body)
        async with session.post(running.url + path, data=data) as answer:
            told = await answer.json(content_type=None)
            assert answer.status == status, told
            return told, answer.headers


def numbers(text: str) -> list[float]:
    return list(struct.unpack("<8f", vector_of(text, 8)))


@pytest.mark.parametrize("form", [None, "float", "base64"])
async def test_each_form_is_answered_in_itself(running: Served, form: str | None) -> None:
    body = {"model": "e", "input": ["a", "b"], **({} if form is None else {"encoding_format": form})}
    told, headers = await ask(running, "/v1/embeddings", body)
    assert [each["index"] for each in told["data"]] == [0, 1]
    vectors = [each["embedding"] for each in told["data"]]
    if form == "base64":
        assert [base64.b64decode(vector) for vector in vectors] == [vector_of(text, 8) for text in "ab"]
    else:
        assert vectors == [numbers("a"), numbers("b")]
    assert told["usage"] == {"prompt_tokens": 2, "total_tokens": 2}
    assert told["object"] == "list"
    assert headers["x-signalbox-route"] == "e"
    assert headers["x-signalbox-target"] == "small"
    assert headers["x-signalbox-cost"] == "0.000200"


@pytest.mark.parametrize(
    ("given", "inputs"),
    [("a", ["a"]), (["a", "b"], ["a", "b"]), ([1, 2], [(1, 2)]), ([[1, 2], [3]], [(1, 2), (3,)])],
)
async def test_every_form_of_input_is_taken(running: Served, given: Any, inputs: list[Any]) -> None:
    body = {"model": "e", "input": given, "encoding_format": "base64"}
    told, _ = await ask(running, "/v1/embeddings", body)
    assert [base64.b64decode(each["embedding"]) for each in told["data"]] == [vector_of(each, 8) for each in inputs]


@pytest.mark.parametrize("route", ["e", "near"])
async def test_ollamas_paths(running: Served, route: str) -> None:
    told, _ = await ask(running, "/api/embed", {"model": route, "input": ["a", "b"]})
    assert told["embeddings"] == [numbers("a"), numbers("b")]
    assert told["model"] == route
    assert told["prompt_eval_count"] == 2
    told, _ = await ask(running, "/api/embed", {"model": route, "input": "a"})
    assert told["embeddings"] == [numbers("a")]
    told, _ = await ask(running, "/api/embeddings", {"model": route, "prompt": "a"})
    assert told == {"embedding": numbers("a")}
    told, _ = await ask(running, "/api/embed", {"model": route})  # which loads a model, elsewhere
    assert told["embeddings"] == []


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
async def test_documents_are_ranked(running: Served, path: str) -> None:
    body = {"model": "rank", "query": "blue sky", "documents": ["grass", {"text": "blue sky"}], "top_n": 1}
    told, _ = await ask(running, path, {**body, "return_documents": True})
    assert told["results"] == [{"index": 1, "relevance_score": 1.0, "document": {"text": "blue sky"}}]
    assert told["meta"]["tokens"]["input_tokens"] == told["usage"]["total_tokens"] > 0
    texts = {"model": "rank", "query": "blue sky", "texts": ["grass", "blue sky"]}
    told, _ = await ask(running, path, texts)
    assert told == [{"index": 1, "score": 1.0}, {"index": 0, "score": 0.0}]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/v1/embeddings", {"model": "chat", "input": "a"}, "this route makes no embeddings"),
        ("/v1/embeddings", {"model": "rank", "input": "a"}, "this route makes no embeddings"),
        ("/api/embed", {"model": "chat", "input": "a"}, "this route makes no embeddings"),
        ("/api/embeddings", {"model": "chat", "prompt": "a"}, "this route makes no embeddings"),
        ("/v1/rerank", {"model": "e", "query": "a", "documents": ["b"]}, "this route makes no ranks"),
        ("/v1/chat/completions", {"model": "e", "messages": [{"role": "user", "content": "a"}]}, "makes no answers"),
        (
            "/v1/chat/completions",
            {"model": "e", "stream": True, "messages": [{"role": "user", "content": "a"}]},
            "makes no answers",
        ),
        ("/v1/responses", {"model": "e", "input": "a"}, "makes no answers"),
        ("/v1/messages", {"model": "e", "max_tokens": 1, "messages": [{"role": "user", "content": "a"}]}, "no answers"),
        ("/api/chat", {"model": "e", "messages": [{"role": "user", "content": "a"}]}, "makes no answers"),
        ("/v1/embeddings", {"model": "e"}, "input"),
        ("/v1/embeddings", {"input": "a"}, "model"),
        ("/v1/embeddings", {"model": "e", "input": []}, "the list is empty"),
        ("/v1/embeddings", {"model": "e", "input": ""}, "the text is empty"),
        ("/v1/embeddings", {"model": "e", "input": ["a", ""]}, "input[1]"),
        ("/v1/embeddings", {"model": "e", "input": {"a": 1}}, "input"),
        ("/v1/embeddings", {"model": "e", "input": 5}, "input"),
        ("/v1/embeddings", {"model": "e", "input": "a", "encoding_format": "int8"}, "encoding_format"),
        ("/v1/embeddings", {"model": "e", "input": "a", "dimensions": 10**12}, "dimensions"),
        ("/v1/embeddings", {"model": "e", "input": "a", "dimensions": "8"}, "dimensions"),
        ("/v1/embeddings", {"model": "e", "input": "word " * 2000}, "takes 100 in one input"),
        ("/v1/rerank", {"model": "rank", "query": "a", "documents": []}, "documents"),
        ("/v1/rerank", {"model": "rank", "query": "a", "documents": [1]}, "documents[0]"),
        ("/v1/rerank", {"model": "rank", "query": "a", "documents": ["b"], "top_n": 0}, "top_n"),
        ("/v1/rerank", {"model": "rank", "documents": ["b"]}, "query"),
        ("/v1/embeddings", {"model": "e", "input": ["a"] * 4097}, "at most 4,096"),
        ("/v1/embeddings", {"model": "e", "input": [True]}, "tokens are whole numbers"),
        ("/v1/embeddings", {"model": "e", "input": [1.5]}, "input[0]"),
        ("/v1/embeddings", {"model": "e", "input": [[1, [2]]]}, "tokens are whole numbers"),
        ("/v1/embeddings", b"no json", "JSON"),
        ("/v1/embeddings", b"[]", "object"),
    ],
)
async def test_a_mistake_is_a_400_that_says_which(running: Served, path: str, body: Any, words: str) -> None:
    told, _ = await ask(running, path, body, status=400)
    assert words in json.dumps(told)
    assert all(vendor.requests == 0 for vendor in running.simulator.vendors.values())


async def test_what_is_asked_for_in_thousands_is_split(running: Served) -> None:
    texts = [str(number) for number in range(2049)]
    told, _ = await ask(running, "/v1/embeddings", {"model": "e", "input": texts, "encoding_format": "base64"})
    assert [each["index"] for each in told["data"]] == list(range(2049))
    assert all(
        base64.b64decode(each["embedding"]) == vector_of(text, 8)
        for each, text in zip(told["data"], texts, strict=True)
    )
    assert running.simulator.vendor("openai").requests == 2


async def test_errors_have_the_form_of_their_protocol(running: Served) -> None:
    running.simulator.vendor("openai").set(error_rate=1.0, error="rate_limited", retry_after=70.0)
    told, headers = await ask(running, "/v1/embeddings", {"model": "e", "input": "a"}, status=429)
    assert told["error"]["code"] == "rate_limit_exceeded"
    assert float(headers["retry-after"]) <= 70
    told, _ = await ask(running, "/api/embed", {"model": "e", "input": "a"}, status=429)
    assert isinstance(told["error"], str)
    told, _ = await ask(running, "/v2/rerank", {"model": "rank", "query": "a", "documents": ["b"]}, status=429)
    assert told["message"] == told["error"]["message"]


async def test_a_client_gets_what_it_may(running: Served) -> None:
    """Its routes, its limits, its own part of what is kept; and nobody without a key."""
    await ask(running, "/v1/embeddings", {"model": "e", "input": "a"}, key="sb-nobody-at-all-000", status=401)
    await ask(running, "/v1/embeddings", {"model": "e", "input": "a"}, key=OTHER, status=404)
    await ask(running, "/v1/embeddings", {"model": "kept", "input": "a"})
    _, headers = await ask(running, "/v1/embeddings", {"model": "kept", "input": "a"})
    assert headers["x-signalbox-cache"] == "hit"
    _, headers = await ask(running, "/v1/embeddings", {"model": "kept", "input": ["a", "b"]})
    assert headers["x-signalbox-cache"] == "hit for 1 of 2"
    _, headers = await ask(running, "/v1/embeddings", {"model": "kept", "input": "a"}, key=OTHER)
    assert headers["x-signalbox-cache"] == "stored"  # ann's are hers
    await ask(running, "/v1/embeddings", {"model": "kept", "input": "c"}, key=OTHER)
    await ask(running, "/v1/embeddings", {"model": "kept", "input": "c"}, key=OTHER, status=429)


async def test_no_vendor_is_told_who_asks(running: Served) -> None:
    await ask(running, "/v1/embeddings", {"model": "e", "input": "a", "user": "ann@example.org"})
    last = running.simulator.vendor("openai").last_request
    assert last is not None
    assert b"ann@example.org" not in last.raw
    assert KEY not in str(last.headers)


async def test_models_are_listed_and_say_what_they_can(running: Served) -> None:
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {KEY}"}) as session:
        async with session.get(f"{running.url}/v1/models") as answer:
            listed = [each["id"] for each in (await answer.json())["data"]]
        assert {"e", "rank", "chat"} <= set(listed)
    told, _ = await ask(running, "/api/show", {"model": "e"})
    assert told["capabilities"] == ["embedding"]
    assert told["model_info"]["signalbox.embedding_length"] == 8
    told, _ = await ask(running, "/api/show", {"model": "chat"})
    assert "completion" in told["capabilities"]


RECORDED = [json.loads(path.read_text()) for path in sorted((FOLDER / "clients").glob("*embed*.json"))]


@pytest.mark.skipif(not RECORDED, reason="the recorded requests are not here")
@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["client"])
async def test_clients_as_they_were_recorded(running: Served, recorded: dict[str, Any]) -> None:
    told, _ = await ask(running, recorded["path"], recorded["body"])
    if recorded["protocol"] == "ollama":
        assert told["embeddings"] == [numbers("a")]
    else:
        assert base64.b64decode(told["data"][0]["embedding"]) == vector_of("a", 8)
