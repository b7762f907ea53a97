"""OpenAI's older completions (`/v1/completions`), the server's side: one prompt, which is asked as one user message.

Protocol: https://platform.openai.com/docs/api-reference/completions. Errors are those of chat completions.
"""

from __future__ import annotations

from typing import Any

from providers.errors import ProviderError
from providers.types import CompletionRequest, CompletionResponse, FinishReason, Message, ToolCallDelta
from providers.wire import openai_chat
from providers.wire.openai_chat import render_error, stops, told_usage, wants_stream, wants_usage
from providers.wire.reading import Body, count, integer, missing, number, required_text, strings, text, unsupported
from providers.wire.writing import Head, StreamWriter, event, filled, template

__all__ = [
    "CompletionStreamWriter",
    "read_request",
    "render_error",
    "render_response",
    "wants_stream",
    "wants_usage",
]

# Tools cannot be offered here, and an answer that calls some has no words for it.
_FINISH: dict[FinishReason, str] = {"length": "length", "content_filter": "content_filter"}


# --- the request


def read_request(body: Body) -> CompletionRequest:
    """Raises BadRequest on what makes no sense, and on what a chat model cannot do."""
    for name in ("n", "best_of"):
        if (count(body, name) or 1) != 1:
            raise unsupported("one answer a request is given; ask several times", name)
    if text(body, "suffix"):
        raise unsupported("a text is continued at its end only", "suffix")
    for name, what in (("echo", "the prompt is not given back"), ("logprobs", "no probabilities are given")):
        if body.get(name):  # 0 and false ask for nothing
            raise unsupported(what, name)
    return CompletionRequest(
        model=required_text(body, "model"),
        messages=(Message("user", _prompt(body)),),
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        max_tokens=count(body, "max_tokens"),
        stop=stops(body),
        seed=integer(body, "seed"),
        presence_penalty=number(body, "presence_penalty"),
        frequency_penalty=number(body, "frequency_penalty"),
        user=text(body, "user"),
    )


def _prompt(body: Body) -> str:
    value = body.get("prompt")
    if isinstance(value, list) and any(isinstance(entry, int | list) for entry in value):
        raise unsupported("a text is expected: tokens mean nothing to other models", "prompt")
    prompts = strings(body, "prompt")
    if len(prompts) > 1:
        raise unsupported("one prompt a request is answered; ask several times", "prompt")
    if not prompts or not prompts[0]:
        raise missing("prompt")
    return prompts[0]


# --- the answer


def render_response(response: CompletionResponse, head: Head) -> dict[str, Any]:
    """A plain answer."""
    choice = _choice(response.text, _finish(response.finish_reason))
    usage = told_usage(response.usage)
    return {**_head(head), "choices": [choice], **({"usage": usage} if usage else {})}


def _head(head: Head) -> dict[str, Any]:
    return {"id": f"cmpl-{head.ident}", "object": "text_completion", "created": int(head.created), "model": head.model}


def _choice(text: str, finish: str | None) -> dict[str, Any]:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}


def _finish(reason: FinishReason) -> str:
    return _FINISH.get(reason, "stop")


class CompletionStreamWriter(StreamWriter):
    """Events of `text_completion`: text alone, for there is no field for thinking.

    Args:
        usage: end with the usage, as `wants_usage` tells; all other chunks then say `usage: null`.
    """

    def __init__(self, head: Head, *, usage: bool = False) -> None:
        super().__init__(head)
        self._wants_usage = usage
        self._same = _head(head)
        self._text = template(self._piece)

    def _piece(self, text: str, finish: str | None = None) -> bytes:
        nothing = {"usage": None} if self._wants_usage else {}
        return event({**self._same, "choices": [_choice(text, finish)], **nothing})

    def start(self) -> bytes:
        return b""

    def _say(self, text: str) -> bytes:
        return filled(self._text, text)

    def _think(self, text: str) -> bytes:
        return b""

    def _call(self, delta: ToolCallDelta) -> bytes:
        return b""

    def end(self, *, seconds: float | None = None, raw_finish_reason: str | None = None) -> bytes:
        out = self._piece("", _finish(self._finish))
        usage = told_usage(self._usage) if self._wants_usage else None
        if usage is not None:
            out += event({**self._same, "choices": [], "usage": usage})
        return out + openai_chat.DONE

    def error(self, error: ProviderError) -> bytes:
        return event(openai_chat.error_body(error))
