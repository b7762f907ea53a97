"""Vendors that refuse what their documentation says they refuse, with their own errors, on loopback."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import ClassVar

from tests.support.refusing_chat_vendors import DeepSeek, Gemini, Mistral, Moonshot, OpenAI
from tests.support.refusing_vendor import ANSWER, CALLS, SAID, Json, Refused, Vendor, sse, unknown


class Responses(Vendor):
    model = "gpt-5.2"
    thinking = "medium"
    options: ClassVar[Json] = {"dialect": "openai", "api": "responses"}
    item_fields: ClassVar[dict[str, str]] = {
        "message": "type role content",
        "reasoning": "type id summary encrypted_content content status",
        "function_call": "type id call_id name arguments status",
        "function_call_output": "type call_id output",
    }

    def fault(self, message: str, code: str | None = None) -> Refused:
        return Refused(400, {"error": {"message": message, "type": "invalid_request_error", "code": code}})

    def check(self, body: Json) -> int:
        items = body["input"]
        calls: list[str] = []
        answered: list[str] = []
        for place, item in enumerate(items):
            kind = item.get("type", "message")
            for name in unknown(item, self.item_fields[kind]):
                raise self.fault(f"Unknown parameter: 'input[{place}].{name}'.", "unknown_parameter")
            if kind == "function_call":
                calls.append(item["call_id"])
                if len(item["call_id"]) > 64:
                    raise self.fault(f"Invalid 'input[{place}].call_id': string too long.", "string_above_max_length")
            elif kind == "function_call_output":
                answered.append(item["call_id"])
                if item["call_id"] not in calls:
                    raise self.fault(f"No tool call found for function call output with call_id {item['call_id']}.")
            elif kind == "reasoning":
                self._check_reasoning(items, place)
        if sorted(calls) != sorted(answered):
            raise self.fault(f"No tool output found for function call {calls}.")
        outputs = [item.get("type") == "function_call_output" for item in items]
        return sum(now and not before for before, now in zip([False, *outputs], outputs, strict=False))

    def _check_reasoning(self, items: list[Json], place: int) -> None:
        """Known again, and right before what it led to."""
        sealed = items[place]["encrypted_content"]
        if not sealed.startswith(f"sealed {self.name} "):
            raise self.fault("The encrypted content could not be verified.", "invalid_encrypted_content")
        follower = items[place + 1].get("type", "message") if place + 1 < len(items) else None
        if follower != ("message" if sealed.endswith("a") else "function_call"):
            raise self.fault(
                f"Item '{items[place]['id']}' of type 'reasoning' was provided without its following item."
            )

    def answer(self, *, calls: bool, stream: bool) -> list[bytes]:
        text = {"type": "output_text", "text": SAID if calls else ANSWER}
        output: list[Json] = [{"type": "message", "id": "msg_1", "role": "assistant", "content": [text]}]
        if calls:
            sealed = f"sealed {self.name} {self.turn}"
            thoughts = [
                {"type": "reasoning", "id": f"rs_{self.turn}{last}", "summary": [], "encrypted_content": sealed + last}
                for last in "ab"
            ]
            asked = [
                {
                    "type": "function_call",
                    "id": f"fc_{self.turn}{number}",
                    "call_id": f"call_{self.turn:020}{number:04}",
                    "name": name,
                    "arguments": json.dumps(arguments),
                }
                for number, (name, arguments) in enumerate(CALLS)
            ]
            output = [thoughts[0], *output, thoughts[1], *asked]
        whole = {"id": "resp_1", "object": "response", "status": "completed", "model": self.model, "output": output}
        if not stream:
            return [json.dumps(whole).encode()]
        events = []
        for index, item in enumerate(output):
            for kind in ("added", "done"):
                name = f"response.output_item.{kind}"
                events.append(sse({"type": name, "output_index": index, "item": item}, name))
        return [*events, sse({"type": "response.completed", "response": whole}, "response.completed")]


class Anthropic(Vendor):
    model = "claude-sonnet-4-5"
    kind = "anthropic"
    thinking = "medium"
    fields = "model max_tokens messages system stop_sequences thinking tools tool_choice stream temperature"

    def fault(self, message: str) -> Refused:
        return Refused(400, {"type": "error", "error": {"type": "invalid_request_error", "message": message}})

    def check(self, body: Json) -> int:
        for name in unknown(body, self.fields):
            raise self.fault(f"{name}: Extra inputs are not permitted")
        waiting: set[str] = set()
        seen: set[str] = set()
        turns = 0
        for place, message in enumerate(body["messages"]):
            content = message["content"]
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            results = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
            if waiting - results:
                raise self.fault(f"messages.{place - 1}: `tool_use` ids were found without `tool_result` blocks")
            if results - waiting:
                raise self.fault(f"messages.{place}: unexpected `tool_use_id` found in `tool_result` blocks")
            for number, block in enumerate(blocks):
                self._check_block(block, f"messages.{place}.content.{number}")
            ids = [block["id"] for block in blocks if block["type"] == "tool_use"]
            if len(set(ids)) < len(ids) or seen & set(ids):
                raise self.fault(f"messages.{place}: `tool_use` ids must be unique")
            seen |= set(ids)
            waiting = set(ids)
            turns += bool(ids)
            last = [each["role"] for each in body["messages"][place:]].count("assistant") == 1
            if last and ids and message["role"] == "assistant" and body.get("thinking", {}).get("type") == "enabled":
                self._check_last(blocks, place)
        return turns

    def _check_block(self, block: Json, place: str) -> None:
        if block["type"] == "text" and not block["text"].strip():
            raise self.fault("messages: text content blocks must be non-empty")
        if block["type"] == "thinking":
            if "signature" not in block:
                raise self.fault(f"{place}.thinking.signature: Field required")
            if block["signature"] != f"signed {block['thinking']}" or not block["thinking"].startswith(self.name):
                raise self.fault(f"{place}: Invalid `signature` in `thinking` block")
        if block["type"] == "tool_use":
            if not re.fullmatch("[a-zA-Z0-9_-]+", block["id"]):
                raise self.fault(f"{place}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
            if not isinstance(block["input"], dict):
                raise self.fault(f"{place}.tool_use.input: Input should be a valid dictionary")

    def _check_last(self, blocks: list[Json], place: int) -> None:
        kinds = [block["type"] for block in blocks]
        if kinds[0] not in ("thinking", "redacted_thinking"):
            raise self.fault(
                f"messages.{place}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{kinds[0]}`."
            )
        if kinds != ["thinking", "text", "thinking", "tool_use", "tool_use"]:
            raise self.fault(f"messages.{place}: `thinking` blocks in the latest assistant message cannot be modified")

    def answer(self, *, calls: bool, stream: bool) -> list[bytes]:
        content: list[Json] = [{"type": "text", "text": SAID if calls else ANSWER}]
        if calls:
            thoughts = [f"{self.thought(self.turn)}{last}" for last in "ab"]
            blocks = [{"type": "thinking", "thinking": each, "signature": f"signed {each}"} for each in thoughts]
            asked = [
                {"type": "tool_use", "id": f"toolu_{self.turn:020}{number:04}", "name": name, "input": arguments}
                for number, (name, arguments) in enumerate(CALLS)
            ]
            content = [blocks[0], *content, blocks[1], *asked]
        usage = {"input_tokens": 1, "output_tokens": 1}
        whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": self.model, "usage": usage}
        stop = "tool_use" if calls else "end_turn"
        if not stream:
            return [json.dumps({**whole, "content": content, "stop_reason": stop}).encode()]
        events: list[Json] = [{"type": "message_start", "message": {**whole, "content": []}}]
        for index, block in enumerate(content):
            events += self._streamed(index, block)
        events.append({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": usage})
        events.append({"type": "message_stop"})
        return [sse(event, event["type"]) for event in events]

    @staticmethod
    def _streamed(index: int, block: Json) -> list[Json]:
        if block["type"] == "text":
            start, deltas = {**block, "text": ""}, [{"type": "text_delta", "text": block["text"]}]
        elif block["type"] == "thinking":
            start = {**block, "thinking": "", "signature": ""}
            deltas = [
                {"type": "thinking_delta", "thinking": block["thinking"]},
                {"type": "signature_delta", "signature": block["signature"]},
            ]
        else:
            text = json.dumps(block["input"])
            start, deltas = {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": text}]
        return [
            {"type": "content_block_start", "index": index, "content_block": start},
            *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": index},
        ]


class Ollama(Vendor):
    model = "qwen3:8b"
    thinking = "medium"
    kind = "ollama"

    def check(self, body: Json) -> int:
        turns = 0
        for message in body["messages"]:
            for field in ("content", "thinking"):
                if not isinstance(message.get(field, ""), str):
                    raise Refused(400, {"error": f"json: cannot unmarshal array into Go struct field {field}"})
            calls = message.get("tool_calls") or []
            for call in calls:
                if not isinstance(call["function"]["arguments"], dict):
                    raise Refused(400, {"error": "json: cannot unmarshal string into Go struct field arguments"})
            turns += bool(calls)
            if message["role"] == "tool" and message.get("tool_name") not in {name for name, _ in CALLS}:
                raise Refused(400, {"error": "a tool result names no tool"})
        return turns

    def answer(self, *, calls: bool, stream: bool) -> list[bytes]:
        message: Json = {"role": "assistant", "content": SAID if calls else ANSWER}
        if calls:
            message["thinking"] = self.thought(self.turn)
            message["tool_calls"] = [
                {
                    "id": f"call_{self.turn:04}{number:04}",
                    "function": {"index": number, "name": name, "arguments": args},
                }
                for number, (name, args) in enumerate(CALLS)
            ]
        whole = {"model": self.model, "message": message, "done": True, "done_reason": "stop"}
        if not stream:
            return [json.dumps(whole).encode()]
        end = {**whole, "message": {"role": "assistant", "content": ""}}
        return [json.dumps(each).encode() + b"\n" for each in ({**whole, "done": False}, end)]


VENDORS: dict[str, Callable[[], Vendor]] = {
    vendor.__name__.lower(): vendor
    for vendor in (OpenAI, Responses, Anthropic, Gemini, DeepSeek, Mistral, Moonshot, Ollama)
}
