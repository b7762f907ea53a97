"""Vendors of OpenAI's chat protocol that refuse what their documentation says they refuse."""

from __future__ import annotations

import itertools
import json
import re
from typing import ClassVar

from tests.support.refusing_vendor import ANSWER, CALLS, SAID, Json, Refused, Vendor, sse, unknown


class Chat(Vendor):
    """What all chat servers check: results follow their calls, ids match, arguments are JSON text."""

    body_fields = ""  # those known; "" takes all
    message_fields = ""

    def fault(self, message: str) -> Refused:
        return Refused(400, {"error": {"message": message, "type": "invalid_request_error", "param": None}})

    def unknown_field(self, place: str, name: str) -> Refused:
        return self.fault(f"Unknown parameter: '{place}{name}'.")

    def check(self, body: Json) -> int:
        if self.body_fields:
            for name in unknown(body, self.body_fields):
                raise self.unknown_field("", name)
        waiting: list[str] = []
        turns = 0
        for place, message in enumerate(body["messages"]):
            if self.message_fields:
                for name in unknown(message, self.message_fields):
                    raise self.unknown_field(f"messages[{place}].", name)
            if message["role"] == "tool":
                if message["tool_call_id"] not in waiting:
                    raise self.fault("messages with role 'tool' must be a response to a preceeding 'tool_calls'.")
                waiting.remove(message["tool_call_id"])
                continue
            if waiting:
                raise self.fault(f"tool_call_ids did not have response messages: {waiting}")
            calls = message.get("tool_calls") or []
            for call in calls:
                if not isinstance(json.loads(call["function"]["arguments"]), dict):
                    raise self.fault("arguments are no JSON object")
                self.check_call(call)
            waiting = [call["id"] for call in calls]
            turns += bool(calls)
            self.check_message(message, place)
        return turns

    def check_call(self, call: Json) -> None:
        for name in unknown(call, "id type function"):
            raise self.unknown_field("messages.tool_calls.", name)

    def check_message(self, message: Json, place: int) -> None:
        pass

    def reasoning(self, text: str) -> Json:
        return {}

    def call_id(self, number: int) -> str | None:
        return f"call_{self.turn:020}{number:04}"

    def calls(self) -> list[Json]:
        found = []
        for number, (name, arguments) in enumerate(CALLS):
            call: Json = {"type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            if (call_id := self.call_id(number)) is not None:
                call["id"] = call_id
            found.append(call)
        return found

    def streamed_calls(self, calls: list[Json]) -> list[Json]:
        """The deltas of the calls."""
        return [{"tool_calls": [{"index": number, **call}]} for number, call in enumerate(calls)]

    def answer(self, *, calls: bool, stream: bool) -> list[bytes]:
        message: Json = {"role": "assistant", "content": SAID if calls else ANSWER}
        if calls:
            message = {**message, **self.reasoning(self.thought(self.turn)), "tool_calls": self.calls()}
        finish = "tool_calls" if calls else "stop"
        whole = {"id": "c1", "object": "chat.completion", "model": self.model}
        if not stream:
            choice = {"index": 0, "message": message, "finish_reason": finish}
            return [json.dumps({**whole, "choices": [choice]}).encode()]
        made = message.pop("tool_calls", [])
        deltas = [message, *self.streamed_calls(made)]
        choices: list[Json] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
        choices.append({"index": 0, "delta": {}, "finish_reason": finish})
        return [*(sse({**whole, "choices": [choice]}) for choice in choices), b"data: [DONE]\n\n"]


class OpenAI(Chat):
    model = "gpt-4.1"
    options: ClassVar[Json] = {"dialect": "openai", "api": "chat"}
    body_fields = "model messages tools tool_choice parallel_tool_calls stream stream_options max_completion_tokens"
    message_fields = "role content name tool_calls tool_call_id refusal"

    def check_call(self, call: Json) -> None:
        super().check_call(call)
        if len(call["id"]) > 40:
            raise self.fault("Invalid 'messages[1].tool_calls[0].id': string too long.")


class DeepSeek(Chat):
    model = "deepseek-chat"
    thinking = "medium"
    options: ClassVar[Json] = {"dialect": "deepseek"}

    def check_message(self, message: Json, place: int) -> None:
        if message.get("tool_calls") and not message.get("reasoning_content"):
            raise self.fault(f"Missing `reasoning_content` field in the assistant message at message index {place}.")

    def reasoning(self, text: str) -> Json:
        return {"reasoning_content": text}


class Moonshot(Chat):
    model = "kimi-k2.6"
    thinking = "medium"
    options: ClassVar[Json] = {"dialect": "moonshot"}

    def check_message(self, message: Json, place: int) -> None:
        if not message.get("tool_calls"):
            if not message.get("content"):
                raise self.fault(f"message at position {place} with role '{message['role']}' must not be empty")
        elif not message.get("reasoning_content"):
            raise self.fault(
                f"thinking is enabled but reasoning_content is missing in assistant tool call message at index {place}"
            )

    def reasoning(self, text: str) -> Json:
        return {"reasoning_content": text}

    def call_id(self, number: int) -> str:
        return f"functions.weather:{2 * self.turn + number}"


class Mistral(Chat):
    model = "mistral-medium-latest"
    thinking = "medium"
    options: ClassVar[Json] = {"dialect": "mistral"}
    body_fields = "model messages tools tool_choice parallel_tool_calls stream max_tokens reasoning_effort"
    message_fields = "role content tool_calls tool_call_id name prefix"

    def fault(self, message: str) -> Refused:
        return Refused(400, {"object": "error", "message": message, "type": "invalid_request_message", "code": "3230"})

    def unknown_field(self, place: str, name: str) -> Refused:
        what = {"type": "extra_forbidden", "loc": ["body", place, name], "msg": "Extra inputs are not permitted"}
        return Refused(422, {"detail": [what]})

    def check(self, body: Json) -> int:
        roles = [message["role"] for message in body["messages"]]
        if "user" in (role for before, role in itertools.pairwise(roles) if before == "tool"):
            raise self.fault("Unexpected role 'user' after role 'tool'")
        return super().check(body)

    def check_call(self, call: Json) -> None:
        super().check_call(call)
        if not re.fullmatch("[a-zA-Z0-9]{9}", call["id"]):
            raise self.fault(f"Tool call id was {call['id']} but must be a-z, A-Z, 0-9, with a length of 9.")

    def check_message(self, message: Json, place: int) -> None:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if part["type"] == "thinking" and not isinstance(part["thinking"], list):
                raise self.unknown_field("thinking", "")

    def reasoning(self, text: str) -> Json:
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
        return {"content": [thought, {"type": "text", "text": SAID}]}

    def call_id(self, number: int) -> str:
        return f"aB{self.turn:03}x{number:03}"


class Gemini(Chat):
    """It gives no ids; of a turn's calls the first is signed, in a stream by a delta of its own."""

    model = "gemini-3-pro-preview"
    thinking = "medium"
    options: ClassVar[Json] = {"dialect": "gemini"}
    body_fields = "model messages tools tool_choice stream stream_options max_tokens reasoning_effort"
    message_fields = "role content tool_calls tool_call_id name"

    def fault(self, message: str) -> Refused:
        return Refused(400, [{"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}])

    def unknown_field(self, place: str, name: str) -> Refused:
        return self.fault(f"Invalid JSON payload received. Unknown name \"{name}\" at '{place}': Cannot find field.")

    def signed(self, turn: int) -> str:
        return f"signed {self.thought(turn)}"

    def check_call(self, call: Json) -> None:
        for name in unknown(call, "id type function extra_content"):
            raise self.unknown_field("messages.tool_calls", name)

    def check_message(self, message: Json, place: int) -> None:
        if not message.get("tool_calls"):
            return
        first = message["tool_calls"][0].get("extra_content", {}).get("google", {}).get("thought_signature")
        if first is None:
            raise self.fault("Function call is missing a thought_signature in functionCall parts.")
        own = {self.signed(turn) for turn in range(self.turn + 1)}
        if first not in {*own, "skip_thought_signature_validator"}:
            raise self.fault("Thought signature is not valid.")

    def call_id(self, number: int) -> None:
        return None

    def calls(self) -> list[Json]:
        first, *others = super().calls()
        return [{**first, "extra_content": {"google": {"thought_signature": self.signed(self.turn)}}}, *others]

    def streamed_calls(self, calls: list[Json]) -> list[Json]:
        if not calls:
            return []
        first, *others = calls
        alone = {"index": 0, "extra_content": first.pop("extra_content")}
        return [{"tool_calls": [call]} for call in ({"index": 0, **first}, alone, *others)]
