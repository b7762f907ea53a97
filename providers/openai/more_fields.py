"""What can be asked of servers that speak OpenAI's chat protocol beside texts, tools and sampling, as rows of data.

Sources: the API references of OpenAI, Groq, Mistral, Together and Z.ai; for xAI the types of LangChain and of Vercel's
SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from providers.base64_text import encoded
from providers.errors import ErrorCode, ProviderError
from providers.openai.dialects import Dialect, reasons, rule_for
from providers.server_tools import add_tools, by_type, fields_of
from providers.types import AudioPart, CompletionRequest, ServerTool


class MoreRules(msgspec.Struct, frozen=True, kw_only=True):
    """One row; the defaults are those of a server of which nothing is known: what carries meaning is asked for.

    `tiers` are the known words of `service_tier`, None where any is handed on; `prediction` and `allowed` tell whether
    the fields of these names are known. They do not change the answer, and are left out elsewhere. `logprobs`, `audio`
    and `images` tell whether an answer may have them; `counted` that `logprobs` is a number there, and
    `most_logprobs` how many tokens at a place it tells of at most.
    """

    tiers: frozenset[str] | None = frozenset()
    prediction: bool = False
    allowed: bool = False
    logprobs: bool = True
    counted: bool = False
    most_logprobs: int = 20
    audio: bool = True
    images: bool = True


_OPENAI_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
_SILENT = MoreRules(audio=False, images=False)
_NO_LOGPROBS = MoreRules(logprobs=False, audio=False, images=False)
_MORE: Mapping[str, MoreRules] = {
    "openai": MoreRules(tiers=_OPENAI_TIERS, prediction=True, allowed=True, images=False),
    "azure": MoreRules(tiers=_OPENAI_TIERS, prediction=True, allowed=True, images=False),
    "openrouter": MoreRules(tiers=None, prediction=True),
    "litellm": MoreRules(tiers=None, prediction=True),
    "groq": replace(_NO_LOGPROBS, tiers=frozenset({"auto", "on_demand", "flex", "performance"})),
    "mistral": replace(_NO_LOGPROBS, prediction=True),
    "zai": _NO_LOGPROBS,
    "together": replace(_SILENT, counted=True),
    "xai": replace(_SILENT, most_logprobs=8),
    **dict.fromkeys(("gemini", "vertex"), MoreRules(audio=False)),
    **dict.fromkeys(("deepseek", "cerebras", "moonshot", "minimax", "cohere", "fireworks", "nvidia"), _SILENT),
}
_UNKNOWN = MoreRules()
# Beside these OpenAI refuses a prediction (its guide to predicted outputs).
_NOT_PREDICTED = ("tools", "logprobs", "modalities", "audio", "max_completion_tokens")


def rules_of(dialect: Dialect) -> MoreRules:
    """The row of a dialect."""
    return _MORE.get(dialect.name, _UNKNOWN)


def add_more(body: dict[str, Any], request: CompletionRequest, dialect: Dialect, *, stream: bool) -> None:
    """Write them into the body of a chat request.

    Raises:
        ProviderError: UNSUPPORTED, for what carries meaning and the server does not have.
    """
    rules = rules_of(dialect)
    if request.service_tier is not None and (rules.tiers is None or request.service_tier in rules.tiers):
        body["service_tier"] = request.service_tier
    if request.allowed_tools is not None and body.get("tools"):
        _allow(body, request.allowed_tools, asked=rules.allowed)
    if wants_logprobs(request):
        _add_logprobs(body, request, dialect, rules)
    _add_modalities(body, request, rules, dialect, stream=stream)
    for tool in request.server_tools:
        add_tools(body, server_tool(tool, request, dialect))
    if request.prediction is not None and rules.prediction and _may_predict(body, request, dialect):
        body["prediction"] = {"type": "content", "content": request.prediction}
    if request.thinking_display == "omitted" and dialect.thinking == "reasoning":
        body["reasoning"] = {**(body.get("reasoning") or {}), "exclude": True}


def _may_predict(body: dict[str, Any], request: CompletionRequest, dialect: Dialect) -> bool:
    """Whether a prediction is taken beside the rest: it saves time alone, and is left out where it would be refused."""
    if not dialect.openai_models:
        return True
    thinks = rule_for(request.model) is not None and reasons(request.model)
    return not thinks and not any(body.get(name) for name in _NOT_PREDICTED)


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
    check_count(request, dialect)
    if rules.counted:
        body["logprobs"] = request.top_logprobs or 1
    else:
        body.update(logprobs=True, top_logprobs=request.top_logprobs)


def check_count(request: CompletionRequest, dialect: Dialect) -> None:
    """Whether a server tells of as many likely tokens as are asked for.

    Raises:
        ProviderError: UNSUPPORTED, it tells of fewer.
    """
    most = rules_of(dialect).most_logprobs
    if request.top_logprobs is not None and request.top_logprobs > most:
        raise _unsupported(request.model, f"top_logprobs: it tells of {most}, not of {request.top_logprobs}")


def _add_modalities(
    body: dict[str, Any], request: CompletionRequest, rules: MoreRules, dialect: Dialect, *, stream: bool
) -> None:
    wanted = request.modalities or (("text", "audio") if request.audio is not None else ())
    for kind in wanted:
        if (kind == "audio" and not rules.audio) or (kind == "image" and not rules.images):
            raise _unsupported(request.model, f"modalities: {dialect.name} answers with no {kind}")
    if not wanted or set(wanted) == {"text"}:
        return
    form = (request.audio or {}).get("format")
    if stream and dialect.openai_models and "audio" in wanted and form not in (None, "pcm16"):
        raise _unsupported(request.model, f"audio: streams have it as pcm16, not as {form}")
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


def server_tool(tool: ServerTool, request: CompletionRequest, dialect: Dialect) -> dict[str, Any]:
    """The body's fields for a tool of the vendor; to a server of which nothing is known in the app's own words, but
    not in those of a client that speaks another protocol.

    Raises:
        ProviderError: UNSUPPORTED where it has none of this name.
    """
    if dialect.name == "generic" and request.native is None:
        return by_type(tool.name, tool.options)
    if dialect.name == "openai" and "-search" not in request.model:
        raise _unsupported(request.model, f'server_tools: it has no "{tool.name}" in chat completions')
    return fields_of(tool, dialect.name, request.model)


def runs(tool: ServerTool, request: CompletionRequest, dialect: Dialect) -> bool:
    """Whether the vendor is known to have a tool in chat completions."""
    try:
        server_tool(tool, request, dialect)
    except ProviderError:
        return False
    return dialect.name != "generic"


_HEARD = ("wav", "mp3")
_FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav", "mp4": "m4a", "x-m4a": "m4a"}


def audio_format(media_type: str | None) -> str:
    """OpenAI's word for a format: `mp3` for audio/mpeg."""
    name = (media_type or "audio/wav").partition(";")[0].rpartition("/")[2].strip().lower()
    return _FORMATS.get(name, name)


def input_audio(part: AudioPart, dialect: Dialect) -> dict[str, Any]:
    """Audio of a user's message; Mistral takes the data alone.

    Raises:
        ProviderError: UNSUPPORTED for a format that OpenAI's models don't hear.
    """
    if dialect.openai_models and audio_format(part.media_type) not in _HEARD:
        raise ProviderError(ErrorCode.UNSUPPORTED, f"audio: it hears wav and mp3, not {part.media_type}")
    data = encoded(part.data)
    if dialect.name == "mistral":
        return {"type": "input_audio", "input_audio": data}
    if dialect.name == "dashscope":
        data = f"data:;base64,{data}"
    return {"type": "input_audio", "input_audio": {"data": data, "format": audio_format(part.media_type)}}


def _unsupported(model: str, message: str) -> ProviderError:
    return ProviderError(ErrorCode.UNSUPPORTED, f"{model}: {message}", model=model)
