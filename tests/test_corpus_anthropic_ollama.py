"""Anthropic's and Ollama's protocols against recorded answers: read as a careful reader reads them."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from providers.anthropic import messages
from providers.classify import classify, parse_json
from providers.errors import ErrorCode, ProviderError
from providers.ollama import chat
from providers.transport.lines import NDJSONDecoder, SSEDecoder
from providers.types import CompletionRequest, CompletionResponse, Message

FOLDER = Path(__file__).resolve().parents[1].parent / "shared" / "corpus"
FLOOR = 0.999

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the recorded vendor traffic is not here")

REQUEST = CompletionRequest(model="m", messages=(Message.user("hi"),))
Outcome = CompletionResponse | ProviderError


def records(protocol: str) -> Iterator[dict[str, Any]]:
    with gzip.open(FOLDER / f"{protocol}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def read(record: dict[str, Any]) -> Outcome:
    """What the library makes of a recording, by the same steps as a provider."""
    answer = record["response"]
    body = answer["body"].encode("utf-8", "surrogatepass")
    headers = {key.lower(): value for key, value in answer["headers"].items()}
    if answer["status"] >= 400:
        return classify(answer["status"], body, headers, now=0.0, provider="p", model="m")
    try:
        if record["stream"]:
            return read_stream(record["protocol"], body)
        if record["protocol"] == "ollama":
            return chat.decode(parse_json(body), REQUEST, provider="p", request_id=None)
        return messages.decode(parse_json(body), provider="p", model="m", request_id=None)
    except ProviderError as error:
        return error
    except ValueError:
        return ProviderError(ErrorCode.PROTOCOL_ERROR, "no JSON")


def read_stream(protocol: str, body: bytes) -> CompletionResponse:
    ollama = protocol == "ollama"
    lines: Any = NDJSONDecoder() if ollama else SSEDecoder()
    decoder: Any = (
        chat.ChatStreamDecoder("p", REQUEST, None) if ollama else messages.MessagesStreamDecoder("p", "m", None)
    )
    pieces = []
    for start in range(0, len(body), 1009):  # cuts that fall anywhere
        pieces += lines.feed(body[start : start + 1009])
    for event in [*pieces, *lines.flush()]:
        decoder.feed(event)
    decoder.finish()
    response: CompletionResponse = decoder.response()
    return response


def differences(record: dict[str, Any], got: Outcome) -> list[str]:
    expected = record["expected"]
    if expected["error"] is not None:
        if not isinstance(got, ProviderError):
            return ["error missed"]
        wanted = expected["error"].get("normalized")
        return [f"error is {got.code}, not {wanted}"] if wanted not in (None, got.code) else []
    if isinstance(got, ProviderError):
        return [f"error of its own: {got}"]
    found = []
    if got.text != (expected["text"] or ""):
        found.append("text")
    if "".join(part.text for part in got.thinking) != (expected["thinking"] or ""):
        found.append("thinking")
    wanted_calls = [(call["name"], call["arguments"] or {}) for call in expected["tool_calls"] or ()]
    if [(call.name, call.arguments or {}) for call in got.tool_calls] != wanted_calls:
        found.append("tool calls")
    wanted_ids = [call["id"] for call in expected["tool_calls"] or ()]
    if any(wanted is not None and wanted != call.id for wanted, call in zip(wanted_ids, got.tool_calls, strict=False)):
        found.append("tool call ids")
    if got.raw_finish_reason != (expected["finish_reason_raw"] or None):
        found.append("finish reason")
    if expected["model"] and got.model != expected["model"]:
        found.append("model")
    usage = expected["usage"] or {}
    pairs = {
        "input": got.usage.input_tokens,
        "output": got.usage.output_tokens,
        "cache_read": got.usage.cache_read_tokens,
        "cache_write": got.usage.cache_write_tokens,
        "reasoning": got.usage.reasoning_tokens,
    }
    return found + [f"usage.{key}" for key, value in pairs.items() if (value or 0) != (usage.get(key) or 0)]


@pytest.mark.parametrize("protocol", ["anthropic", "ollama"])
def test_recorded_answers_are_read_as_expected(protocol: str) -> None:
    """At least FLOOR of all recordings give the same text, thinking, calls, finish reason, model, usage and error."""
    total, wrong, kinds = 0, 0, Counter[str]()
    examples: list[str] = []
    for record in records(protocol):
        total += 1
        found = differences(record, read(record))
        if found:
            wrong += 1
            kinds.update(found)
            examples.append(f"{record['vendor']} {record['id']}: {found}")
    assert total > 0
    assert 1 - wrong / total >= FLOOR, f"{wrong} of {total}: {kinds.most_common(12)}\n" + "\n".join(examples[:20])
