"""Python's functions as tools: the schema out of the signature, and the call that a model asks for."""

from __future__ import annotations

import inspect
import logging
import re
import typing
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any

import msgspec

from providers.annotations import portable
from providers.types import Tool, ToolCall, ToolInvocation

log = logging.getLogger("signalbox.tools")

Function = Callable[..., Any]
Functions = Mapping[str, Function] | Iterable[Any]

_SECTION = re.compile(r"(?im)^[ \t]*(args|arguments|parameters|returns?|yields?|raises|examples?|notes?)[ \t]*:[ \t]*$")
_ENTRY = re.compile(r"(\*{0,2}\w+)[ \t]*(?:\([^)]*\)[ \t]*)?:[ \t]*(.*)")
_LONGEST = 1000  # characters of an error's text that a model is told


class FunctionTool(msgspec.Struct, frozen=True, eq=False):
    """A function ready to be called by a model. `read` makes its arguments of a JSON text, and raises what pydantic
    raises; `positional` are the names of those that have no name in a call.
    """

    tool: Tool
    function: Function
    read: Callable[[str], dict[str, Any]]
    positional: tuple[str, ...]

    def call(self, arguments: dict[str, Any]) -> Any:
        """Call it with what was read; of an async function this is what has to be awaited."""
        first = [arguments.pop(name) for name in self.positional if name in arguments]
        return self.function(*first, **arguments)


def tool_of(function: Function) -> Tool:
    """The tool that a function is: its name, its docstring, and what its annotations say of its arguments.

    Raises:
        TypeError: it can't be one; the text says why.
    """
    if not name_of(function).isidentifier():
        raise TypeError(f"a function with a name is expected, not {name_of(function)}")
    return ready(function).tool


def ready(function: Function) -> FunctionTool:
    """The function ready to be called; made once.

    Raises:
        TypeError: it can't be a tool; the text says why.
    """
    try:
        return _kept(function)
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
    return _made(function)


@lru_cache(maxsize=128)
def _kept(function: Function) -> FunctionTool:
    return _made(function)


def _made(function: Function) -> FunctionTool:
    from pydantic import ConfigDict, TypeAdapter  # here: only those who have functions for tools need it
    from typing_extensions import TypedDict

    inner, name = _behind(function), name_of(function)
    if inspect.isclass(function):
        raise TypeError(f"a function is expected, not the class {name}")
    parameters = _parameters(function, inner, name)
    description, told = _docstring(inspect.getdoc(inner) or "")
    fields: dict[str, Any] = {}
    takes_more = False
    for each, annotation in parameters:
        hint = _described(portable(annotation), told.get(each.name))
        if each.kind is each.VAR_KEYWORD:
            takes_more = True
        else:
            fields[each.name] = hint if each.default is each.empty else typing.NotRequired[hint]
    make: Any = TypedDict
    kind = make(name, fields)
    kind.__pydantic_config__ = ConfigDict(extra="allow" if takes_more else "forbid")
    try:
        adapter = TypeAdapter(kind)
        schema = adapter.json_schema()
    except Exception as error:  # pydantic, and what apps hang into it, have many errors for what is no type
        raise TypeError(f"{name}: {' '.join(str(error).split())[:500]}") from error
    schema.pop("title", None)
    _add_defaults(schema, parameters)
    positional = tuple(each.name for each, _ in parameters if each.kind is each.POSITIONAL_ONLY)
    return FunctionTool(Tool(name, description, schema), function, adapter.validate_json, positional)


def name_of(function: Function) -> str:
    """What a function is called; of a `partial` or an object, what it is made from."""
    name = getattr(_behind(function), "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


def _behind(function: Any) -> Any:
    """What a `partial` calls."""
    while isinstance(function, partial):
        function = function.func
    return function


def _parameters(function: Function, inner: Function, name: str) -> list[tuple[inspect.Parameter, Any]]:
    """The parameters that a model can fill, each with its annotation."""
    noted = inner if inspect.isroutine(inner) else getattr(inner, "__call__", inner)  # noqa: B004  # an object's own
    try:
        signature = inspect.signature(function)
        hints = typing.get_type_hints(noted, include_extras=True)
    except (NameError, ValueError, TypeError, AttributeError) as error:
        raise TypeError(f"{name}: its signature can't be read: {error}") from None
    given = _bound(function)
    return [
        (each, hints.get(each.name, Any))
        for each in signature.parameters.values()
        if each.kind is not each.VAR_POSITIONAL and each.name not in given
    ]


def _bound(function: Any) -> frozenset[str]:
    """The names that a `partial` has filled by name already."""
    names: frozenset[str] = frozenset()
    while isinstance(function, partial):
        names |= function.keywords.keys()
        function = function.func
    return names


def _described(annotation: Any, text: str | None) -> Any:
    """The annotation with what the docstring says of it, unless it has a description of its own."""
    from pydantic import Field
    from pydantic.fields import FieldInfo

    if typing.get_origin(annotation) is typing.Annotated:
        more = annotation.__metadata__
        texts = [each for each in more if isinstance(each, str)]
        if any(isinstance(each, FieldInfo) and each.description for each in more):
            return annotation
        text = texts[0] if texts else text
    return typing.Annotated[annotation, Field(description=text)] if text else annotation


def _docstring(text: str) -> tuple[str, dict[str, str]]:
    """What a docstring in Google's style says of a function, and of each of its arguments."""
    heads = list(_SECTION.finditer(text))
    said = text[: heads[0].start()] if heads else text
    arguments: dict[str, str] = {}
    ends = [*(head.start() for head in heads[1:]), len(text)]
    for head, end in zip(heads, ends, strict=False):
        if head[1].lower() in ("args", "arguments", "parameters"):
            arguments |= _entries(text[head.end() : end])
    return said.strip(), arguments


def _entries(section: str) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    lines = [line for line in section.expandtabs().splitlines() if line.strip()]
    depth = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    current: list[str] = []
    for line in lines:
        indent, entry = len(line) - len(line.lstrip()), _ENTRY.match(line.strip())
        if indent <= depth and entry:
            current = found[entry[1].lstrip("*")] = [entry[2].strip()]
        else:
            current.append(line.strip())
    return {name: " ".join(filter(None, texts)) for name, texts in found.items()}


def _add_defaults(schema: dict[str, Any], parameters: list[tuple[inspect.Parameter, Any]]) -> None:
    """Tell the defaults that JSON can say."""
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    for each, _ in parameters:
        node = schema.get("properties", {}).get(each.name)
        if node is None or each.default is each.empty or each.default is None or "default" in node:
            continue
        try:
            node["default"] = to_jsonable_python(each.default)
        except (PydanticSerializationError, ValueError, RecursionError):
            continue


# --- the call


def run(call: ToolCall, functions: Functions) -> ToolInvocation:
    """Call the function that a model asks for; see `ToolCall.run`."""
    found = _prepared(call, functions)
    if isinstance(found, ToolInvocation):
        return found
    function, arguments = found
    try:
        result = function.call(arguments)
    except Exception as error:  # the model is told
        return _failed(call, error)
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError(f"{call.name} is async: use `await call.run_async(functions)`")
    return _answered(call, result)


async def run_async(call: ToolCall, functions: Functions) -> ToolInvocation:
    """Call the function that a model asks for; see `ToolCall.run_async`."""
    found = _prepared(call, functions)
    if isinstance(found, ToolInvocation):
        return found
    function, arguments = found
    try:
        result = function.call(arguments)
        if inspect.isawaitable(result):
            result = await _awaited(result)
    except Exception as error:  # the model is told
        return _failed(call, error)
    return _answered(call, result)


async def _awaited(result: Awaitable[Any]) -> Any:
    return await result


def _prepared(call: ToolCall, functions: Functions) -> tuple[FunctionTool, dict[str, Any]] | ToolInvocation:
    """The function and its arguments; what the model is told where there is none, or they are wrong."""
    from pydantic import ValidationError  # here: only those who have functions for tools need it

    from providers.answer_types import told_of
    from providers.lenient_json import as_json, meant_arguments

    named = functions if isinstance(functions, Mapping) else _by_name(functions)
    if call.name not in named:
        return call.result(f"no tool is named {call.name}; there are {', '.join(named) or 'none'}", is_error=True)
    function = ready(named[call.name])
    text = meant_arguments(call.raw_arguments).strip() if call.arguments is None else as_json(call.arguments)
    if call.raw_arguments and call.arguments is not None:
        text = meant_arguments(call.raw_arguments).strip()  # as it was written: no number is read twice
    try:
        return function, dict(function.read(text or "{}"))
    except ValidationError as error:
        return call.result(f"these arguments are not valid: {told_of(error, call.arguments)}", is_error=True)


def _by_name(functions: Iterable[Any]) -> dict[str, Function]:
    return {name_of(each): each for each in functions if callable(each)}


def _answered(call: ToolCall, result: Any) -> ToolInvocation:
    from pydantic_core import to_json

    if isinstance(result, str):
        return call.result(result)
    try:
        return call.result(to_json(result, fallback=str).decode())
    except Exception as error:  # what a result's own methods raise, too
        return _failed(call, error)


def _failed(call: ToolCall, error: Exception) -> ToolInvocation:
    log.info("the tool %s failed", call.name, exc_info=error)
    return call.result(f"{type(error).__name__}: {error}"[:_LONGEST], is_error=True)
