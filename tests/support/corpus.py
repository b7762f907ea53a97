"""Recorded vendor traffic, replayed through real sockets and read by our providers: `python -m tests.support.corpus`.

The recordings are not part of this project. Their folder comes from SIGNALBOX_CORPUS, by default `../shared/corpus`.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from providers import CompletionRequest, CompletionResponse, Message, ProviderError, ProviderSettings, Timeout, registry
from providers.base import Provider
from providers.types import Usage
from tests.support.paths import ROOT

FOLDER = Path(os.environ.get("SIGNALBOX_CORPUS") or ROOT.parent / "shared" / "corpus")
PROTOCOLS = ("openai", "openai-responses", "anthropic", "ollama")
FLOOR = 0.999
TENTH = 10
AT_ONCE = 16

# Mismatches in which the reading that the recordings expect is the one at fault, and why.
KNOWN: dict[str, str] = {
    **dict.fromkeys(
        (
            "genai/providers/anthropic/testdata/TestClient/Scoreboard/claude-opus-4-8/GenStream-JSON#0",
            "genai/providers/anthropic/testdata/TestClient/Scoreboard/claude-opus-4-8/GenSync-JSON#0",
            "genai/providers/anthropic/testdata/TestClient/Scoreboard/claude-opus-5_thinking/GenStream-JSON#0",
            "genai/providers/anthropic/testdata/TestClient/Scoreboard/claude-opus-5_thinking/GenSync-JSON#0",
            "genai/providers/anthropic/testdata/TestClient/Scoreboard/claude-sonnet-5_thinking/GenStream-JSON#0",
            "genai/providers/baseten/testdata/TestClient/Scoreboard/openai/gpt-oss-120b_thinking/GenStreamMultiModal-Image-jpg-Inline#0",
            "genai/providers/groq/testdata/TestClient/Scoreboard/groq/compound-mini_thinking/GenStreamMultiModal-Image-jpg-Inline#0",
            "genai/providers/huggingface/testdata/TestClient/Scoreboard/Qwen/Qwen3-4B_thinking/GenStreamMultiModal-Image-jpg-Inline#0",
            "genai/providers/huggingface/testdata/TestClient/Scoreboard/deepseek-ai/DeepSeek-V4-Pro-0813/GenStream-JSONSchema#0",
            "genai/providers/huggingface/testdata/TestClient/Scoreboard/deepseek-ai/DeepSeek-V4-Pro-0813/GenStream-Tools-SquareRoot-1-any#0",
            "genai/providers/huggingface/testdata/TestClient/Scoreboard/meta-llama/Llama-3.1-8B-Instruct/GenStream-JSONSchema#0",
            "genai/providers/huggingface/testdata/TestClient/Scoreboard/meta-llama/Llama-3.1-8B-Instruct/GenStream-Tools-SquareRoot-1-any#0",
            "genai/providers/huggingface/testdata/TestClient/Scoreboard/meta-llama/Llama-3.1-8B-Instruct/GenStreamMultiModal-Image-jpg-Inline#0",
            "genai/providers/mistral/testdata/TestClient/Scoreboard/ministral-14b-2512/GenStreamMultiModal-Audio-aac-Inline#0",
            "genai/providers/openaichat/testdata/TestClient/Scoreboard/gpt-audio/GenStreamMultiModal-Audio-aac-Inline#0",
            "genai/providers/openaichat/testdata/TestClient/Scoreboard/gpt-audio/GenStreamMultiModal-Audio-flac-Inline#0",
            "genai/providers/openaichat/testdata/TestClient/Scoreboard/gpt-audio/GenStreamMultiModal-Video-mp4-Inline#0",
            "mirascope/typescript/tests/e2e/input/cassettes/strict-tool/openai_completions/handles-optional-properties-in-strict-mode#0",
            "pydantic-ai/tests/models/cassettes/test_multimodal_tool_returns/test_multimodal_tool_return_matrix[direct-url-audio-openai_responses]#1",
            "pydantic-ai/tests/models/cassettes/test_multimodal_tool_returns/test_multimodal_tool_return_matrix[direct-url_force_download-audio-openai_responses]#2",
            "pydantic-ai/tests/models/cassettes/test_multimodal_tool_returns/test_multimodal_tool_return_matrix[tool_return_content-url_force_download-audio-openai_responses]#2",
            "req_llm/test/support/fixtures/anthropic/claude_3_5_haiku_20241022/object_basic.json#0",
            "req_llm/test/support/fixtures/anthropic/claude_haiku_4_5_20251001/object_basic.json#0",
            "rig/tests/cassettes/anthropic/strict_schema_limits/seventeen_union_parameters_are_rejected#0",
            "rig/tests/cassettes/anthropic/strict_schema_limits/sixteen_union_parameters_in_one_schema_hit_internal_limit#0",
            "rig/tests/cassettes/anthropic/strict_schema_limits/twenty_one_strict_tools_are_rejected#0",
            "rig/tests/cassettes/deepseek/wire_shape_matrix/blocking_audio_part_reaches_the_wire#0",
            "rig/tests/cassettes/deepseek/wire_shape_matrix/blocking_image_only_message_reaches_the_wire#0",
            "rig/tests/cassettes/deepseek/wire_shape_matrix/blocking_video_part_reaches_the_wire#0",
            "rig/tests/cassettes/llamacpp/multimodal_matrix/video_part_is_refused#0",
            "rig/tests/cassettes/mistral/logprobs_rejection_matrix/blocking_ministral_3b#0",
        ),
        "the words say that this target cannot do it, which another target may; the status says less",
    ),
    **dict.fromkeys(
        (
            "genai/providers/xiaomi/testdata/TestClient/Scoreboard/mimo-v2.5-pro/GenStreamMultiModal-Audio-aac-Inline#0",
            "req_llm/test/support/fixtures/openai/gpt_5_chat_latest/multi_tool#0",
            "req_llm/test/support/fixtures/openai/text_embedding_ada_002/basic#0",
            "req_llm/test/support/fixtures/openrouter/cognitivecomputations_dolphin3_0_mistral_24b/multi_tool#0",
            "req_llm/test/support/fixtures/openrouter/mistralai_mistral_7b_instruct_free/object_streaming#0",
        ),
        "the words say what the model cannot do; it is there",
    ),
    **dict.fromkeys(
        (
            "open_router_enhanced/spec/fixtures/vcr_cassettes/error_handling_concurrent_requests#6",
            "open_router_enhanced/spec/fixtures/vcr_cassettes/error_handling_malformed_responses#0",
            "open_router_enhanced/spec/fixtures/vcr_cassettes/error_handling_model_errors#3",
            "open_router_enhanced/spec/fixtures/vcr_cassettes/error_handling_response_structure#0",
            "open_router_enhanced/spec/fixtures/vcr_cassettes/model_fallback_errors#0",
            "open_router_enhanced/spec/fixtures/vcr_cassettes/streaming_fallback_models#0",
            "req_llm/test/support/fixtures/groq/llama3_70b_8192/basic#0",
            "req_llm/test/support/fixtures/groq/mistral_saba_24b/basic#0",
            "req_llm/test/support/fixtures/groq/qwen_qwq_32b/basic#0",
        ),
        "the words say that the model is missing, which another target mends and a changed request does not",
    ),
    **dict.fromkeys(
        (
            "ruby_llm_community/spec/fixtures/vcr_cassettes/chat_real_error_scenarios_openai_gpt-4_1-nano_handles_context_length_exceeded_errors#0",
        ),
        "one request alone is over the rate: waiting does not help",
    ),
    **dict.fromkeys(
        (
            "genai/providers/openrouter/testdata/TestClient/Scoreboard/qwen/qwen3.5-397b-a17b_thinking/GenSync-Stop#0",
            "req_llm/test/support/fixtures/openrouter/google_gemini_2_5_flash_lite/object_basic.json#0",
        ),
        "the choice carries an error: what it holds besides is no whole answer",
    ),
    "ai/packages/anthropic/src/__fixtures__/anthropic-tool-search-regex.1.chunks#0": (
        "two answers in one recording, mixed in the expected reading: an answer ends with its message_stop"
    ),
}

Outcome = CompletionResponse | ProviderError


class Score(NamedTuple):
    protocol: str
    total: int
    wrong: dict[str, list[str]]  # by id: what differs

    @property
    def share(self) -> float:
        """How many are read as they should be; a known fault of an expectation is none of the reading's."""
        return 1 - len(self.wrong.keys() - KNOWN.keys()) / self.total if self.total else 0.0


def records(protocol: str, *, every: int = 1) -> list[dict[str, Any]]:
    """Every n-th recording of a protocol."""
    with gzip.open(FOLDER / f"{protocol}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for number, line in enumerate(lines) if number % every == 0]


# --- replaying


@asynccontextmanager
async def replaying(recorded: list[dict[str, Any]]) -> AsyncIterator[str]:
    """A server that answers a request with the recording that its x-record header names, cut anywhere."""
    tasks: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                fields = dict(line.split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
                await reader.readexactly(int(fields.get("content-length", 0)))
                await _replay(writer, recorded[int(fields["x-record"])], int(fields["x-record"]))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _replay(writer: asyncio.StreamWriter, record: dict[str, Any], seed: int) -> None:
    answer = record["response"]
    body = answer["body"].encode("utf-8", "surrogatepass")
    kept = {
        name: str(value)
        for name, value in answer["headers"].items()
        if name.lower() not in ("content-length", "content-encoding", "transfer-encoding", "connection")
        and "\n" not in str(value)
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in kept.items())
    head = f"HTTP/1.1 {answer['status']} Recorded\r\n{lines}transfer-encoding: chunked\r\n\r\n"
    writer.write(head.encode("latin-1", "replace"))
    for piece in _cut(body, random.Random(seed)):
        writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        await asyncio.sleep(0)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


def _cut(body: bytes, chance: random.Random) -> Iterator[bytes]:
    start = 0
    while start < len(body):
        size = chance.choice((1, 2, 7, 61, 509, 4099))
        yield body[start : start + size]
        start += size


def provider(protocol: str, url: str) -> Provider:
    kind = "openai" if protocol.startswith("openai") else protocol
    options: dict[str, Any] = {"max_retries": 0}
    if protocol.startswith("openai"):
        options["api"] = "responses" if protocol == "openai-responses" else "chat"
    timeout = Timeout(first_token=60, idle=60, total=60)
    settings = ProviderSettings(name="p", kind=kind, base_url=url, options=options, timeout=timeout)
    return registry.create(settings)


async def ask(made: Provider, number: int, record: dict[str, Any]) -> Outcome:
    """What a provider makes of a recording."""
    headers = {"x-record": str(number)}
    request = CompletionRequest(model="m", messages=(Message.user("hi"),), max_tokens=9, extra_headers=headers)
    try:
        if not record["stream"]:
            return await made.complete(request)
        async with made.stream(request) as stream:
            async for _ in stream:
                pass
            return stream.response
    except ProviderError as error:
        return error


async def replay(protocol: str, *, every: int = 1, progress: bool = False) -> Score:
    """Replay every n-th recording of a protocol and compare."""
    recorded = records(protocol, every=every)
    wrong: dict[str, list[str]] = {}
    numbers = iter(range(len(recorded)))
    async with replaying(recorded) as url:
        made = provider(protocol, url)

        async def work() -> None:
            for number in numbers:
                record = recorded[number]
                found = differences(record, await ask(made, number, record))
                if found:
                    wrong[record["id"]] = found
                if progress and number % 50 == 0:
                    print(f"\r{protocol:<17} {number:>5} of {len(recorded)}", end="", file=sys.stderr, flush=True)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())
        await made.aclose()
    if progress:
        print("\r" + " " * 40 + "\r", end="", file=sys.stderr, flush=True)
    return Score(protocol, len(recorded), wrong)


# --- comparing


def differences(record: dict[str, Any], got: Outcome) -> list[str]:
    """In what a reading differs from the expected one; nothing where it does not."""
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
    # The recordings' reading knows no words of `reasoning_details`, in which alone some vendors send them.
    detailed = not expected["thinking"] and "reasoning_details" in record["response"]["body"]
    if "".join(part.text for part in got.thinking) != (expected["thinking"] or "") and not detailed:
        found.append("thinking")
    if not legacy:
        found += _call_differences(expected["tool_calls"] or [], got)
    if (got.raw_finish_reason or None) != (expected["finish_reason_raw"] or None):
        found.append(f"finish reason is {got.raw_finish_reason}, not {expected['finish_reason_raw']}")
    if expected["model"] and got.model != expected["model"]:
        found.append(f"model is {got.model}, not {expected['model']}")
    return found + _usage_differences(expected["usage"] or {}, got.usage)


def _call_differences(expected: list[dict[str, Any]], got: CompletionResponse) -> list[str]:
    if [(call.name, _json(call.raw_arguments)) for call in got.tool_calls] != [
        (call["name"], _json(call["arguments"])) for call in expected
    ]:
        return ["tool calls"]
    ids = zip(expected, got.tool_calls, strict=True)
    return ["tool call ids"] if any(wanted["id"] not in (None, "null", "", call.id) for wanted, call in ids) else []


def _json(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return value or {}
    try:
        return json.loads(value) or {}
    except ValueError:
        return value


def _usage_differences(expected: dict[str, Any], got: Usage) -> list[str]:
    pairs = {
        "input": got.input_tokens,
        "output": got.output_tokens,
        "cache_read": got.cache_read_tokens,
        "cache_write": got.cache_write_tokens,
        "reasoning": got.reasoning_tokens,
    }
    found = []
    for name, value in pairs.items():
        wanted = expected.get(name)
        # The recorded readings leave xAI's reasoning outside the output; the unified count has it inside.
        if name == "output" and wanted is not None and value == wanted + (got.reasoning_tokens or 0):
            continue
        if wanted is None and name in ("cache_read", "cache_write", "reasoning"):
            continue  # some vendors name them in places that the SDK does not read
        if (value or 0) != (wanted or 0):
            found.append(f"usage.{name} is {value}, not {wanted}")
    return found


def main() -> int:
    """Replay everything and print the score; 1 when a mismatch has no known reason."""
    if not FOLDER.is_dir():
        print(f"{FOLDER}: the recordings are not here; name their folder in SIGNALBOX_CORPUS")
        return 2
    failed = 0
    for protocol in PROTOCOLS:
        score = asyncio.run(replay(protocol, progress=sys.stderr.isatty()))
        unknown = {name: found for name, found in score.wrong.items() if name not in KNOWN}
        print(f"{protocol:<17} {score.total:>5} replayed  {score.share:8.3%} as expected  {len(unknown)} unexplained")
        for name, found in score.wrong.items():
            print(f"    {name}: {'; '.join(found)}{'  - ' + KNOWN[name] if name in KNOWN else ''}")
        for kind, count in Counter(text.split()[0] for found in unknown.values() for text in found).most_common():
            print(f"    {count:>5}  {kind}")
        failed += len(unknown)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
