"""OpenAI's Responses API, the server's side, stateless: nothing is stored, every request brings its conversation.

Protocol: https://platform.openai.com/docs/api-reference/responses and its streaming guide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from msgspec.structs import replace

from providers import coerce
from providers.accumulate import parse_arguments
from providers.errors import ErrorCode, ProviderError
from providers.types import (
    CompletionRequest,
    CompletionResponse,
    FinishReason,
    Message,
    Struct,
    ThinkingPart,
    Tool,
    ToolCall,
    Usage,
)
from providers.wire import openai_chat
from providers.wire.reading import (
    BadRequest,
    Body,
    about,
    count,
    effort,
    flag,
    mapping,
    missing,
    number,
    objects,
    read_each,
    required_text,
    text,
    unsupported,
)
from providers.wire.writing import Block, BlockWriter, Head, arguments_of, encode, event, filled, template

# What only a server that keeps conversations could answer.
_STORED = ("previous_response_id", "conversation", "background", "prompt")
_NAME_LENGTH = 64
_INPUT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
_SHELL = {
    "type": "object",
    "properties": {
        "command": {"type": "array", "items": {"type": "string"}},
        "working_directory": {"type": "string"},
        "timeout_ms": {"type": "integer"},
    },
    "required": ["command"],
}


class ClientTool(Struct, frozen=True):
    """What the client calls a tool that models see as a plain function."""

    kind: Literal["function", "custom", "local_shell"]
    name: str
    namespace: str | None = None


# --- the request


def read_request(body: Body) -> CompletionRequest:
    """Raises BadRequest on what makes no sense, and on what needs a server that stores conversations.

    Hosted tools (`web_search`, `mcp`, …) are left out: other models answer without them.
    """
    for name in _STORED:
        if body.get(name):
            raise unsupported("nothing is stored here; send the whole conversation", name)
    offered = _offered(body)
    return CompletionRequest(
        model=required_text(body, "model"),
        messages=_messages(body, {tool: name for name, (tool, _) in offered.items()}),
        **_choice(body, offered),
        parallel_tool_calls=flag(body, "parallel_tool_calls"),
        response_format=_format(mapping(body, "text")),
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        max_tokens=count(body, "max_output_tokens"),
        thinking=effort(mapping(body, "reasoning").get("effort"), "reasoning.effort"),
        user=text(body, "user"),
        metadata=mapping(body, "metadata") or None,
    )


def wants_stream(body: Body) -> bool:
    return flag(body, "stream") is True


def client_tools(body: Body) -> dict[str, ClientTool]:
    """What the client calls the tools of its request, by the names that models see; answers are written with it."""
    return {name: tool for name, (tool, _) in _offered(body).items()}


def _format(wanted: Body) -> str | dict[str, Any] | None:
    with about("text"):
        return coerce.coerce_response_format(mapping(wanted, "format") or None)


# --- tools


def _offered(body: Body) -> dict[str, tuple[ClientTool, Tool]]:
    sources = objects(body, "tools")
    if isinstance(body.get("input"), list):  # Codex sends more tools within the conversation
        for item in objects(body, "input"):
            sources = [*sources, *(objects(item, "tools") if item.get("type") == "additional_tools" else ())]
    found: dict[str, tuple[ClientTool, Tool]] = {}
    for place, source in enumerate(sources):
        try:
            _offer(found, source, None)
        except BadRequest as error:
            raise error.inside(f"tools[{place}]") from None
    return found


def _offer(found: dict[str, tuple[ClientTool, Tool]], source: Body, namespace: str | None) -> None:
    kind = source.get("type")
    if kind == "namespace":
        for inner in objects(source, "tools"):
            _offer(found, inner, required_text(source, "name"))
        return
    if kind not in ("function", "custom", "local_shell"):
        return  # hosted
    tool = ClientTool(kind, "local_shell" if kind == "local_shell" else required_text(source, "name"), namespace)
    name = _unique(_joined(tool.name, namespace), found)
    about_it = text(source, "description") or ""
    if kind == "function":
        made = Tool(name, about_it, mapping(source, "parameters"), flag(source, "strict"))
    elif kind == "custom":
        grammar = mapping(source, "format").get("definition")
        made = Tool(name, f"{about_it}\n\nThe input follows this grammar:\n{grammar}" if grammar else about_it, _INPUT)
    else:
        made = Tool(name, "Run a command in a shell, and get its output.", _SHELL)
    found[name] = (tool, made)


def _joined(name: str, namespace: str | None) -> str:
    return (f"{namespace}__{name}" if namespace else name)[:_NAME_LENGTH]


def _unique(name: str, taken: Mapping[str, object]) -> str:
    number, found = 2, name
    while found in taken:
        found = f"{name[: _NAME_LENGTH - 4]}_{number}"
        number += 1
    return found


def _choice(body: Body, offered: Mapping[str, tuple[ClientTool, Tool]]) -> dict[str, Any]:
    """The tools, and which of them may or must be called."""
    tools = tuple(tool for _, tool in offered.values())
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = {_chosen(entry, offered) for entry in objects(choice, "tools")}
        tools = tuple(tool for tool in tools if tool.name in allowed)
        choice = choice.get("mode")
    if isinstance(choice, dict):
        name = _chosen(choice, offered)
        if name is None:
            raise unsupported("the tool is not offered, or hosted by the vendor", "tool_choice")
        return {"tools": tools, "tool_choice": name}
    if choice not in (None, "auto", "none", "required"):
        raise BadRequest("tool_choice: 'auto', 'none', 'required' or a tool is expected", "tool_choice")
    return {"tools": tools, "tool_choice": choice if tools else None}


def _chosen(choice: Body, offered: Mapping[str, tuple[ClientTool, Tool]]) -> str | None:
    kind, wanted = choice.get("type"), choice.get("name", choice.get("type"))
    return next((name for name, (tool, _) in offered.items() if (tool.kind, tool.name) == (kind, wanted)), None)


# --- the conversation


class _Conversation:
    """Items in, messages out: what one answer of the model was in several items is one message again."""

    def __init__(self, names: Mapping[ClientTool, str]) -> None:
        self._names = names
        self.messages: list[Message] = []

    def take(self, item: dict[str, Any]) -> None:
        kind = item.get("type", "message")
        if kind == "message":
            self._message(item)
        elif kind == "reasoning":
            self._extend(thinking=(_thought(item),))
        elif kind in _CALLS:
            self._extend(tool_calls=(_CALLS[kind](item, self._name),))
        elif kind in _OUTPUTS:
            said = item.get("output")
            content = said if isinstance(said, str) else _content(item, "output")
            self.messages.append(Message("tool", content, tool_call_id=required_text(item, "call_id")))
        elif kind == "item_reference":
            raise unsupported("nothing is stored here; send the item itself", "type")
        # All others are traces of what the vendor's own tools did, which mean nothing elsewhere.

    def _message(self, item: Body) -> None:
        role = item.get("role")
        if role not in ("user", "assistant", "system", "developer"):
            raise BadRequest("role: 'user', 'assistant', 'system' or 'developer' is expected", "role")
        said = item.get("content")
        content = said if isinstance(said, str) else _content(item, "content")
        last = self.messages[-1] if self.messages else None
        if role != "assistant" or last is None or last.role != "assistant" or (last.content and not last.tool_calls):
            self.messages.append(Message(role, content))
        elif not last.content:
            self.messages[-1] = replace(last, content=content)
        else:
            self.messages[-1] = replace(last, content=last.text + Message(role, content).text)

    def _extend(self, thinking: tuple[ThinkingPart, ...] = (), tool_calls: tuple[ToolCall, ...] = ()) -> None:
        last = self.messages[-1] if self.messages else None
        is_new = last is None or last.role != "assistant" or bool(thinking and last.content and not last.tool_calls)
        if last is None or is_new:
            self.messages.append(Message("assistant", "", tool_calls, thinking))
        else:
            self.messages[-1] = replace(
                last, tool_calls=last.tool_calls + tool_calls, thinking=last.thinking + thinking
            )

    def _name(self, item: Body, kind: Literal["function", "custom", "local_shell"]) -> str:
        """The name under which models see the tool of a call."""
        name = "local_shell" if kind == "local_shell" else required_text(item, "name")
        namespace = text(item, "namespace")
        return self._names.get(ClientTool(kind, name, namespace)) or _joined(name, namespace)


def _messages(body: Body, names: Mapping[ClientTool, str]) -> tuple[Message, ...]:
    given = body.get("input")
    conversation = _Conversation(names)
    instructions = text(body, "instructions")
    if instructions:
        conversation.messages.append(Message("system", instructions))
    if isinstance(given, str) and given:
        conversation.messages.append(Message("user", given))
    elif given:
        read_each(body, "input", conversation.take)
    else:
        raise missing("input")
    return tuple(conversation.messages)


def _content(item: Body, name: str) -> Any:
    with about(name):
        return coerce.coerce_messages([{"role": "user", "content": item.get(name)}])[0].content


def _thought(item: dict[str, Any]) -> ThinkingPart:
    """Reasoning; what is sealed goes back as it came."""
    parts = [*objects(item, "summary"), *objects(item, "content")]
    said = "".join(text(part, "text") or "" for part in parts)
    return ThinkingPart(said, opaque=item if item.get("encrypted_content") else None)


_Name = Callable[[Body, Literal["function", "custom", "local_shell"]], str]


def _function_call(item: Body, name: _Name) -> ToolCall:
    raw = text(item, "arguments") or ""
    return ToolCall(required_text(item, "call_id"), name(item, "function"), parse_arguments(raw), raw)


def _custom_call(item: Body, name: _Name) -> ToolCall:
    return _made_call(item, name(item, "custom"), {"input": text(item, "input") or ""})


def _shell_call(item: Body, name: _Name) -> ToolCall:
    action = mapping(item, "action")
    return _made_call(item, name(item, "local_shell"), {key: action[key] for key in action if key != "type"})


def _made_call(item: Body, name: str, arguments: dict[str, Any]) -> ToolCall:
    return ToolCall(required_text(item, "call_id"), name, arguments, encode(arguments).decode())


_CALLS: dict[str, Callable[[Body, _Name], ToolCall]] = {
    "function_call": _function_call,
    "custom_tool_call": _custom_call,
    "local_shell_call": _shell_call,
}
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output", "local_shell_call_output"})


# --- the answer


def render_response(
    response: CompletionResponse, head: Head, *, tools: Mapping[str, ClientTool] | None = None
) -> dict[str, Any]:
    """A plain answer; `tools` is what `client_tools` said of the request."""
    items: list[dict[str, Any]] = []
    for part in response.thinking:
        item = _sealed_item(part) or (_reasoning_item(_id("rs", head, len(items)), part.text) if part.text else None)
        items += [item] if item else []
    if response.text:
        items.append(_message_item(_id("msg", head, len(items)), response.text, "completed"))
    for call in response.tool_calls:
        items.append(_call_item(head, len(items), call, (tools or {}).get(call.name)))
    return _response(head, items, response.finish_reason, response.usage)


def _id(kind: str, head: Head, place: int) -> str:
    return f"{kind}_{head.ident}{place:02x}"


def _message_item(item_id: str, said: str, status: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": said, "annotations": [], "logprobs": []}] if said else []
    return {"type": "message", "id": item_id, "role": "assistant", "status": status, "content": content}


def _reasoning_item(item_id: str, said: str) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": said}] if said else []
    return {"type": "reasoning", "id": item_id, "summary": summary}


def _sealed_item(part: ThinkingPart) -> dict[str, Any] | None:
    """Reasoning as its maker sealed it: bound to its own id."""
    is_item = part.opaque is not None and part.opaque.get("type") == "reasoning"
    return part.opaque if is_item else None


def _call_item(head: Head, place: int, call: ToolCall, tool: ClientTool | None, status: str = "completed") -> Any:
    """The item of a call, with the client's own name for the tool."""
    kind = tool.kind if tool else "function"
    if kind == "local_shell":
        action = {"type": "exec", "env": {}, **(call.arguments or {})}
        item_id = _id("lsh", head, place)
        return {"type": "local_shell_call", "id": item_id, "call_id": call.id, "action": action, "status": status}
    item: dict[str, Any] = {"call_id": call.id, "name": tool.name if tool else call.name, "status": status}
    if tool is not None and tool.namespace is not None:
        item["namespace"] = tool.namespace
    if kind == "custom":
        said = str((call.arguments or {}).get("input", ""))
        return {"type": "custom_tool_call", "id": _id("ctc", head, place), **item, "input": said}
    return {"type": "function_call", "id": _id("fc", head, place), **item, "arguments": arguments_of(call)}


def _response(head: Head, items: Sequence[Any], reason: FinishReason, usage: Usage) -> dict[str, Any]:
    """The whole response at its end."""
    body = _begun(head)
    incomplete = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(reason)
    failed = {"code": "server_error", "message": "The answer broke off."} if reason == "error" else None
    return {
        **body,
        "status": "failed" if failed else "incomplete" if incomplete else "completed",
        "error": failed,
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "output": list(items),
        "usage": _usage(usage),
    }


def _begun(head: Head) -> dict[str, Any]:
    return {
        "id": f"resp_{head.ident}",
        "object": "response",
        "created_at": int(head.created),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": head.model,
        "output": [],
        "parallel_tool_calls": True,
        "store": False,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None,
    }


def _usage(usage: Usage) -> dict[str, Any] | None:
    """None where nothing is known; clients take all fields for given, so that an unknown one is told as 0."""
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    given, made = usage.input_tokens or 0, usage.output_tokens or 0
    details: dict[str, Any] = {"cached_tokens": usage.cache_read_tokens or 0}
    if usage.cache_write_tokens is not None:
        details["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "input_tokens": given,
        "input_tokens_details": details,
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": given + made,
    }


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
        tools: what `client_tools` said of the request.
    """

    def __init__(
        self,
        head: Head,
        thinking: Callable[[], Sequence[ThinkingPart]] = tuple,
        *,
        tools: Mapping[str, ClientTool] | None = None,
    ) -> None:
        super().__init__(head, thinking)
        self._tools = tools or {}
        self._items: list[dict[str, Any]] = []
        self._number = 0
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

    def start(self) -> bytes:
        opening = _begun(self.head)
        created = self._event("response.created", response=opening)
        return created + self._event("response.in_progress", response=opening)

    def _opened(self, block: Block) -> bytes:
        if block.key not in _PARTS:
            return self._opened_call(block)
        kind, index, part, more = _PARTS[block.key]
        item = self._item(block, "", "in_progress")
        where = {"item_id": item["id"], "output_index": block.place, index: 0}
        self._set_pieces(f"response.{kind}.delta", **where, **more)
        added = self._event("response.output_item.added", output_index=block.place, item=item)
        return added + self._event(f"response.{part}.added", **where, part=_part(block.key, ""))

    def _opened_call(self, block: Block) -> bytes:
        call = ToolCall(block.call_id, block.name, {})
        item = _call_item(self.head, block.place, call, self._tools.get(block.name), "in_progress")
        self._start = None
        if item["type"] == "function_call":
            item["arguments"] = ""
            self._set_pieces("response.function_call_arguments.delta", item_id=item["id"], output_index=block.place)
        return self._event("response.output_item.added", output_index=block.place, item=item)

    def _closed(self, block: Block) -> bytes:
        if block.key not in _PARTS:
            return self._closed_call(block)
        kind, index, part, more = _PARTS[block.key]
        item = self._item(block, block.text, "completed")
        where = {"item_id": item["id"], "output_index": block.place, index: 0}
        out = self._event(f"response.{kind}.done", **where, text=block.text, **more)
        out += self._event(f"response.{part}.done", **where, part=_part(block.key, block.text))
        sealed = self._sealed(block) if block.key == "thinking" else None
        return out + self._item_done(block.place, (_sealed_item(sealed) if sealed else None) or item)

    def _closed_call(self, block: Block) -> bytes:
        raw = block.text
        call = ToolCall(block.call_id, block.name, parse_arguments(raw), raw)
        item = _call_item(self.head, block.place, call, self._tools.get(block.name))
        where = {"item_id": item["id"], "output_index": block.place}
        out = b""
        if item["type"] == "function_call":
            out = self._event("response.function_call_arguments.done", **where, arguments=item["arguments"])
        elif item["type"] == "custom_tool_call":
            out = self._event("response.custom_tool_call_input.delta", **where, delta=item["input"])
            out += self._event("response.custom_tool_call_input.done", **where, input=item["input"])
        return out + self._item_done(block.place, item)

    def _sealed_block(self, part: ThinkingPart) -> bytes:
        item = _sealed_item(part)
        if item is None:
            return b""
        place = self._places
        self._places += 1
        added = self._event("response.output_item.added", output_index=place, item=item)
        return added + self._item_done(place, item)

    def _item(self, block: Block, said: str, status: str) -> dict[str, Any]:
        if block.key == "text":
            return _message_item(_id("msg", self.head, block.place), said, status)
        return _reasoning_item(_id("rs", self.head, block.place), said)

    def _item_done(self, place: int, item: dict[str, Any]) -> bytes:
        self._items.append(item)
        return self._event("response.output_item.done", output_index=place, item=item)

    def end(self, *, seconds: float | None = None) -> bytes:
        out = self._close_all()
        body = _response(self.head, self._items, self._finish, self._usage)
        return out + self._event(f"response.{body['status']}", response=body)

    def error(self, error: ProviderError) -> bytes:
        fault = openai_chat.error_body(error)["error"]
        message = fault["message"]
        if error.code is ErrorCode.RATE_LIMITED and error.retry_after is not None:
            message = f"{message} Please try again in {error.retry_after:g}s."  # where Codex reads the wait
        told = {"code": fault["code"] or fault["type"], "message": message}
        body = {**_begun(self.head), "status": "failed", "error": told, "output": self._items}
        return self._event("response.failed", response=body)


# --- the error

render_error = openai_chat.render_error
