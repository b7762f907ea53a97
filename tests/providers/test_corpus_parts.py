"""Recorded answers that hold sources, searches, likelihoods, pictures, speech or a cost: all of that comes out.

What is expected is read out of the recordings here, in the vendors' own words, by nothing but loops.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from providers.anthropic import decode as anthropic
from providers.errors import ProviderError
from providers.ollama import chat as ollama
from providers.openai import chat_decode as chat
from providers.openai import responses_decode as responses
from providers.transport.lines import NDJSONDecoder, SSEDecoder
from providers.types import CompletionRequest, CompletionResponse, Message, ServerToolPart
from tests.support.corpus import FOLDER, KNOWN

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"the recorded vendor traffic is not at {FOLDER} (SIGNALBOX_CORPUS)"
)
REQUEST = CompletionRequest(model="m", messages=(Message.user("hi"),))
# Words of which a recording has to have one to be of use here: most have none, and are not parsed.
TELLING = (
    *("url_citation", "_location", "server_tool_use", "logprob", "cost", "search_results", "images", "audio", "_call"),
)
DECODERS: dict[str, tuple[Callable[[Any], CompletionResponse], Callable[[], Any], Callable[[], Any]]] = {
    "openai": (
        lambda body: chat.decode(body, provider="p", model="m", request_id=None),
        lambda: chat.ChatStreamDecoder("p", "m", None),
        SSEDecoder,
    ),
    "openai-responses": (
        lambda body: responses.decode(body, provider="p", model="m", request_id=None),
        lambda: responses.ResponsesStreamDecoder("p", "m", None),
        SSEDecoder,
    ),
    "anthropic": (
        lambda body: anthropic.decode(body, provider="p", model="m", request_id=None),
        lambda: anthropic.MessagesStreamDecoder("p", "m", None),
        SSEDecoder,
    ),
    "ollama": (
        lambda body: ollama.decode(body, REQUEST, provider="p", request_id=None),
        lambda: ollama.ChatStreamDecoder("p", REQUEST, None),
        NDJSONDecoder,
    ),
}
Found = dict[str, Any]


def recorded(protocol: str) -> Iterator[tuple[str, Found, CompletionResponse]]:
    """The recordings of use: what they hold, and what is read of them."""
    decode, decoder, lines = DECODERS[protocol]
    with gzip.open(FOLDER / f"{protocol}.jsonl.gz", "rt", encoding="utf-8") as rows:
        for row in rows:
            if not any(word in row for word in TELLING):
                continue
            record = json.loads(row)
            if record["id"] in KNOWN or record["expected"]["error"] is not None or record["response"]["status"] != 200:
                continue
            held = EXPECTED[protocol](list(_objects(record)))
            if not any(value for value in held.values()):
                continue
            body = record["response"]["body"]
            try:
                yield (
                    record["id"],
                    held,
                    _streamed(decoder(), lines(), body) if record["stream"] else decode(json.loads(body)),
                )
            except ProviderError:
                continue  # the test of the corpus itself tells of these


def _streamed(decoder: Any, lines: Any, body: str) -> CompletionResponse:
    for event in [*lines.feed(body.encode("utf-8", "surrogatepass")), *lines.flush()]:
        decoder.feed(event)
    decoder.finish()
    found: CompletionResponse = decoder.response()
    return found


def _objects(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    body = record["response"]["body"]
    pieces = [body] if not record["stream"] else [line.removeprefix("data:").strip() for line in body.splitlines()]
    for piece in pieces:
        if piece.startswith("{"):
            try:
                yield json.loads(piece)
            except ValueError:
                continue


# --- what a recording holds


def of_chat(objects: list[dict[str, Any]]) -> Found:
    urls, tokens, pictures, words = [], [], 0, ""
    results: list[str] = []
    for each in objects:
        results = results or [one["url"] for one in each.get("search_results") or () if isinstance(one, dict)]
        results = results or [one for one in each.get("citations") or () if isinstance(one, str)]
        choice = next(iter(each.get("choices") or ()), None) or {}
        said = choice.get("message") or choice.get("delta") or {}
        for one in said.get("annotations") or ():
            told = one.get("url_citation") or one
            urls += [told["url"]] if told.get("url") else []
        likely = choice.get("logprobs")
        tokens += [one["token"] for one in (likely if isinstance(likely, dict) else {}).get("content") or ()]
        pictures += len(said.get("images") or ())
        words += (said.get("audio") or {}).get("transcript") or ""
    return {
        "urls": sorted({*urls, *results}),
        "tokens": tokens,
        "pictures": pictures,
        "words": words,
        "cost": cost_of(objects),
    }


def cost_of(objects: list[dict[str, Any]]) -> float | None:
    cost = None
    for each in objects:
        usage = (each.get("response") or each).get("usage")
        usage = usage if isinstance(usage, dict) else {}
        told = usage.get("cost")
        if isinstance(told, dict):
            told = told.get("total_cost")
        if told is None and usage.get("cost_in_usd_ticks") is not None:
            told = usage["cost_in_usd_ticks"] / 1e10
        told = usage.get("estimated_cost") if told is None else told
        cost = cost if told is None else float(told)
    return cost


_OF_THE_MODEL = ("message", "reasoning", "function_call", "custom_tool_call", "image_generation_call")


def of_responses(objects: list[dict[str, Any]]) -> Found:
    ended = [each.get("response") or each for each in objects if (each.get("response") or each).get("output")]
    items = ended[-1]["output"] if ended else []
    parts = [part for item in items for part in item.get("content") or () if isinstance(part, dict)]
    return {
        "urls": sorted({one["url"] for part in parts for one in part.get("annotations") or () if one.get("url")}),
        "tokens": [one["token"] for part in parts for one in part.get("logprobs") or ()],
        "tools": [item["type"] for item in items if item["type"] not in _OF_THE_MODEL],
        "pictures": sum(item["type"] == "image_generation_call" for item in items),
        "cost": cost_of(objects),
    }


def of_messages(objects: list[dict[str, Any]]) -> Found:
    blocks = [block for each in objects for block in each.get("content") or () if isinstance(block, dict)]
    blocks += [each["content_block"] for each in objects if each.get("type") == "content_block_start"]
    cited = [one for block in blocks for one in block.get("citations") or ()]
    cited += [each["delta"]["citation"] for each in objects if "citation" in (each.get("delta") or {})]
    return {
        "tools": [
            block["type"]
            for block in blocks
            if block["type"].endswith(("_tool_use", "_tool_result")) and block["type"] != "tool_result"
        ],
        "cited": len(cited),
        "urls": sorted({one["url"] for one in cited if one.get("url")}),
    }


def of_ollama(objects: list[dict[str, Any]]) -> Found:
    return {"tokens": [one["token"] for each in objects for one in each.get("logprobs") or ()]}


EXPECTED: dict[str, Callable[[list[dict[str, Any]]], Found]] = {
    "openai": of_chat,
    "openai-responses": of_responses,
    "anthropic": of_messages,
    "ollama": of_ollama,
}


def of_reply(reply: CompletionResponse, held: Found) -> Found:
    """What was read, of the kinds that a recording may hold."""
    found = {
        "urls": sorted({one.url for one in reply.citations if one.url}),
        "tokens": [one.token for one in reply.logprobs or ()],
        "pictures": sum(other.image is not None for other in reply.others),
        "words": "".join(other.audio.transcript or "" for other in reply.others if other.audio is not None),
        "tools": [part.type for part in reply.parts if isinstance(part, ServerToolPart)],
        "cited": len(reply.citations),
        "cost": reply.cost,
    }
    return {name: found[name] for name in held}


# How many recordings hold something, at least: fewer would say that they are not found any more.
LEAST = {"openai": 100, "openai-responses": 30, "anthropic": 60, "ollama": 1}


@pytest.mark.parametrize("protocol", EXPECTED)
def test_what_was_recorded_comes_out(protocol: str) -> None:
    count, wrong = 0, {}
    for name, held, reply in recorded(protocol):
        count += 1
        found = of_reply(reply, held)
        if found != held:
            wrong[name] = {key: (held[key], found[key]) for key in held if found[key] != held[key]}
    assert wrong == {}
    assert count >= LEAST[protocol]
