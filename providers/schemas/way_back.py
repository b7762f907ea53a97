"""An answer as the caller's own request would have it: with its names of tools, and without nulls that we asked for.

Strict modes want every property of a tool's arguments; a null in the place of one that may be left out stands for that.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from providers.schemas.names import renamed
from providers.schemas.refs import Unfit, target
from providers.schemas.rules import VendorSchemas
from providers.types import CompletionRequest, CompletionResponse, StreamChunk, ToolCall, ToolCallDelta

Call = TypeVar("Call", ToolCall, ToolCallDelta)
_DEEPEST = 100  # references that lead from one to the next


class Decoder(Protocol):
    @property
    def ended(self) -> bool: ...

    @property
    def may_end(self) -> bool: ...

    def feed(self, event: Any) -> StreamChunk | None: ...

    def finish(self) -> StreamChunk: ...

    def response(self) -> CompletionResponse: ...


class WayBack:
    """What was changed on the way out, so that it can be undone in an answer.

    Args:
        names: the caller's names, by what was sent.
        strict: the schemas of strict tools, by the caller's names.
    """

    __slots__ = ("_names", "_strict")

    def __init__(self, names: dict[str, str], strict: dict[str, dict[str, Any]]) -> None:
        self._names = names
        self._strict = strict

    def answer(self, response: CompletionResponse) -> CompletionResponse:
        """The answer; what the vendor sent stays as it is in `raw`."""
        if not response.tool_calls:
            return response
        calls = tuple(self._without_nulls(self.named(call)) for call in response.tool_calls)
        return replace(response, tool_calls=calls)

    def chunk(self, chunk: StreamChunk) -> StreamChunk:
        """A piece of it, in which nulls cannot be told yet."""
        if not self._names or not chunk.tool_calls:
            return chunk
        return replace(chunk, tool_calls=tuple(map(self.named, chunk.tool_calls)))

    def named(self, call: Call) -> Call:
        name = self._names.get(call.name or "")
        return call if name is None else replace(call, name=name)

    def _without_nulls(self, call: ToolCall) -> ToolCall:
        schema = self._strict.get(call.name)
        if schema is None or call.arguments is None:
            return call
        arguments = without_nulls(call.arguments, schema, schema)
        if arguments == call.arguments:
            return call
        return replace(call, arguments=arguments, raw_arguments=msgspec.json.encode(arguments).decode())


class DecoderBack:
    """A stream's decoder whose chunks and answer have taken the way back."""

    def __init__(self, decoder: Decoder, back: WayBack) -> None:
        self._decoder = decoder
        self._back = back

    def feed(self, event: Any) -> StreamChunk | None:
        chunk = self._decoder.feed(event)
        return None if chunk is None else self._back.chunk(chunk)

    @property
    def ended(self) -> bool:
        """Whether the protocol's own end has come."""
        return self._decoder.ended

    @property
    def may_end(self) -> bool:
        """Whether the answer is whole, so that only counts and the end itself are still due."""
        return self._decoder.may_end

    def finish(self) -> StreamChunk:
        return self._back.chunk(self._decoder.finish())

    def response(self) -> CompletionResponse:
        return self._back.answer(self._decoder.response())


def way_back(request: CompletionRequest, rules: VendorSchemas) -> WayBack | None:
    """The way back for the answer to a request; None nearly always, when the answer is right as it comes."""
    names = renamed(request) if rules.names else {}
    strict = {}
    if request.tools and rules.strict_tools:
        strict = {tool.name: tool.parameters for tool in request.tools if tool.strict}
    return WayBack(names, strict) if names or strict else None


def without_nulls(value: Any, schema: Any, document: dict[str, Any]) -> Any:
    """The value without the nulls of properties that may be left out and may not be null."""
    schema = _resolved(schema, document)
    if isinstance(value, list):
        return [without_nulls(each, schema.get("items"), document) for each in value]
    properties, required = schema.get("properties"), schema.get("required") or ()
    if not isinstance(value, dict) or not isinstance(properties, dict):
        return value
    return {
        name: without_nulls(each, properties.get(name), document)
        for name, each in value.items()
        if each is not None or name not in properties or name in required or _takes_null(properties[name], document)
    }


def _takes_null(schema: Any, document: dict[str, Any]) -> bool:
    schema = _resolved(schema, document)
    kinds = schema.get("type")
    if kinds == "null" or (isinstance(kinds, list) and "null" in kinds) or schema.get("nullable") is True:
        return True
    forms = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(forms, list):
        return any(_takes_null(form, document) for form in forms)
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    return None in values if isinstance(values, list) else kinds is None


def _resolved(schema: Any, document: dict[str, Any]) -> dict[str, Any]:
    """A schema that is no reference; an empty one for what is none."""
    for _ in range(_DEEPEST):
        if not isinstance(schema, dict) or "$ref" not in schema:
            break
        try:
            schema = target(document, schema["$ref"], "")
        except Unfit:
            break
    return schema if isinstance(schema, dict) and "$ref" not in schema else {}
