"""OpenAI's Responses API, the server's side, stateless: nothing is stored, every request brings its conversation.

Protocol: https://platform.openai.com/docs/api-reference/responses and its streaming guide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from providers import coerce
from providers.accumulate import parse_arguments
from providers.answer_parts import Other
from providers.errors import ErrorCode, ProviderError
from providers.types import (
    AudioPart,
    Citation,
    CompletionRequest,
    CompletionResponse,
    TextPart,
    ThinkingPart,
    TokenLogprob,
    ToolCall,
)
from providers.wire import openai_chat
from providers.wire.answer_parts import annotation, logprobs, whole_item
from providers.wire.reading import (
    BadRequest,
    Body,
    count,
    effort,
    flag,
    integer,
    mapping,
    number,
    required_text,
    strings,
    text,
    unsupported,
)
from providers.wire.responses_frame import INCOMPLETE, begun, whole_response
from providers.wire.responses_input import read_input
from providers.wire.responses_items import (
    call_item,
    message_item,
    own_id,
    reasoning_id,
    reasoning_item,
    seal_of,
    sealed_item,
)
from providers.wire.responses_tools import ClientTool, chosen_tools, client_tools, offered_tools, server_tools
from providers.wire.writing import Block, BlockWriter, Head, encode, event, filled, template

# What only a server that keeps conversations could answer.
_STORED = ("previous_response_id", "conversation", "background", "prompt")
_LOGPROBS = "message.output_text.logprobs"  # among what is to be included
# Fields with no meaning elsewhere, which are read for their types alone: the answer says some of them again.
_SAID_AGAIN: dict[str, Callable[[Body, str], object]] = {
    **dict.fromkeys(("prompt_cache_key", "safety_identifier", "service_tier", "truncation"), text),
    **dict.fromkeys(("max_tool_calls", "top_logprobs"), integer),
    "store": flag,
}
# Codes of a failed response, where they are not those of error answers: clients send what is invalid never again.
_FAILED = dict.fromkeys(
    (
        ErrorCode.INVALID_REQUEST,
        ErrorCode.UNSUPPORTED,
        ErrorCode.REQUIREMENT_NOT_MET,
        ErrorCode.REQUEST_TOO_LARGE,
        ErrorCode.CONTENT_FILTERED,
    ),
    "invalid_prompt",
)


# --- the request


def read_request(body: Body) -> CompletionRequest:
    """Raises BadRequest on what makes no sense, and on what needs a server that stores conversations.

    What its `include` and `reasoning` ask for is read where other protocols have words for it.
    """
    for name in _STORED:
        if body.get(name):
            raise unsupported("nothing is stored here; send the whole conversation", name)
    for name, read in _SAID_AGAIN.items():
        read(body, name)
    offered = offered_tools(body)
    likely = count(body, "top_logprobs") if body.get("top_logprobs") else None
    reasoning = mapping(body, "reasoning")
    return CompletionRequest(
        model=required_text(body, "model"),
        messages=read_input(body, {tool: name for name, (tool, _) in offered.items()}),
        **chosen_tools(body, offered),
        parallel_tool_calls=flag(body, "parallel_tool_calls"),
        response_format=_format(mapping(body, "text")),
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        max_tokens=count(body, "max_output_tokens"),
        thinking=effort(reasoning.get("effort"), "reasoning.effort"),
        thinking_display="summarized" if reasoning.get("summary") else None,
        logprobs=True if likely or _LOGPROBS in strings(body, "include") else None,
        top_logprobs=likely,
        service_tier=text(body, "service_tier"),
        server_tools=server_tools(body, offered),
        user=text(body, "user"),
        metadata=mapping(body, "metadata") or None,
    )


def wants_stream(body: Body) -> bool:
    return flag(body, "stream") is True


def _format(wanted: Body) -> str | dict[str, Any] | None:
    try:
        return coerce.coerce_response_format(mapping(wanted, "format") or None)
    except BadRequest as error:
        raise error.inside("text") from None
    except ProviderError as error:
        message = f"text.format: {error.message.partition(': ')[2]}"
        raise BadRequest(message, "text.format", code=error.code) from None


# --- the answer


def render_response(
    response: CompletionResponse,
    head: Head,
    *,
    asked: Body | None = None,
    tools: Mapping[str, ClientTool] | None = None,
) -> dict[str, Any]:
    """A plain answer.

    Args:
        asked: the body of the request, of which the answer says much again.
        tools: what `client_tools` said of that body; without it, it is asked.
    """
    known = _known_tools(asked, tools)
    items: list[dict[str, Any]] = []
    for piece in response.parts:
        place = len(items)
        if isinstance(piece, ThinkingPart) and not _is_told(piece):
            continue
        if isinstance(piece, ThinkingPart):
            items.append(sealed_item(reasoning_id(head, place), piece))
        elif isinstance(piece, ToolCall):
            items.append(call_item(head, place, piece, known.get(piece.name)))
        elif isinstance(piece, TextPart):
            told = [annotation(one) for one in piece.citations]
            items.append(
                message_item(own_id("msg", head, place), piece.text, "completed", told, response.logprobs or ())
            )
        elif isinstance(piece, AudioPart) and piece.transcript:
            items.append(message_item(own_id("msg", head, place), piece.transcript, "completed"))
        elif (item := whole_item(piece, own_id("ig", head, place))) is not None:
            items.append(item)
    if items and response.finish_reason in INCOMPLETE and "status" in items[-1]:
        items[-1]["status"] = "incomplete"
    return whole_response(begun(head, asked), items, response.finish_reason, response.usage)


def _is_told(part: ThinkingPart) -> bool:
    return bool(part.text or seal_of(part))


def _known_tools(asked: Body | None, tools: Mapping[str, ClientTool] | None) -> Mapping[str, ClientTool]:
    return client_tools(asked or {}) if tools is None else tools


# What is told of a part of text: its events' name, the index beside the item's, and the name and fields of its frame.
_PARTS: dict[str | int, tuple[str, str, str, dict[str, Any]]] = {
    "text": ("output_text", "content_index", "content_part", {"logprobs": []}),
    "thinking": ("reasoning_summary_text", "summary_index", "reasoning_summary_part", {}),
}


def _part(key: str | int, said: str) -> dict[str, Any]:
    if key == "text":
        return {"type": "output_text", "text": said, "annotations": []}
    return {"type": "summary_text", "text": said}


class ResponsesStreamWriter(BlockWriter):
    """Events of a response. A call of another kind than a function comes in one piece, when it is whole.

    Args:
        asked: the body of the request, of which the answer says much again.
        tools: what `client_tools` said of that body; without it, it is asked.
    """

    def __init__(
        self,
        head: Head,
        thinking: Callable[[], Sequence[ThinkingPart]] = tuple,
        *,
        asked: Body | None = None,
        tools: Mapping[str, ClientTool] | None = None,
    ) -> None:
        super().__init__(head, thinking)
        self._tools = _known_tools(asked, tools)
        self._begun = begun(head, asked)
        self._items: list[dict[str, Any]] = []
        self._ids: dict[int, str] = {}  # of reasoning, by place
        self._number = 0
        self._told: dict[int, list[dict[str, Any]]] = {}  # annotations of texts, by place
        self._tokens: dict[int, list[TokenLogprob]] = {}  # of texts, by place, where it is told how likely they are
        self._start: bytes | None = None  # of a piece's event, up to its number; None where pieces are not sent

    def _event(self, kind: str, **fields: Any) -> bytes:
        self._number += 1
        return event({"type": kind, "sequence_number": self._number - 1, **fields}, kind)

    def _set_pieces(self, kind: str, **fields: Any) -> None:
        before, after = template(
            lambda mark: event({"type": kind, "sequence_number": 0, **fields, "delta": mark}, kind)
        )
        start, numbered, rest = before.partition(b'"sequence_number":')
        self._start, self._template = start + numbered, (rest.removeprefix(b"0"), after)

    def _piece_of(self, text: str) -> bytes:
        if self._start is None:
            return b""
        self._number += 1
        return self._start + str(self._number - 1).encode() + filled(self._template, text)

    def _likely(self, text: str, tokens: Sequence[TokenLogprob]) -> bytes:
        """Of a piece of text that is a token, its event tells; of all, the part and the item at their end."""
        out = self._say(text) if text else b""
        block = self._open
        if block is None or block.key != "text":
            return out
        self._tokens.setdefault(block.place, []).extend(tokens)
        head, found, rest = out.rpartition(b'"logprobs":[]')
        return head + b'"logprobs":' + encode(logprobs(tokens)) + rest if found else out

    def start(self) -> bytes:
        opening = msgspec.Raw(encode(self._begun))  # once for both: a request with many tools makes it large
        created = self._event("response.created", response=opening)
        return created + self._event("response.in_progress", response=opening)

    def _opened(self, block: Block) -> bytes:
        if block.key not in _PARTS:
            return self._opened_call(block)
        kind, index, part, more = _PARTS[block.key]
        if block.key == "thinking":
            self._ids[block.place] = self._next_id(block.place)
        item = self._item(block, "", "in_progress")
        where = {"item_id": item["id"], "output_index": block.place, index: 0}
        self._set_pieces(f"response.{kind}.delta", **where, **more)
        added = self._event("response.output_item.added", output_index=block.place, item=item)
        return added + self._event(f"response.{part}.added", **where, part=_part(block.key, ""))

    def _opened_call(self, block: Block) -> bytes:
        call = ToolCall(block.call_id, block.name, {})
        item = call_item(self.head, block.place, call, self._tools.get(block.name), "in_progress")
        self._start = None
        if item["type"] == "function_call":
            item["arguments"] = ""
            self._set_pieces("response.function_call_arguments.delta", item_id=item["id"], output_index=block.place)
        return self._event("response.output_item.added", output_index=block.place, item=item)

    def _closed(self, block: Block) -> bytes:
        if block.key not in _PARTS:
            return self._closed_call(block)
        kind, index, part, more = _PARTS[block.key]
        item = self._item(block, block.text, self._status)
        where = {"item_id": item["id"], "output_index": block.place, index: 0}
        if block.place in self._tokens:
            more = {"logprobs": logprobs(self._tokens[block.place])}
        out = self._event(f"response.{kind}.done", **where, text=block.text, **more)
        whole = {**_part(block.key, block.text), **(item["content"][0] if item.get("content") else {})}
        out += self._event(f"response.{part}.done", **where, part=whole)
        sealed = self._sealed(block) if block.key == "thinking" else None
        return out + self._item_done(block.place, {**sealed_item("", sealed), "id": item["id"]} if sealed else item)

    def _closed_call(self, block: Block) -> bytes:
        raw = block.text
        call = ToolCall(block.call_id, block.name, parse_arguments(raw), raw)
        item = call_item(self.head, block.place, call, self._tools.get(block.name), self._status)
        where = {"item_id": item["id"], "output_index": block.place}
        out = b""
        if item["type"] == "function_call":
            if not raw:  # the pieces together are the whole, also where the vendor had none
                out = self._piece_of(item["arguments"])
            out += self._event("response.function_call_arguments.done", **where, arguments=item["arguments"])
        elif item["type"] == "custom_tool_call":
            out = self._event("response.custom_tool_call_input.delta", **where, delta=item["input"])
            out += self._event("response.custom_tool_call_input.done", **where, input=item["input"])
        return out + self._item_done(block.place, item)

    def _other(self, part: Other) -> bytes:
        if isinstance(part, Citation):
            block = self._open
            if block is None or block.key != "text":
                return b""
            told = annotation(part)
            self._told.setdefault(block.place, []).append(told)
            where = {"item_id": own_id("msg", self.head, block.place), "output_index": block.place, "content_index": 0}
            number = len(self._told[block.place]) - 1
            return self._event(
                "response.output_text.annotation.added", **where, annotation_index=number, annotation=told
            )
        item = whole_item(part, own_id("ig", self.head, self._places))
        if item is None:
            return super()._other(part)
        out, place = self._close(), self._places
        self._places += 1
        out += self._event("response.output_item.added", output_index=place, item={**item, "status": "in_progress"})
        return out + self._item_done(place, item)

    def _sealed_block(self, part: ThinkingPart) -> bytes:
        if not seal_of(part):
            return b""
        place = self._places
        self._places += 1
        item = sealed_item(reasoning_id(self.head, place), part)
        added = self._event("response.output_item.added", output_index=place, item=item)
        return added + self._item_done(place, item)

    def _item(self, block: Block, said: str, status: str) -> dict[str, Any]:
        if block.key == "text":
            told, tokens = self._told.get(block.place, ()), self._tokens.get(block.place, ())
            return message_item(own_id("msg", self.head, block.place), said, status, told, tokens)
        return reasoning_item(self._ids[block.place], said)

    def _next_id(self, place: int) -> str:
        """The id of the reasoning that begins: its maker's own is known before its end in answers kept whole."""
        parts = [part for part in self._thinking() if part.text]
        mine = parts[len(self._ids) : len(self._ids) + 1]
        return next((sealed_item("", part)["id"] for part in mine), "") or reasoning_id(self.head, place)

    @property
    def _status(self) -> str:
        """Of an item that ends: one that is still open when the answer is cut is cut with it."""
        return "incomplete" if self._finish in INCOMPLETE else "completed"

    def _item_done(self, place: int, item: dict[str, Any]) -> bytes:
        self._items.append(item)
        return self._event("response.output_item.done", output_index=place, item=item)

    def end(self, *, seconds: float | None = None, raw_finish_reason: str | None = None) -> bytes:
        out = self._close_all()
        body = whole_response(self._begun, self._items, self._finish, self._usage)
        if self.cost is not None and body["usage"] is not None:
            body["usage"]["cost"] = self.cost
        return out + self._event(f"response.{body['status']}", response=body)

    def error(self, error: ProviderError) -> bytes:
        fault = openai_chat.error_body(error)["error"]
        message = fault["message"]
        if error.code is ErrorCode.RATE_LIMITED and error.retry_after is not None:
            wait = f"{error.retry_after:.3f}".rstrip("0").rstrip(".")
            message = f"{message} Please try again in {wait}s."  # where Codex reads the wait
        code = _FAILED.get(error.code) or fault["code"] or fault["type"]
        body = whole_response(self._begun, self._items, "error", self._usage)
        return self._event("response.failed", response={**body, "error": {"code": code, "message": message}})


# --- the error

render_error = openai_chat.render_error
