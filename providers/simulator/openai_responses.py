"""OpenAI's Responses API as the simulated vendor speaks it, stateless.

Source: https://platform.openai.com/docs/api-reference/responses and its streaming guide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from providers.simulator.dialect import (
    ANY_OBJECT,
    Answer,
    Ask,
    BadRequest,
    Dialect,
    Frame,
    count,
    encode,
    first,
    flag,
    model_and_messages,
    objects,
    part,
)
from providers.simulator.openai_chat import OpenAIChat


class OpenAIResponses(OpenAIChat):
    chat = "/v1/responses"

    def at(self, path: str) -> Dialect:
        return self

    def ask(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Ask:
        given = body.get("input")
        items = [{"role": "user", "content": given}] if isinstance(given, str) else objects(body, "input")
        if not items:
            raise BadRequest("input: Field required", "input")
        # Calls and results have no role of their own here.
        messages = [{"role": "tool", "content": item.get("output"), **item} for item in items]
        model, messages = model_and_messages({**body, "messages": messages})
        choice = body.get("tool_choice")
        wanted = part(part(body, "text"), "format")
        schema = {"json_object": ANY_OBJECT, "json_schema": wanted.get("schema", ANY_OBJECT)}.get(
            str(wanted.get("type"))
        )
        tools = [(str(tool.get("name")), tool.get("parameters")) for tool in objects(body, "tools")]
        return Ask(
            model=model,
            messages=messages,
            stream=flag(body, "stream", False),
            max_tokens=count(body, "max_output_tokens"),
            tools=[] if choice == "none" else first(tools, part(body, "tool_choice").get("name")),
            forced=choice == "required" or isinstance(choice, dict),
            schema=schema,
        )

    def plain(self, ask: Ask, answer: Answer, ident: str) -> dict[str, Any]:
        length = answer.finish == "length"
        return {
            **self._response(ask, ident, "incomplete" if length else "completed"),
            "incomplete_details": {"reason": "max_output_tokens"} if length else None,
            "output": [self._item(answer, ident, answer.text, "completed")],
            "usage": self._counts(answer),
        }

    def stream(self, ask: Ask, answer: Answer, ident: str) -> Iterator[Frame]:
        number = 0

        def event(kind: str, **fields: Any) -> bytes:
            nonlocal number
            number += 1
            data = encode({"type": kind, "sequence_number": number - 1, **fields})
            return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"

        opening = {**self._response(ask, ident, "in_progress"), "usage": None}
        yield Frame(event("response.created", response=opening), False)
        yield Frame(event("response.in_progress", response=opening), False)
        item = self._item(answer, ident, "", "in_progress")
        yield Frame(event("response.output_item.added", output_index=0, item=item), False)
        place = {"item_id": item["id"], "output_index": 0}
        if answer.tool is None:
            place["content_index"] = 0
            empty = {"type": "output_text", "text": "", "annotations": []}
            yield Frame(event("response.content_part.added", **place, part=empty), False)
        kind = "response.output_text" if answer.tool is None else "response.function_call_arguments"
        more: dict[str, Any] = {"logprobs": []} if answer.tool is None else {}
        for piece in answer.pieces:
            yield Frame(event(f"{kind}.delta", **place, delta=piece, **more), True)
        done = {"arguments": answer.text} if answer.tool is not None else {"text": answer.text, **more}
        yield Frame(event(f"{kind}.done", **place, **done), False)
        whole = self._item(answer, ident, answer.text, "completed")
        if answer.tool is None:
            yield Frame(event("response.content_part.done", **place, part=whole["content"][0]), False)
        yield Frame(event("response.output_item.done", output_index=0, item=whole), False)
        end = self.plain(ask, answer, ident)
        yield Frame(event(f"response.{end['status']}", response=end), False)

    def error_event(self, body: dict[str, Any]) -> bytes:
        data = encode({"type": "error", "sequence_number": 0, **body["error"]})
        return b"event: error\ndata: " + data + b"\n\n"

    def _response(self, ask: Ask, ident: str, status: str) -> dict[str, Any]:
        return {
            "id": f"resp_{ident}",
            "object": "response",
            "created_at": int(datetime.now(UTC).timestamp()),
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "model": ask.model,
            "output": [],
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
        }

    def _item(self, answer: Answer, ident: str, said: str, status: str) -> dict[str, Any]:
        if answer.tool is not None:
            call = {"type": "function_call", "id": f"fc_{ident}", "call_id": f"call_{ident}"}
            return {**call, "name": answer.tool.name, "arguments": said, "status": status}
        content = [{"type": "output_text", "text": said, "annotations": [], "logprobs": []}] if said else []
        return {"type": "message", "id": f"msg_{ident}", "role": "assistant", "status": status, "content": content}

    def _counts(self, answer: Answer) -> dict[str, Any]:
        return {
            "input_tokens": answer.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": answer.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": answer.input_tokens + answer.output_tokens,
        }
