"""The chat protocol against recorded answers of 43 vendors and servers: read as a careful reader reads them."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from providers.classify import classify, parse_json
from providers.errors import ErrorCode, ProviderError
from providers.openai.chat import ChatStreamDecoder, decode
from providers.transport.lines import SSEDecoder
from providers.types import CompletionResponse, Usage

RECORDINGS = Path(__file__).resolve().parents[1].parent / "shared" / "corpus" / "openai.jsonl.gz"
FLOOR = 0.999

pytestmark = pytest.mark.skipif(not RECORDINGS.exists(), reason="the recorded vendor traffic is not here")

Outcome = CompletionResponse | ProviderError


def records() -> Iterator[dict[str, Any]]:
    with gzip.open(RECORDINGS, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def read(record: dict[str, Any]) -> Outcome:
    """What the library makes of a recording, by the same steps as a provider."""
    answer = record["response"]
    body = answer["body"].encode("utf-8", "surrogatepass")
    names = {"provider": "p", "model": "m"}
    headers = {key.lower(): value for key, value in answer["headers"].items()}
    if answer["status"] >= 400:
        return classify(answer["status"], body, headers, now=0.0, **names)
    kind = headers.get("content-type", "")
    try:
        if body.startswith(b"data:") or (record["stream"] and "json" not in kind and "html" not in kind):
            return read_stream(body)
        return decode(parse_json(body), request_id=None, **names)
    except ProviderError as error:
        return error
    except ValueError:
        return ProviderError(ErrorCode.PROTOCOL_ERROR, "no JSON")


def read_stream(body: bytes) -> CompletionResponse:
    lines, decoder = SSEDecoder(), ChatStreamDecoder("p", "m", None)
    pieces = []
    for start in range(0, len(body), 1009):  # cuts that fall anywhere
        pieces += lines.feed(body[start : start + 1009])
    for event in [*pieces, *lines.flush()]:
        decoder.feed(event)
    decoder.finish()
    return decoder.response()


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
    # A refusal is given as text, and a call of the old `functions` field as a tool call; the SDK has other fields.
    refused = got.finish_reason == "content_filter" and not expected["text"]
    legacy = expected["finish_reason_raw"] == "function_call" and not expected["tool_calls"]
    if got.text != (expected["text"] or "") and not refused:
        found.append("text")
    if "".join(part.text for part in got.thinking) != (expected["thinking"] or ""):
        found.append("thinking")
    wanted_calls = [(call["name"], arguments(call["arguments"])) for call in expected["tool_calls"] or ()]
    if [(call.name, arguments(call.raw_arguments)) for call in got.tool_calls] != wanted_calls and not legacy:
        found.append("tool calls")
    if (got.raw_finish_reason or None) != (expected["finish_reason_raw"] or None):
        found.append("finish reason")
    if expected["model"] and got.model != expected["model"]:
        found.append("model")
    return found + usage_differences(expected["usage"] or {}, got.usage)


def arguments(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return value or {}
    try:
        return json.loads(value) or {}
    except ValueError:
        return value


def usage_differences(expected: dict[str, Any], got: Usage) -> list[str]:
    pairs = {
        "input": got.input_tokens,
        "output": got.output_tokens,
        "cache_read": got.cache_read_tokens,
        "reasoning": got.reasoning_tokens,
    }
    found = []
    for key, value in pairs.items():
        wanted = expected.get(key)
        # The recorded readings leave xAI's reasoning outside the output; the unified count has it inside.
        if key == "output" and wanted is not None and value == wanted + (got.reasoning_tokens or 0):
            continue
        if wanted is None and key in ("cache_read", "reasoning"):
            continue  # DeepSeek and Together name them in places that the SDK does not read
        if (value or 0) != (wanted or 0):
            found.append(f"usage.{key}")
    return found


def test_recorded_answers_are_read_as_expected() -> None:
    """At least FLOOR of all recordings give the same text, thinking, calls, finish reason, usage and error."""
    total, wrong, kinds = 0, 0, Counter[str]()
    examples: list[str] = []
    for record in records():
        total += 1
        found = differences(record, read(record))
        if found:
            wrong += 1
            kinds.update(found)
            examples.append(f"{record['vendor']} {record['id']}: {found}")
    assert total > 0
    assert 1 - wrong / total >= FLOOR, f"{wrong} of {total}: {kinds.most_common(12)}\n" + "\n".join(examples[:20])
