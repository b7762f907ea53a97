"""What can be asked of servers that speak OpenAI's chat protocol beside texts, tools and sampling, as rows of data.

Sources: the API references of OpenAI, OpenRouter (server tools), Groq (built-in tools), Z.ai (web search in chat),
Alibaba Model Studio (`enable_search`), LiteLLM (web search), Mistral (predicted outputs).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from providers.errors import ErrorCode, ProviderError
from providers.openai.dialects import Dialect, reasons, rule_for
from providers.types import AudioPart, CompletionRequest, ServerTool


class MoreRules(msgspec.Struct, frozen=True, kw_only=True):
    """One row; the defaults are those of a server of which nothing is known: what carries meaning is asked for.

    `tiers`, `prediction`, `allowed` tell whether the fields of these names are known (they do not change the answer,
    and are left out elsewhere); `logprobs`, `audio` and `images` whether an answer may have them. `server_tools` makes
    the body's fields for each tool that there is; None: a tool's name is its type.
    """

    tiers: bool = False
    prediction: bool = False
    allowed: bool = False
    logprobs: bool = True
    audio: bool = True
    images: bool = True
    server_tools: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] | None = {}


def _tool(kind: str, options: str | None = None) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A tool of the list; its options stand in a field of this name, or beside its type."""
    return lambda given: {
        "tools": [{"type": kind, **({options: given} if options and given else {} if options else given)}]
    }


def _search(given: dict[str, Any]) -> dict[str, Any]:
    return {"web_search_options": given}


_SILENT = MoreRules(audio=False, images=False)
_MORE: Mapping[str, MoreRules] = {
    "openai": MoreRules(tiers=True, prediction=True, allowed=True, images=False, server_tools={"web_search": _search}),
    "azure": MoreRules(tiers=True, prediction=True, allowed=True, images=False),
    "openrouter": MoreRules(
        tiers=True,
        prediction=True,
        server_tools={
            "web_search": _tool("openrouter:web_search", "parameters"),
            "web_fetch": _tool("openrouter:web_fetch", "parameters"),
            "image_generation": _tool("openrouter:image_generation", "parameters"),
        },
    ),
    "litellm": MoreRules(tiers=True, prediction=True, server_tools={"web_search": _search}),
    "vercel": MoreRules(),
    "groq": MoreRules(
        tiers=True,
        logprobs=False,
        audio=False,
        images=False,
        server_tools={"web_search": _tool("browser_search"), "code_execution": _tool("code_interpreter")},
    ),
    "mistral": MoreRules(prediction=True, logprobs=False, audio=False, images=False),
    "zai": MoreRules(
        logprobs=False,
        audio=False,
        images=False,
        server_tools={
            "web_search": lambda given: {"tools": [{"type": "web_search", "web_search": {"enable": True, **given}}]}
        },
    ),
    "dashscope": MoreRules(
        server_tools={
            "web_search": lambda given: {"enable_search": True, **({"search_options": given} if given else {})}
        }
    ),
    **dict.fromkeys(("gemini", "vertex"), MoreRules(audio=False)),
    **dict.fromkeys(("deepseek", "xai", "cerebras", "moonshot", "minimax", "cohere", "fireworks", "nvidia"), _SILENT),
    "generic": MoreRules(server_tools=None),
}
_UNKNOWN = MoreRules()


def rules_of(dialect: Dialect) -> MoreRules:
    """The row of a dialect."""
    return _MORE.get(dialect.name, _UNKNOWN)


def add_more(body: dict[str, Any], request: CompletionRequest, dialect: Dialect) -> None:
    """Write them into the body of a chat request.

    Raises:
        ProviderError: UNSUPPORTED, for what carries meaning and the server does not have.
    """
    rules = rules_of(dialect)
    if request.service_tier is not None and rules.tiers:
        body["service_tier"] = request.service_tier
    if request.prediction is not None and rules.prediction:
        body["prediction"] = {"type": "content", "content": request.prediction}
    if request.allowed_tools is not None and body.get("tools"):
        _allow(body, request.allowed_tools, asked=rules.allowed)
    if wants_logprobs(request):
        _add_logprobs(body, request, dialect, rules)
    _add_modalities(body, request, rules, dialect)
    for tool in request.server_tools:
        fields = server_tool(tool, rules, request, dialect)
        body["tools"] = [*(body.get("tools") or ()), *fields.pop("tools", ())] or None
        body.update(fields)
    if request.thinking_display == "omitted" and dialect.thinking == "reasoning":
        body["reasoning"] = {**(body.get("reasoning") or {}), "exclude": True}


def wants_logprobs(request: CompletionRequest) -> bool:
    """Whether an answer is to tell how likely its tokens were."""
    return bool(request.logprobs) or bool(request.top_logprobs)


def _add_logprobs(body: dict[str, Any], request: CompletionRequest, dialect: Dialect, rules: MoreRules) -> None:
    model = request.model
    rule = rule_for(model) if dialect.openai_models else None
    thinks = rule is not None and reasons(model) and body.get("reasoning_effort") != "none"
    if not rules.logprobs or (
        thinks and rule is not None and not (rule.tools == "no_effort" and request.thinking is None)
    ):
        raise _unsupported(model, f"logprobs: {'a model that thinks' if rules.logprobs else dialect.name} gives none")
    body["logprobs"] = True
    body["top_logprobs"] = request.top_logprobs


def _add_modalities(body: dict[str, Any], request: CompletionRequest, rules: MoreRules, dialect: Dialect) -> None:
    wanted = request.modalities or (("text", "audio") if request.audio is not None else ())
    for kind in wanted:
        if (kind == "audio" and not rules.audio) or (kind == "image" and not rules.images):
            raise _unsupported(request.model, f"modalities: {dialect.name} answers with no {kind}")
    if wanted and set(wanted) != {"text"}:
        body["modalities"] = list(wanted)
        body["audio"] = request.audio


def _allow(body: dict[str, Any], names: tuple[str, ...], *, asked: bool) -> None:
    """Narrow the choice of tools; where the protocol's word for it is unknown, the others are not offered."""
    choice = body.get("tool_choice")
    if asked and choice in (None, "auto", "required"):
        tools = [{"type": "function", "function": {"name": name}} for name in names]
        allowed = {"mode": choice or "auto", "tools": tools}
        body["tool_choice"] = {"type": "allowed_tools", "allowed_tools": allowed}
    elif not asked:
        body["tools"] = [tool for tool in body["tools"] if tool["function"]["name"] in names]
        if not body["tools"]:
            for field in ("tools", "tool_choice", "parallel_tool_calls"):
                body.pop(field, None)


def server_tool(tool: ServerTool, rules: MoreRules, request: CompletionRequest, dialect: Dialect) -> dict[str, Any]:
    """The body's fields for a tool of the vendor.

    Raises:
        ProviderError: UNSUPPORTED where it has none of this name.
    """
    known = rules.server_tools
    if known is None:
        return {"tools": [{"type": tool.name, **tool.options}]}
    make = known.get(tool.name)
    by_model = dialect.name != "openai" or "-search" in request.model
    if make is None or not by_model:
        if ":" in tool.name and tool.name.partition(":")[0] == dialect.name:  # OpenRouter's other ones
            return _tool(tool.name, "parameters")(tool.options)
        raise _unsupported(request.model, f'server_tools: {dialect.name} has no "{tool.name}" in chat completions')
    return make(dict(tool.options))


_FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav", "mp4": "m4a", "x-m4a": "m4a"}


def audio_format(media_type: str | None) -> str:
    """OpenAI's word for a format: `mp3` for audio/mpeg."""
    name = (media_type or "audio/wav").partition(";")[0].rpartition("/")[2].strip().lower()
    return _FORMATS.get(name, name)


def input_audio(part: AudioPart, dialect: Dialect) -> dict[str, Any]:
    """Audio of a user's message; Mistral takes the data alone."""
    data = base64.b64encode(part.data).decode("ascii")
    if dialect.name == "mistral":
        return {"type": "input_audio", "input_audio": data}
    if dialect.name == "dashscope":
        data = f"data:;base64,{data}"
    return {"type": "input_audio", "input_audio": {"data": data, "format": audio_format(part.media_type)}}


def _unsupported(model: str, message: str) -> ProviderError:
    return ProviderError(ErrorCode.UNSUPPORTED, f"{model}: {message}", model=model)
