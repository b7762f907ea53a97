"""What a Messages client may send: every block that is read, and what is refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from msgspec.structs import replace

from providers.errors import ErrorCode, ProviderError
from providers.types import FilePart, ImagePart, Message, ServerTool, ServerToolPart, TextPart, ThinkingPart, ToolCall
from providers.validation import validate
from providers.wire import anthropic_messages
from providers.wire.reading import BadRequest

PNG = b"\x89PNG\r\n\x1a\n"
PICTURE = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
PDF = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(b"%PDF").decode()}
USER: list[Any] = [{"role": "user", "content": "hi"}]
USE = {"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}}
FOUND = {
    "type": "search_result",
    "source": "https://a.example",
    "title": "A",
    "content": [{"type": "text", "text": "b"}],
}


def read(**fields: Any) -> Any:
    """The request, which makes sense."""
    found = anthropic_messages.read_request({"model": "m", "max_tokens": 9, "messages": USER, **fields})
    validate(found)
    return found


def said(*blocks: object, role: str = "user") -> Any:
    """How a turn of these blocks is read."""
    return read(messages=[{"role": role, "content": list(blocks)}, *USER]).messages[0].content


def result(**fields: Any) -> Any:
    """How a result of a tool is read."""
    answered = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", **fields}]}
    return read(messages=[*USER, {"role": "assistant", "content": [USE]}, answered]).messages[2]


@pytest.mark.parametrize(
    "kind",
    [
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "mcp_tool_use",
        "mcp_tool_result",
    ],
)
def test_what_the_vendors_own_tools_did_is_kept_apart(kind: str) -> None:
    """It is the vendor's alone; what the model said with it anybody can go on from."""
    block = {"type": kind, "id": "x"}
    messages = [*USER, {"role": "assistant", "content": [block, {"type": "text", "text": "a"}]}, *USER]
    found = read(messages=messages).messages[1]
    assert found.content == (ServerToolPart(kind, block), TextPart("a"))
    with pytest.raises(BadRequest):
        read(messages=[{"role": "user", "content": [block]}])


@pytest.mark.parametrize("kind", ["container_upload", "compaction", "made_up"])
def test_blocks_of_the_vendors_own_are_unsupported(kind: str) -> None:
    """Another model cannot go on from them; the vendor itself is asked natively."""
    messages = [
        *USER,
        {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": kind, "id": "x"}]},
        *USER,
    ]
    with pytest.raises(BadRequest) as caught:
        read(messages=messages)
    assert (caught.value.param, caught.value.code) == ("messages[1].content[1].type", ErrorCode.UNSUPPORTED)


@pytest.mark.parametrize(
    ("block", "param", "code"),
    [
        ({"type": "image", "source": {"type": "file"}}, "source.file_id", ErrorCode.INVALID_REQUEST),
        ({"type": "document", "source": {"type": "file"}}, "source.file_id", ErrorCode.INVALID_REQUEST),
        ({"type": "document"}, "source.type", ErrorCode.INVALID_REQUEST),
        (
            {"type": "document", "source": {"type": "content", "content": [{"type": "image", "source": PICTURE}]}},
            "source.content[0].type",
            ErrorCode.UNSUPPORTED,
        ),
        (USE, "type", ErrorCode.INVALID_REQUEST),
        ({"type": "thinking", "thinking": "a", "signature": "b"}, "type", ErrorCode.INVALID_REQUEST),
        (
            {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "thinking", "thinking": "a"}]},
            "content[0].type",
            ErrorCode.INVALID_REQUEST,
        ),
    ],
)
def test_blocks_that_are_refused(block: dict[str, Any], param: str, code: ErrorCode) -> None:
    """What is no block, and what stands in the wrong turn."""
    with pytest.raises(BadRequest) as caught:
        read(messages=[{"role": "user", "content": [block]}])
    assert (caught.value.param, caught.value.code) == (f"messages[0].content[0].{param}", code)


# --- what is read


@pytest.mark.parametrize(
    ("system", "found"),
    [
        (None, ()),
        ("", ()),
        ([], ()),
        ("be brief", (Message("system", "be brief"),)),
        (
            [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            (Message("system", (TextPart("a"), TextPart("b"))),),
        ),
        ("x-anthropic-billing-header: cch=1", ()),
        ("x-anthropic-billing-header: cch=1\nbe brief", (Message("system", "be brief"),)),
    ],
)
def test_the_system(system: object, found: tuple[Message, ...]) -> None:
    """A string or blocks; the line for billing is no part of it."""
    assert read(system=system).messages == (*found, Message("user", "hi"))


def test_a_system_message_at_any_place() -> None:
    """Beside the system's field, in blocks too."""
    messages = [*USER, {"role": "system", "content": [{"type": "text", "text": "now"}]}, *USER]
    assert [message.role for message in read(system="s", messages=messages).messages] == [
        "system",
        "user",
        "system",
        "user",
    ]


@pytest.mark.parametrize(
    ("mark", "kept"),
    [
        (None, False),
        ({"type": "ephemeral"}, True),
        ({"type": "ephemeral", "ttl": "5m"}, "5m"),
        ({"type": "ephemeral", "ttl": "1h"}, "1h"),
    ],
)
def test_marks_of_the_cache_are_kept_for_as_long_as_they_say(mark: object, kept: Any) -> None:
    """Of texts of every role, of what a search found, and of a whole result."""
    block = {"type": "text", "text": "a", "cache_control": mark}
    assert read(system=[block]).messages[0].content == (TextPart("a", cache=kept),)
    assert said(block) == said(block, role="assistant") == (TextPart("a", cache=kept),)
    assert said({**FOUND, "cache_control": mark})[0].cache == kept
    whole = result(content="x", cache_control=mark).content
    assert whole == ((TextPart("x", cache=kept),) if kept else "x")
    parts = [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]
    assert result(content=parts, cache_control=mark).content == (TextPart("x"), TextPart("y", cache=kept))


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        ({}, ""),
        ({"content": None}, ""),
        ({"content": ""}, ""),
        ({"content": []}, ""),
        ({"content": "x"}, "x"),
        ({"content": [{"type": "text", "text": "x"}]}, (TextPart("x"),)),
        ({"content": [{"type": "image", "source": PICTURE}]}, (ImagePart(data=PNG, media_type="image/png"),)),
        ({"content": [{"type": "document", "source": PDF}]}, (FilePart(b"%PDF", "application/pdf"),)),
        ({"content": [FOUND]}, (TextPart("A\nhttps://a.example\nb"),)),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_error", [True, False, None])
def test_results_of_tools_in_every_shape(fields: dict[str, Any], content: object, is_error: bool | None) -> None:
    """Absent, empty, a string, texts, pictures, documents; whether the tool failed is kept."""
    found = result(**fields, is_error=is_error)
    assert found == Message("tool", content, tool_call_id="t1", is_error=is_error is True)  # type: ignore[arg-type]  # as given


def test_documents() -> None:
    """Data, text, and content that is text; a title is a file's name."""
    text = {"type": "text", "media_type": "text/plain", "data": "abc"}
    blocks = {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    found = said(
        {"type": "document", "source": PDF, "title": "a.pdf", "context": "c", "citations": {"enabled": True}},
        {"type": "document", "source": text},
        {"type": "document", "source": {"type": "content", "content": "abc"}, "title": None},
        {"type": "document", "source": blocks, "title": "t"},
    )
    assert found == (
        FilePart(b"%PDF", "application/pdf", "a.pdf", citations=True),
        FilePart(b"abc", "text/plain"),
        FilePart(b"abc", "text/plain"),
        FilePart(b"a\nb", "text/plain", "t"),
    )


def test_thinking_keeps_its_place() -> None:
    """Between texts and calls, as its maker wants it back; sealed thinking too."""
    blocks = [
        {"type": "thinking", "thinking": "one", "signature": "s1"},
        {"type": "text", "text": "four"},
        {"type": "thinking", "thinking": "two", "signature": "s2"},
        USE,
        {"type": "redacted_thinking", "data": "d"},
    ]
    messages = [
        *USER,
        {"role": "assistant", "content": blocks},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1"}]},
    ]
    turn = read(messages=messages).messages[1]
    assert turn.thinking == (
        ThinkingPart("one", "s1"),
        ThinkingPart("two", "s2", after=(4, 0)),
        ThinkingPart("", opaque={"type": "redacted_thinking", "data": "d"}, after=(4, 1)),
    )
    assert turn.tool_calls == (ToolCall("t1", "look", {"a": 1}, '{"a":1}'),)


@pytest.mark.parametrize(
    ("choice", "wanted", "parallel"),
    [
        (None, None, None),
        ({"type": "auto"}, "auto", None),
        ({"type": "any"}, "required", None),
        ({"type": "none"}, "none", None),
        ({"type": "tool", "name": "look"}, "look", None),
        ({"type": "any", "disable_parallel_tool_use": True}, "required", False),
        ({"type": "tool", "name": "look", "disable_parallel_tool_use": True}, "look", False),
        ({"type": "auto", "disable_parallel_tool_use": False}, "auto", True),
    ],
)
def test_every_choice_of_tools(choice: object, wanted: str | None, parallel: bool | None) -> None:
    """And whether there may be several calls at once."""
    found = read(tools=[{"name": "look", "input_schema": {}}], tool_choice=choice)
    assert (found.tool_choice, found.parallel_tool_calls) == (wanted, parallel)


@pytest.mark.parametrize("field", ["output_config", "output_format"])
def test_a_schema_for_the_answer(field: str) -> None:
    """In the field of today, and in that of the first clients that had it."""
    wanted = {"type": "json_schema", "schema": {"type": "object"}}
    found = read(**{field: {"format": wanted} if field == "output_config" else wanted})
    assert found.response_format == {"schema": {"type": "object"}}
    with pytest.raises(BadRequest) as caught:
        read(**{field: {"format": {"type": "json_schema"}} if field == "output_config" else {"type": "json_schema"}})
    assert caught.value.param == ("output_config.format.schema" if field == "output_config" else "output_format.schema")


def test_what_the_vendor_alone_knows_is_left_out() -> None:
    """What it keeps, and how it serves; nothing of it is a mistake. Its own tools are told apart."""
    tool = {"name": "look", "input_schema": {}, "cache_control": {"type": "ephemeral"}, "eager_input_streaming": True}
    own = [
        {"type": "bash_20250124", "name": "bash"},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
    ]
    found = read(
        tools=[*own, tool],
        top_k=5,
        container="c",
        mcp_servers=[{"type": "url", "url": "u", "name": "n"}],
        context_management={"edits": []},
        betas=["x"],
        cache_control={"type": "ephemeral"},
        output_config={"task_budget": {}},
        made_up=1,
    )
    assert found.server_tools == (
        ServerTool("bash_20250124", {"name": "bash"}, optional=True),
        ServerTool("web_search", {"max_uses": 5}, optional=True),
    )
    assert replace(found, server_tools=()) == read(tools=[{"name": "look", "input_schema": {}}])
    assert found.stop == ()
    assert read(stop_sequences=["a", "b"], metadata={"user_id": "u"}).stop == ("a", "b")
    assert read(metadata={"user_id": "u"}).user == "u"


def test_to_count_needs_the_prompt_alone() -> None:
    """No limit; what else is there is read alike."""
    tools = [{"name": "look", "input_schema": {}}]
    body = {"model": "m", "system": "s", "messages": USER, "tools": tools, "thinking": {"type": "adaptive"}}
    found = anthropic_messages.read_request(body, count_only=True)
    assert found == replace(anthropic_messages.read_request({**body, "max_tokens": 9}), max_tokens=None)
    assert found.max_tokens is None
    with pytest.raises(BadRequest, match="messages: Field required"):
        anthropic_messages.read_request({"model": "m"}, count_only=True)


def test_numbers_of_any_size_within_a_call() -> None:
    """What JSON may hold, and our fastest writer does not."""
    use = {**USE, "input": {"a": 2**70}}
    messages = [
        *USER,
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1"}]},
    ]
    assert read(messages=messages).messages[1].tool_calls[0].raw_arguments == f'{{"a":{2**70}}}'


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        (ErrorCode.INVALID_REQUEST, "invalid_request_error", 400),
        (ErrorCode.CONTENT_FILTERED, "invalid_request_error", 400),
        (ErrorCode.UNSUPPORTED, "invalid_request_error", 400),
        (ErrorCode.REQUEST_TOO_LARGE, "request_too_large", 413),
        (ErrorCode.AUTHENTICATION, "authentication_error", 401),
        (ErrorCode.MODEL_NOT_FOUND, "not_found_error", 404),
        (ErrorCode.RATE_LIMITED, "rate_limit_error", 429),
        (ErrorCode.OVERLOADED, "overloaded_error", 529),
        (ErrorCode.TIMEOUT, "timeout_error", 504),
        (ErrorCode.SERVER_ERROR, "api_error", 500),
        (ErrorCode.PROTOCOL_ERROR, "api_error", 502),
    ],
)
def test_errors_in_the_protocols_words(code: ErrorCode, kind: str, status: int) -> None:
    """With the request's id, by which it is found again."""
    found, _, body = anthropic_messages.render_error(ProviderError(code, "x"), "req_1")
    assert found == status
    assert body == {"type": "error", "error": {"type": kind, "message": "x"}, "request_id": "req_1"}
