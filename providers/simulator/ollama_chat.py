"""Ollama's chat as the simulated vendor speaks it.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md and the server's routes.
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
    encode,
    flag,
    function_tools,
    model_and_messages,
    part,
)
from providers.simulator.vendor import ErrorKind

# kind: status, message
ERRORS: dict[ErrorKind, tuple[int, str]] = {
    "server_error": (500, "an error was encountered while running the model"),
    "bad_gateway": (502, "cloud model is unreachable"),
    "overloaded": (503, "server busy, please try again.  maximum pending requests exceeded"),
    "timeout504": (504, "timed out waiting for the model to load"),
    "rate_limited": (429, "too many requests, rate limit reached"),
    "quota": (402, "you have used up your cloud quota"),
    "authentication": (401, "unauthorized"),
    "permission": (403, "this model requires a subscription"),
    "model_not_found": (404, "model '{model}' not found"),
    "context_length": (400, "the input length exceeds the context length"),
    "content_filtered": (400, "prompt blocked by content filter"),
    "invalid_request": (400, "invalid think value"),
}
MODELS = ("llama3.2:3b", "qwen3:8b")
NANOSECONDS_PER_TOKEN = 16_000_000


class OllamaChat(Dialect):
    base = ""
    chat = "/api/chat"
    stream_type = "application/x-ndjson"

    def ask(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Ask:
        model, messages = model_and_messages(body, or_none=True)
        limit = part(body, "options").get("num_predict")
        # The vendor answers a wrong type of an option with 500; anything else than a limit is none here.
        limit = limit if isinstance(limit, int) and limit > 0 else None
        wanted = body.get("format") or None
        return Ask(
            model=model,
            messages=messages,
            stream=flag(body, "stream", True),
            max_tokens=limit,
            tools=function_tools(body),
            forced=False,
            schema=ANY_OBJECT if wanted == "json" else wanted,
        )

    def plain(self, ask: Ask, answer: Answer, ident: str) -> dict[str, Any]:
        if not ask.messages:
            return self._loaded(ask)
        said = _call(answer, ident) if answer.tool is not None else {"content": answer.text}
        return self._line(ask, said) | self._end(answer)

    def stream(self, ask: Ask, answer: Answer, ident: str) -> Iterator[Frame]:
        if not ask.messages:
            yield Frame(encode(self._loaded(ask)) + b"\n", False)
            return
        if answer.tool is not None:  # tool calls come whole
            yield Frame(encode(self._line(ask, _call(answer, ident))) + b"\n", True)
        else:
            for piece in answer.pieces:
                yield Frame(encode(self._line(ask, {"content": piece})) + b"\n", True)
        yield Frame(encode(self._line(ask, {"content": ""}) | self._end(answer)) + b"\n", False)

    def error(self, kind: ErrorKind, ident: str, model: str) -> tuple[int, dict[str, Any]]:
        status, message = ERRORS[kind]
        return status, {"error": message.replace("{model}", model)}

    def bad_request(self, error: BadRequest, ident: str) -> dict[str, Any]:
        missing = error.message.endswith("Field required")
        return {"error": f"{error.param} is required" if missing else error.message}

    def not_found(self, method: str, path: str, ident: str) -> dict[str, Any]:
        return {"error": f"path {path!r} not found"}

    def error_event(self, body: dict[str, Any]) -> bytes:
        return encode(body) + b"\n"

    def headers(self, ident: str, in_flight: int) -> dict[str, str]:
        return {}  # the vendor sends neither ids nor limits

    def other(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        if (method, path) == ("GET", "/api/version"):
            return {"version": "0.12.6"}
        if (method, path) != ("GET", "/api/tags"):
            return None
        modified = "2026-01-31T12:00:00Z"
        listed = [{"name": name, "model": name, "modified_at": modified, "size": 2_019_393_189} for name in MODELS]
        return {"models": listed}

    def _line(self, ask: Ask, said: dict[str, Any]) -> dict[str, Any]:
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "model": ask.model,
            "created_at": created,
            "message": {"role": "assistant", **said},
            "done": False,
        }

    def _loaded(self, ask: Ask) -> dict[str, Any]:
        return self._line(ask, {"content": ""}) | {"done": True, "done_reason": "load"}

    def _end(self, answer: Answer) -> dict[str, Any]:
        evaluation = answer.output_tokens * NANOSECONDS_PER_TOKEN
        return {
            "done": True,
            "done_reason": "length" if answer.finish == "length" else "stop",
            "total_duration": evaluation + 150_000_000,
            "load_duration": 100_000_000,
            "prompt_eval_count": answer.input_tokens,
            "prompt_eval_duration": 50_000_000,
            "eval_count": answer.output_tokens,
            "eval_duration": evaluation,
        }


def _call(answer: Answer, ident: str) -> dict[str, Any]:
    if answer.tool is None:
        return {"content": answer.text}
    function = {"index": 0, "name": answer.tool.name, "arguments": answer.tool.arguments}
    return {"content": "", "tool_calls": [{"id": f"call_{ident[:8]}", "function": function}]}
