"""Vectors and ranks from vendors on loopback, whatever form they come in; and what is no answer."""

from __future__ import annotations

import base64
import json
import math
import struct
from array import array
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers import (
    EmbeddingRequest,
    EmbeddingResponse,
    Embeds,
    ErrorCode,
    FakeProvider,
    ProviderError,
    ProviderSettings,
    RerankRequest,
    Reranks,
    registry,
)
from providers.made_up import vector_of
from providers.ollama import embeddings as ollama_embeddings
from providers.openai import embeddings as openai_embeddings
from providers.openai.embedding_rows import row_for
from providers.simulator import Simulator
from providers.vectors import of_base64
from providers.wire import embeddings as wire
from tests.support.scripted import Vendor

TEXTS = ("one", "two", "three")
FLOATS = [0.5, -0.25, 0.1]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seed=1) as running:
        for vendor in running.vendors.values():
            vendor.set(fast=True, dimensions=8)
        yield running


def provider(kind: str, url: str, **options: Any) -> Any:
    settings = ProviderSettings(name="p", kind=kind, base_url=url, api_key="k", options={"max_retries": 0, **options})
    return registry.create(settings)


def asked(*inputs: Any, **more: Any) -> EmbeddingRequest:
    return EmbeddingRequest(model="m", inputs=inputs, **more)


async def fails(call: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await call
    return caught.value


def answer(*vectors: Any, **more: Any) -> httpx.Response:
    entries = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return httpx.Response(200, text=json.dumps({"data": entries, "model": "m", **more}))


@pytest.mark.parametrize("kind", ["openai", "ollama"])
async def test_vectors_come_in_the_order_of_the_inputs(simulator: Simulator, kind: str) -> None:
    """Bit by bit the vendor's, as float32, with the tokens that it counted."""
    one = provider(kind, simulator.base_url(kind))
    response = await one.embed(asked(*TEXTS))
    assert response.data == b"".join(vector_of(text, 8) for text in TEXTS)
    assert (response.count, response.dimensions, response.usage.output_tokens) == (3, 8, 0)
    assert response.usage.input_tokens
    await one.aclose()


@pytest.mark.parametrize("dialect", ["openai", "generic"])
async def test_shuffled_answers_are_put_in_order(simulator: Simulator, dialect: str) -> None:
    simulator.vendor("openai").set(embeddings="shuffled")
    one = provider("openai", simulator.base_url("openai"), dialect=dialect)
    response = await one.embed(asked(*TEXTS))
    assert response.data == b"".join(vector_of(text, 8) for text in TEXTS)
    body = simulator.vendor("openai").last_request
    assert body is not None
    assert body.body.get("encoding_format") == ("base64" if dialect == "openai" else None)
    await one.aclose()


@pytest.mark.parametrize("dialect", ["openai", "generic"])
@pytest.mark.parametrize("fault", ["missing", "extra", "doubled", "shorter", "no_numbers"])
async def test_other_vectors_than_were_asked_for_are_a_protocol_error(
    simulator: Simulator, dialect: str, fault: str
) -> None:
    simulator.vendor("openai").set(embeddings=fault)
    one = provider("openai", simulator.base_url("openai"), dialect=dialect)
    error = await fails(one.embed(asked(*TEXTS)))
    assert error.code is ErrorCode.PROTOCOL_ERROR
    assert error.provider == "p"
    assert error.request_id
    await one.aclose()


@pytest.mark.parametrize("fault", ["missing", "extra", "shorter", "no_numbers"])
async def test_so_it_is_with_ollama(simulator: Simulator, fault: str) -> None:
    simulator.vendor("ollama").set(embeddings=fault)
    one = provider("ollama", simulator.base_url("ollama"))
    assert (await fails(one.embed(asked(*TEXTS)))).code is ErrorCode.PROTOCOL_ERROR
    await one.aclose()


@pytest.mark.parametrize("knob", [{"truncated": True}, {"empty": True}, {"html": True}, {"cut_after": 0}])
async def test_half_an_answer_is_an_error(simulator: Simulator, knob: dict[str, Any]) -> None:
    simulator.vendor("openai").set(**knob)
    one = provider("openai", simulator.base_url("openai"))
    error = await fails(one.embed(asked(*TEXTS)))
    assert error.code in (ErrorCode.PROTOCOL_ERROR, ErrorCode.CONNECTION_FAILED)
    await one.aclose()


async def test_ollama_is_told_not_to_cut(simulator: Simulator) -> None:
    """By itself it cuts what is too long, and says nothing."""
    vendor = simulator.vendor("ollama")
    vendor.set(max_input_tokens=10)
    one = provider("ollama", simulator.base_url("ollama"))
    error = await fails(one.embed(asked("word " * 50)))
    assert error.code is ErrorCode.CONTEXT_LENGTH_EXCEEDED
    assert vendor.last_request is not None
    assert vendor.last_request.body["truncate"] is False
    assert (await one.embed(asked("word " * 50, truncate=True))).count == 1
    await one.aclose()


async def test_tokens_go_as_they_are() -> None:
    vendor = Vendor("openai", answer(FLOATS, FLOATS), base_url="https://api.openai.com/v1")
    await vendor.provider.embed(asked((1, 2), (3,)))  # type: ignore[attr-defined]  # of kind openai
    assert vendor.sent[0]["input"] == [[1, 2], [3]]
    await vendor.provider.embed(asked((1, 2), (3,), dimensions=3, user="ann"))  # type: ignore[attr-defined]
    assert vendor.sent[1] == {**vendor.sent[0], "dimensions": 3, "user": "ann"}
    ollama = Vendor("ollama", httpx.Response(200, json={"embeddings": [FLOATS]}))
    error = await fails(ollama.provider.embed(asked((1, 2))))  # type: ignore[attr-defined]
    assert error.code is ErrorCode.UNSUPPORTED
    assert not ollama.sent


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@pytest.mark.parametrize("form", [FLOATS, packed(*FLOATS), [1, -1, 0]])
async def test_numbers_and_base64_are_both_read(form: Any) -> None:
    """Whichever was asked for: servers answer as they like."""
    numbers = FLOATS if isinstance(form, str) else form
    for url in ("https://api.openai.com/v1", "https://llm.example/v1"):
        vendor = Vendor("openai", answer(form), base_url=url)
        response = await vendor.provider.embed(asked("a"))  # type: ignore[attr-defined]
        assert response.vector(0) == array("f", numbers)


@pytest.mark.parametrize(
    "vector",
    [
        packed(math.nan, 1.0),
        packed(1.0, math.inf),
        packed(-math.inf),
        [1e39, 1.0],
        base64.b64encode(b"int8!").decode(),  # a length that is no float32's
        base64.b64encode(b"").decode(),
        "not base64 at all",
        packed(1.0)[:-2],
        [],
        [True, False],
        ["1", "2"],
        [None],
        [[1.0]],
        {"float": [1.0]},
        None,
        10**400,
        [10**400],
    ],
)
async def test_what_is_no_vector_is_a_protocol_error(vector: Any) -> None:
    vendor = Vendor("openai", answer(vector), base_url="https://llm.example/v1")
    error = await fails(vendor.provider.embed(asked("a")))  # type: ignore[attr-defined]
    assert error.code is ErrorCode.PROTOCOL_ERROR


async def test_the_largest_float32_is_a_number() -> None:
    largest = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]
    vendor = Vendor("openai", answer(packed(largest, -largest)), base_url="https://llm.example/v1")
    response = await vendor.provider.embed(asked("a"))  # type: ignore[attr-defined]
    assert list(response.vectors) == [largest, -largest]


@pytest.mark.parametrize("index", [-1, 2, 1.0, "0", True])
async def test_an_index_that_was_not_asked_for_is_a_protocol_error(index: Any) -> None:
    entries = [{"index": 0, "embedding": FLOATS}, {"index": index, "embedding": FLOATS}]
    vendor = Vendor("openai", httpx.Response(200, json={"data": entries}), base_url="https://llm.example/v1")
    error = await fails(vendor.provider.embed(asked("a", "b")))  # type: ignore[attr-defined]
    assert error.code is ErrorCode.PROTOCOL_ERROR


async def test_where_nothing_is_numbered_the_order_is_that_of_the_answer(simulator: Simulator) -> None:
    simulator.vendor("openai").set(embeddings="unnumbered")
    one = provider("openai", simulator.base_url("openai"))
    assert (await one.embed(asked(*TEXTS))).data == b"".join(vector_of(text, 8) for text in TEXTS)
    await one.aclose()


async def test_a_vendor_without_embeddings_has_none() -> None:
    anthropic = registry.create(ProviderSettings(name="p", kind="anthropic", api_key="k"))
    assert not isinstance(anthropic, Embeds | Reranks)
    assert isinstance(FakeProvider.scripted(), Embeds)


async def test_a_key_in_an_error_is_blanked() -> None:
    refusing = httpx.Response(401, json={"error": {"message": "Incorrect API key: sk-secret-0123456789abcdef"}})
    vendor = Vendor("openai", refusing, base_url="https://llm.example/v1", api_key="sk-secret-0123456789abcdef")
    error = await fails(vendor.provider.embed(asked("a")))  # type: ignore[attr-defined]
    assert error.code is ErrorCode.AUTHENTICATION
    assert "sk-secret" not in str(error)


async def test_a_refused_user_is_left_out() -> None:
    def judge(body: dict[str, Any]) -> httpx.Response:
        if "user" in body:
            return httpx.Response(400, json={"error": {"message": "Unsupported parameter: 'user'", "param": "user"}})
        return answer(FLOATS)

    vendor = Vendor("openai", judge, base_url="https://llm.example/v1")
    response = await vendor.provider.embed(asked("a", user="ann"))  # type: ignore[attr-defined]
    assert response.left_out == ("user",)


async def test_a_vendor_says_what_texts_are_for() -> None:
    for url, told in (
        ("https://api.jina.ai/v1", {"task": "retrieval.query"}),
        ("https://api.voyageai.com/v1", {"input_type": "query", "output_dimension": 3}),
        ("https://api.openai.com/v1", {"dimensions": 3}),
    ):
        vendor = Vendor("openai", answer(FLOATS), base_url=url)
        await vendor.provider.embed(asked("a", input_type="query", dimensions=3))  # type: ignore[attr-defined]
        assert told.items() <= vendor.sent[0].items()


# --- ranks

DOCUMENTS = ("the sky", "red grass", "blue sky today")


@pytest.mark.parametrize(("dialect", "path"), [("generic", "/v1/rerank"), ("cohere", "/v2/rerank"), ("tei", "/rerank")])
async def test_documents_are_ranked(simulator: Simulator, dialect: str, path: str) -> None:
    """By Cohere's form, at whatever path, and by TEI's: the best first."""
    one = provider("openai", simulator.base_url("openai"), dialect=dialect)
    request = RerankRequest(model="r", query="blue sky", documents=DOCUMENTS, top_n=2)
    response = await one.rerank(request)
    assert [each.index for each in response.results] == [2, 0]
    assert response.results[0].score == 1.0
    last = simulator.vendor("openai").last_request
    assert last is not None
    assert last.path == path
    assert last.body["texts" if dialect == "tei" else "documents"] == list(DOCUMENTS)
    await one.aclose()


@pytest.mark.parametrize(
    "results",
    [
        [{"index": 0, "relevance_score": 1.0}, {"index": 0, "relevance_score": 0.5}],
        [{"index": 2, "relevance_score": 1.0}],
        [{"index": 0, "relevance_score": None}],
        [{"index": 0, "relevance_score": True}],
        [{"index": 0, "relevance_score": 1.0}],
        [{"relevance_score": 1.0}],
        [],
        None,
        "none",
    ],
)
async def test_other_ranks_than_were_asked_for_are_a_protocol_error(results: Any) -> None:
    vendor = Vendor("openai", httpx.Response(200, json={"results": results}), base_url="https://llm.example/v1")
    request = RerankRequest(model="r", query="q", documents=("a", "b"))
    error = await fails(vendor.provider.rerank(request))  # type: ignore[attr-defined]
    assert error.code is ErrorCode.PROTOCOL_ERROR


@pytest.mark.parametrize("kind", ["openai", "ollama"])
async def test_who_ranks_nothing_is_unsupported(kind: str) -> None:
    vendor = Vendor(kind, httpx.Response(200, json={}))
    error = await fails(vendor.provider.rerank(RerankRequest(model="r", query="q", documents=("a",))))  # type: ignore[attr-defined]
    assert error.code is ErrorCode.UNSUPPORTED
    assert not vendor.sent


# --- requests


@pytest.mark.parametrize(
    "wrong",
    [
        {"inputs": ()},
        {"dimensions": 0},
        {"dimensions": -1},
        {"dimensions": 10**9},
        {"dimensions": 1.5},
        {"dimensions": True},
        {"input_type": "passage"},
        {"truncate": "yes"},
        {"timeout": {"answer": -1}},
        {"extra_headers": {"authorization": "x"}},
    ],
)
async def test_what_no_vendor_accepts_is_not_sent(wrong: dict[str, Any]) -> None:
    vendor = Vendor("openai", answer(FLOATS))
    request = EmbeddingRequest(**{"model": "m", "inputs": ("a",), **wrong})
    error = await fails(vendor.provider.embed(request))  # type: ignore[attr-defined]
    assert error.code is ErrorCode.INVALID_REQUEST
    assert not vendor.sent


def test_vectors_are_bytes_until_somebody_asks_for_lists() -> None:
    response = EmbeddingResponse(data=struct.pack("<4f", 1, 2, 3, 4), dimensions=2)
    assert isinstance(response.vectors, memoryview)
    assert (response.vectors.format, response.vectors.nbytes) == ("f", 16)
    assert response.vector(1) == array("f", [3, 4])
    assert response.lists() == [[1, 2], [3, 4]]
    assert response.to_dict()["embeddings"] == [[1, 2], [3, 4]]
    with pytest.raises(IndexError):
        response.vector(2)


async def test_a_fake_gives_the_same_text_the_same_vector() -> None:
    """As long as the file says that they are, and of length 1."""
    fake = FakeProvider.scripted()
    first, again = [await fake.embed(asked("a", "b", width=16)) for _ in range(2)]
    assert first == again
    assert first.dimensions == 16
    assert first.bytes_of(0) != first.bytes_of(1)
    assert math.isclose(sum(number * number for number in first.vector(0)), 1.0, rel_tol=1e-5)


# --- whatever comes

_WORDS = st.sampled_from(["index", "embedding", "data", "embeddings", "results", "relevance_score", "usage", "model"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=3 * settings().max_examples, deadline=None)
@given(st.dictionaries(_WORDS, _VALUES) | _VALUES)
def test_whatever_a_vendor_sends_is_an_answer_or_an_error_of_ours(body: Any) -> None:
    ranks = RerankRequest(model="m", query="q", documents=("a", "b"))
    readers: tuple[Callable[[], Any], ...] = (
        lambda: openai_embeddings.decode(body, asked("a", "b")),
        lambda: ollama_embeddings.decode(body, asked("a", "b")),
        lambda: openai_embeddings.decode_rerank(body, ranks, row_for("generic", "")),
        lambda: openai_embeddings.decode_rerank(body, ranks, row_for("tei", "")),
        lambda: of_base64(json.dumps(body).encode()),
    )
    for read in readers:
        with suppress(ProviderError):
            read()


@settings(max_examples=3 * settings().max_examples, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["model", "input", "prompt", "encoding_format", "dimensions", "truncate", "query", "documents"]
        ),
        _VALUES | st.just("m"),
    )
)
def test_whatever_a_client_sends_is_a_request_or_an_error_of_ours(body: dict[str, Any]) -> None:
    readers: tuple[Callable[[], Any], ...] = (
        lambda: wire.read_openai(body),
        lambda: wire.read_ollama(body),
        lambda: wire.read_ollama(body, old=True),
        lambda: wire.read_rerank(body),
    )
    for read in readers:
        with suppress(ProviderError):
            read()
