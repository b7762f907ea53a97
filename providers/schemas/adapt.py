"""A request with tools, schemas and names as one vendor accepts them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NoReturn

import msgspec
from msgspec.structs import replace

from providers.errors import ErrorCode, ProviderError
from providers.schemas.fit import fit
from providers.schemas.names import allowed, renamed, safe
from providers.schemas.refs import Unfit
from providers.schemas.rules import Subset, VendorSchemas
from providers.surrogates import encode_json
from providers.types import CompletionRequest, Message, Tool


def says_words_alone(request: CompletionRequest) -> bool:
    """Whether a request has no tool, schema, call or body of a client's own, as most: nothing of it has to be adapted,
    or given back.
    """
    if request.tools or request.server_tools or request.response_format is not None or request.native is not None:
        return False
    for message in request.messages:  # noqa: SIM110 - every call asks this, and `any` would cost twice as much
        if message.tool_calls or type(message.content) is not str:
            return False
    return True


def adapted(request: CompletionRequest, rules: VendorSchemas) -> CompletionRequest:
    """The request as the vendor of these rules takes it; the same object where there is nothing to change.

    Raises:
        ProviderError: UNSUPPORTED when a schema cannot be said there; the message names the place, such as
            `tools[0].parameters.properties.x.not`. INVALID_REQUEST when a schema is no JSON.
    """
    changes: dict[str, Any] = {}
    if request.tools:
        changes["tools"] = tuple(_tool(tool, place, rules, request) for place, tool in enumerate(request.tools))
    if isinstance(request.response_format, dict):
        changes["response_format"] = _format(request.response_format, rules, request)
    if rules.names and renamed(request):
        choice = request.tool_choice
        if choice is not None and choice not in ("auto", "none", "required"):
            changes["tool_choice"] = safe(choice)
        if request.allowed_tools is not None:
            changes["allowed_tools"] = tuple(map(safe, request.allowed_tools))
        changes["messages"] = tuple(map(_with_safe_names, request.messages))
    return replace(request, **changes) if changes else request


def _with_safe_names(message: Message) -> Message:
    if all(allowed(call.name) for call in message.tool_calls):
        return message
    return replace(message, tool_calls=tuple(replace(call, name=safe(call.name)) for call in message.tool_calls))


def _tool(tool: Tool, place: int, rules: VendorSchemas, request: CompletionRequest) -> Tool:
    parameters, strict = _fitted(
        tool.parameters or {"type": "object", "properties": {}},
        bool(tool.strict),
        (rules.tools, rules.strict_tools),
        f"tools[{place}].parameters",
        request,
    )
    return Tool(
        safe(tool.name) if rules.names else tool.name,
        tool.description,
        parameters,
        (strict if tool.strict else tool.strict) if rules.strict_tools else None,
    )


def _format(wanted: dict[str, Any], rules: VendorSchemas, request: CompletionRequest) -> dict[str, Any]:
    name = wanted.get("name")
    named = {**wanted, "name": safe(name) if isinstance(name, str) and name else "answer"}
    named["schema"], strict = _fitted(
        wanted["schema"],
        bool(wanted.get("strict")),
        (rules.output, rules.strict_output),
        "response_format.schema",
        request,
    )
    if wanted.get("strict"):
        named["strict"] = strict
    return named


def _fitted(
    schema: dict[str, Any],
    strict: bool,
    subsets: tuple[Subset | None, Subset | None],
    where: str,
    request: CompletionRequest,
) -> tuple[dict[str, Any], bool]:
    """The schema, and whether it may be called strict: one that strict modes cannot say is sent as a plain one."""
    plain, strictly = subsets
    try:
        encoded = encode_json(schema)
        if strict and strictly is not None:
            try:
                return _cached(encoded, strictly), True
            except Unfit:
                strict = False
        return (schema if plain is None else _cached(encoded, plain)), strict and strictly is None
    except Unfit as error:
        path = error.path.lstrip(".")
        _refuse(ErrorCode.UNSUPPORTED, f"{where}{'.' if path else ''}{path}: {error.why}", request)
    except RecursionError:
        _refuse(ErrorCode.UNSUPPORTED, f"{where}: it is nested too deeply", request)
    except ProviderError as error:
        _refuse(error.code, f"{where}: {error.message}", request)
    except (TypeError, AttributeError, KeyError, IndexError, ValueError):  # a list where a dict has to be, and the like
        _refuse(ErrorCode.INVALID_REQUEST, f"{where}: it is no JSON Schema", request)


def _refuse(code: ErrorCode, message: str, request: CompletionRequest) -> NoReturn:
    raise ProviderError(code, message, model=request.model) from None


@lru_cache(maxsize=1024)
def _cached(schema: bytes, subset: Subset) -> dict[str, Any]:
    """Apps send the same tools with every request. Nobody changes what is kept here."""
    return fit(msgspec.json.decode(schema), subset)
