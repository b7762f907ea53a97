"""OpenAI's Responses protocol, answers and streams in. No input or output happens here.

Protocol: the types of the openai package 3.54 (`openai.types.responses`); of its some sixty events those that carry
content or an end are read, all others are skipped.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.answer_parts import read_logprobs
from providers.classify import classify_payload, error_in
from providers.errors import ErrorCode, ProviderError
from providers.events import read_event
from providers.lenient_json import as_dict, as_list, as_str
from providers.openai.responses_answer import Answer
from providers.transport.lines import SSEEvent
from providers.types import (
    CompletionResponse,
    StreamChunk,
)

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.done"})
# The kind of item that a piece of each event belongs to.
_PIECES = {
    "response.output_text.delta": "message",
    "response.refusal.delta": "message",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
    "response.function_call_arguments.delta": "function_call",
    "response.custom_tool_call_input.delta": "custom_tool_call",
}
# Events that say again, whole, what the deltas said: the kind of item, and their field.
_WHOLES = {
    "response.output_text.done": ("message", "text"),
    "response.refusal.done": ("message", "refusal"),
    "response.function_call_arguments.done": ("function_call", "arguments"),
    "response.custom_tool_call_input.done": ("custom_tool_call", "input"),
}


def decode(body: Any, *, provider: str, model: str, request_id: str | None) -> CompletionResponse:
    """A plain answer.

    Raises:
        ProviderError: the error that the body carries, or PROTOCOL_ERROR when it is no response.
    """
    if error_in(body):
        raise classify_payload(body, provider=provider, model=model)
    if not isinstance(body, dict) or not isinstance(body.get("output"), list):
        raise ProviderError(
            ErrorCode.PROTOCOL_ERROR,
            "the answer has no output, so it is no response",
            provider=provider,
            model=model,
            request_id=request_id,
        )
    answer = Answer(provider, model, request_id)
    for index, item in enumerate(map(as_dict, as_list(body["output"]))):
        answer.whole(answer.open(index, item), item)
    answer.end(body)
    return msgspec.structs.replace(answer.response(), raw=body)


class ResponsesStreamDecoder:
    """Events in, chunks out; one per stream."""

    def __init__(self, provider: str, model: str, request_id: str | None) -> None:
        self._answer = Answer(provider, model, request_id)
        self._complete = False
        self.ended = False  # the event of the end came: what follows is no part of the answer

    def feed(self, event: SSEEvent) -> StreamChunk | None:
        """Take one event; None when it brings nothing to show.

        Raises:
            ProviderError: the error that the event carries, or PROTOCOL_ERROR when it is no JSON object.
        """
        answer = self._answer
        payload = read_event(event, answer.provider, answer.model, answer.request_id)
        if payload is None:
            self.ended = self.ended or event.data.strip() == b"[DONE]"
            return None
        kind = as_str(payload.get("type")) or event.event
        if kind == "error" or (kind is None and payload.get("error")):
            raise self._named(classify_payload(payload, provider=answer.provider, model=answer.model))
        piece = _PIECES.get(kind or "")
        if piece is not None:
            text = as_str(payload.get("delta"))
            if text is None:
                return None
            item = answer.item(piece, payload)
            item.refused = item.refused or kind == "response.refusal.delta"
            if payload.get("logprobs"):
                return self._likely(answer.piece(item, text), payload["logprobs"])
            return answer.piece(item, text)
        if kind in _ENDS:
            self._complete = self.ended = True
            response = as_dict(payload.get("response"))
            answer.end({"status": str(kind).removeprefix("response."), **response})
            rest = answer.rest(response.get("output"))
            return rest if rest.has_content else None
        return self._about_an_item(kind, payload)

    def _likely(self, chunk: StreamChunk | None, raw: object) -> StreamChunk | None:
        found = read_logprobs(raw)
        self._answer.logprobs += found
        return chunk if chunk is None else msgspec.structs.replace(chunk, logprobs=found)

    def _about_an_item(self, kind: str | None, payload: dict[str, Any]) -> StreamChunk | None:
        answer, index = self._answer, payload.get("output_index")
        if kind == "response.output_item.done":
            return answer.end_item(index, as_dict(payload.get("item")))
        if kind == "response.output_item.added":
            return answer.start(index, as_dict(payload.get("item")))
        if kind == "response.created":
            answer.begin(as_dict(payload.get("response")))
        if kind == "response.output_text.annotation.added":
            return answer.cite(answer.item("message", payload), payload.get("annotation"))
        whole = _WHOLES.get(kind or "")
        text = None if whole is None else as_str(payload.get(whole[1]))
        if whole is None or text is None:
            return None
        return answer.repeated(answer.item(whole[0], payload), text)

    @property
    def may_end(self) -> bool:
        """Whether a finish reason came: only counts and the end itself are still due."""
        return self.ended

    def finish(self) -> StreamChunk:
        """The last chunk, at the end of the body.

        Raises:
            ProviderError: STREAM_INTERRUPTED when the response's end was not seen.
        """
        if not self._complete:
            raise self._fault(ErrorCode.STREAM_INTERRUPTED, "the stream ended before the answer was finished")
        answer = self._answer
        calls = answer.calls.finish()
        return StreamChunk(tool_calls=calls, finish_reason=answer.finish_reason(), usage=answer.usage, done=True)

    def response(self) -> CompletionResponse:
        """The answer so far."""
        return self._answer.response()

    def _fault(self, code: ErrorCode, message: str) -> ProviderError:
        return self._named(ProviderError(code, message, provider=self._answer.provider, model=self._answer.model))

    def _named(self, error: ProviderError) -> ProviderError:
        error.request_id = error.request_id or self._answer.request_id
        return error
