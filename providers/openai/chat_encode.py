"""A request as the JSON body of POST /chat/completions."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from providers.errors import ErrorCode, ProviderError
from providers.lenient_json import OF_GOOGLE, OF_LITELLM
from providers.openai.cache_marks import cache_fields, mark
from providers.openai.chat_pieces import DETAILS
from providers.openai.dialects import Dialect, chat_effort, thinking_fields
from providers.openai.models import (
    HINTS,
    JSON_WORD,
    check,
    effort_word,
    left_out,
    limit_field,
    plain_only,
    system_role,
    wants_json_said,
)
from providers.openai.more_fields import add_more
from providers.openai.parts import check_said, content_of, result_of, said_beside, said_of, takes_marks
from providers.parts import asks_more, check_kept
from providers.prompt_cache import is_on
from providers.surrogates import encode_json
from providers.turns import CallIds, family, made_by, made_by_family, thoughts_of
from providers.types import (
    CompletionRequest,
    Message,
    Tool,
    ToolCall,
    effort_of,
)

_NOT_IN_NAMES = re.compile(r"[\s<|\\/>]+")  # what OpenAI refuses in the name of who speaks


def encode(
    request: CompletionRequest, dialect: Dialect, *, stream: bool, provider: str | None = None
) -> dict[str, Any]:
    """The body to send. None fields are left out; `extra_body` is merged last and wins.

    Args:
        provider: whose reasoning is sent back; None takes that of any provider with the same model.

    Raises:
        ProviderError: UNSUPPORTED when this dialect or model cannot carry the request.
    """
    if request.stop or request.tools or request.response_format is not None:
        check(request, dialect)
    body: dict[str, Any] = {"model": request.model, "messages": _messages(request, dialect, provider)}
    _add_hints(body, request, dialect)
    body |= dialect.always
    if request.tools:
        _add_tools(body, request, dialect)
    if request.response_format is not None:
        body["response_format"] = _response_format(request, dialect)
    _add_thinking(body, request, dialect)
    if asks_more(request):
        add_more(body, request, dialect, stream=stream)
    if dialect.thinking == "enable_thinking":
        body.update(plain_only(request, dialect, stream=stream))
    if dialect.cache_key:
        body.update(cache_fields(request, dialect, by_header=dialect.cache_header is not None))
    if request.prompt_cache is not None and is_on(request.prompt_cache) and takes_marks(dialect):
        mark(body["messages"], request, dialect)
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
        if dialect.obfuscation:  # padding against eavesdroppers that guess by length; costs bytes
            body["stream_options"]["include_obfuscation"] = False
    return _sendable(body, request, dialect)


def _sendable(body: dict[str, Any], request: CompletionRequest, dialect: Dialect) -> dict[str, Any]:
    """The body without what is not said here, and with what is the caller's own; it is changed."""
    if len(body) > 2:  # more than a model and its messages
        if None in body.values() or not dialect.never.isdisjoint(body):  # as in few
            body = {key: value for key, value in body.items() if value is not None and key not in dialect.never}
        if not HINTS.isdisjoint(body):
            for key in left_out(request, dialect):
                body.pop(key, None)
    return {**body, **request.extra_body} if request.extra_body else body


def _add_hints(body: dict[str, Any], request: CompletionRequest, dialect: Dialect) -> None:
    """Write the fields that take one value each; most requests have few of them."""
    if request.temperature is not None:  # at most what the vendor takes, where others go to 2
        body["temperature"] = min(request.temperature, dialect.most_temperature)
    if request.top_p is not None:
        body["top_p"] = request.top_p
    if request.max_tokens is not None:
        body[limit_field(request.model, dialect)] = request.max_tokens
    if request.stop:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        body[dialect.seed] = request.seed
    if request.presence_penalty is not None:
        body["presence_penalty"] = request.presence_penalty
    if request.frequency_penalty is not None:
        body["frequency_penalty"] = request.frequency_penalty
    if request.user is not None:
        body["user"] = request.user
    if request.metadata is not None and dialect.openai_models:
        body["metadata"] = request.metadata


def _add_tools(body: dict[str, Any], request: CompletionRequest, dialect: Dialect) -> None:
    if request.tool_choice == "none" and "tool_choice" in dialect.never:
        return  # tool_choice and parallel_tool_calls without tools are refused
    body["tools"] = [_tool(tool) for tool in request.tools]
    body["parallel_tool_calls"] = request.parallel_tool_calls
    choice = request.tool_choice
    if choice == "required":
        body["tool_choice"] = dialect.required
    elif choice in (None, "auto", "none"):
        body["tool_choice"] = choice
    elif not dialect.named_choice:  # to have to call the only one there is comes to the same
        body["tools"] = [tool for tool in body["tools"] if tool["function"]["name"] == choice]
        body["tool_choice"] = "required"
    else:
        body["tool_choice"] = {"type": "function", "function": {"name": choice}}


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _response_format(request: CompletionRequest, dialect: Dialect) -> dict[str, Any]:
    wanted = request.response_format
    if not isinstance(wanted, dict):
        if not dialect.json_object:
            raise ProviderError(
                ErrorCode.UNSUPPORTED, f"{dialect.name} takes JSON with a schema only", model=request.model
            )
        return {"type": "json_object"}
    if not dialect.json_schema:
        raise ProviderError(
            ErrorCode.UNSUPPORTED, f"{dialect.name} takes no JSON schema, only JSON", model=request.model
        )
    return {"type": "json_schema", "json_schema": {"name": "answer", **wanted}}


def _add_thinking(body: dict[str, Any], request: CompletionRequest, dialect: Dialect) -> None:
    asked = request.thinking
    if dialect.openai_models:
        effort = None if asked is None else effort_of(asked)
        body["reasoning_effort"] = chat_effort(request.model, effort, tools=bool(request.tools))
    elif asked is not None:
        fields = thinking_fields(dialect, asked, request.model)
        if "reasoning_effort" in fields:
            fields["reasoning_effort"] = effort_word(request.model, dialect, fields["reasoning_effort"])
        body.update(fields)


def _messages(request: CompletionRequest, dialect: Dialect, provider: str | None) -> list[dict[str, Any]]:
    ids = CallIds(_short_id if dialect.short_ids else long_id)
    messages: list[dict[str, Any]] = []
    if request.response_format is not None and wants_json_said(request, dialect):
        messages.append({"role": "system", "content": JSON_WORD})
    media: list[dict[str, Any]] = []  # of the tool results so far, which have to stand together
    called: dict[str, str] = {}
    for message in request.messages:
        if message.tool_calls:
            called.update((call.id, call.name) for call in message.tool_calls)
        if message.role == "tool":
            content, more = result_of(message, request.model, dialect)
            media += more
            # The protocol has no flag for a failed tool: the caller's text is all that tells.
            call_id = ids.of_result(message.tool_call_id or "")
            result = {"role": "tool", "tool_call_id": call_id, "content": content}
            if dialect.call_signatures and message.tool_call_id in called:  # Gemini knows results by their names
                result["name"] = called[message.tool_call_id]
            messages.append(result)
            continue
        if media:
            messages.append({"role": "user", "content": media})
            media = []
        out = _message(message, request.model, dialect, provider, ids)
        if message.role != "assistant" or dialect.empty_turns or len(out) > 2 or out.get("content"):
            messages.append(out)
    if media:
        messages.append({"role": "user", "content": media})
    if dialect.prefill is not None and messages and messages[-1]["role"] == "assistant":
        messages[-1][dialect.prefill] = True
    if called and (dialect.short_ids or family(request.model) == "mistral"):
        return _results_taken_note_of(messages)
    return messages


def _message(message: Message, model: str, dialect: Dialect, provider: str | None, ids: CallIds) -> dict[str, Any]:
    role: str = message.role
    if role in ("system", "developer"):
        check_said(message, model)
        role = system_role(model, dialect, role)
    out: dict[str, Any] = {"role": role}
    if message.name is not None and dialect.named:
        out["name"] = _NOT_IN_NAMES.sub("_", message.name)
    if isinstance(message.content, str):
        out["content"] = message.content
    elif message.role == "assistant":
        out["content"] = said_of(message, model, dialect, provider)
        out.update(said_beside(message, provider, dialect))
    else:
        check_kept(message.content, model, provider)
        out["content"] = content_of(message, model, dialect)
    if message.role != "assistant":
        return out
    if message.tool_calls:
        if not out["content"]:
            out["content"] = None
            if not dialect.null_content:
                del out["content"]
        out["tool_calls"] = _tool_calls(message, model, dialect, provider, ids)
    _send_thinking_back(out, message, model, dialect, provider)
    if message.tool_calls and (dialect.call_signatures or _is_asked_for(model, dialect, "gemini-")):
        _sign(out["tool_calls"], model)
    return out


def _results_taken_note_of(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mistral's models want to speak between a tool's result and what a user says, else the request is refused."""
    found: list[dict[str, Any]] = []
    for message in messages:
        if found and found[-1]["role"] == "tool" and message["role"] not in ("tool", "assistant"):
            found.append({"role": "assistant", "content": "OK."})
        found.append(message)
    return found


def _tool_calls(
    message: Message, model: str, dialect: Dialect, provider: str | None, ids: CallIds
) -> list[dict[str, Any]]:
    calls = message.tool_calls
    # Its own ids a server gets back as they are, some keep in them what they have to know again. Whoever the maker of
    # others is: OpenAI refuses long ones.
    own = message.origin == provider if message.origin else not dialect.openai_models
    sent = ids.of_calls(calls, keep=own and not dialect.short_ids)
    found = [_tool_call(call, call_id) for call, call_id in zip(calls, sent, strict=True)]
    for call, entry in zip(calls, found, strict=True):
        if call.opaque and _goes_back(call, model, dialect, provider):
            entry.update(call.opaque)
    return found


def _goes_back(call: ToolCall, model: str, dialect: Dialect, provider: str | None) -> bool:
    """Whether this is who made a call's opaque fields; those of unknown origin go where such fields are known."""
    if call.origin is None:
        return dialect.call_signatures or dialect.name == "generic"
    return made_by(call.origin, provider, model)


def _tool_call(call: ToolCall, call_id: str) -> dict[str, Any]:
    # The model's own text goes back unchanged: it keeps the vendor's prompt cache warm, and a malformed one tells the
    # model what it did.
    raw = call.raw_arguments or encode_json(call.arguments or {}).decode()
    return {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": raw}}


def long_id(call_id: str) -> str:
    """OpenAI takes ids of at most 40 characters; longer ones of other vendors are renamed, always alike."""
    return (
        call_id
        if len(call_id) <= 40
        else "call_" + hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    )


def _short_id(call_id: str) -> str:
    """Mistral takes ids of exactly nine letters and digits; those of other vendors are renamed, always alike."""
    if len(call_id) == 9 and call_id.isascii() and call_id.isalnum():
        return call_id
    return _digest(call_id)[:9]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _send_thinking_back(
    out: dict[str, Any], message: Message, model: str, dialect: Dialect, provider: str | None
) -> None:
    """Reasoning goes back only to its maker; another model would imitate it, or refuse what it has not signed."""
    thoughts = thoughts_of(message)
    needed = dialect.thinking_needed or _is_asked_for(model, dialect, _NEEDING)
    if not thoughts and not needed:
        return
    # Dicts that an app kept in OpenAI's shape do not tell whose reasoning they hold: it goes where it is demanded, and
    # to servers of which nothing is known, which are asked in the app's own words.
    unknown = needed or dialect.name == "generic"
    text = ""
    field = dialect.thinking_back
    kin = made_by if field == "content" else made_by_family
    for part in thoughts:
        own = made_by(part.origin, provider, model)
        if part.opaque and (own or part.origin is None):
            _send_opaque_back(out, part.opaque, dialect, own=own)
        if own or (unknown if part.origin is None else kin(part.origin, provider, model)):
            text += part.text
            if field == "as_it_came" and part.opaque:
                field = part.opaque.get("field", field)
    if field == "content":
        _add_to_content(out, text)
    elif field is not None and field not in out and (text or (needed and message.tool_calls)):
        out["reasoning_content" if field in ("as_it_came", DETAILS) else field] = text or " "


_NEEDING = ("kimi-", "deepseek-", "mimo-")


def _is_asked_for(model: str, dialect: Dialect, names: str | tuple[str, ...]) -> bool:
    """Whether an unknown server is asked for a model by its maker's name: behind a gateway its demands are the same."""
    return dialect.name == "generic" and model.startswith(names) and "/" not in model


def _add_to_content(out: dict[str, Any], text: str) -> None:
    """Mistral's form: parts of the content."""
    if text:
        said = out.get("content")
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
        parts = said if isinstance(said, list) else [{"type": "text", "text": said}] if said else []
        out["content"] = [thought, *parts]


def _send_opaque_back(out: dict[str, Any], opaque: dict[str, Any], dialect: Dialect, *, own: bool) -> None:
    """What `decode` kept: reasoning_details and Claude's blocks. Of unknown origin they go where such are known."""
    for field in ("reasoning_details", "thinking_blocks", "reasoning_opaque"):
        if opaque.get(field) and (own or dialect.details):
            out[field] = opaque[field]


# What Google's documentation on thought signatures says to send with calls that no Gemini made.
_DUMMY = {"google": {"thought_signature": "skip_thought_signature_validator"}}


def _sign(calls: list[dict[str, Any]], model: str) -> None:
    """Gemini 3 and later refuse a turn of calls whose first is not signed; the others of the turn have none."""
    older = model.rpartition("/")[2].startswith(("gemini-1", "gemini-2", "gemma"))
    if not older and not any(OF_GOOGLE in call or OF_LITELLM in call for call in calls):
        calls[0][OF_GOOGLE] = _DUMMY
