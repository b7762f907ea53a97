"""What the vendors refuse of the less usual things that a request may ask for, each in its own words.

Sources: the API references of OpenAI (chat completions, Responses, and the guides to audio and to predicted outputs),
Anthropic (Messages, and its pages on server tools, citations and files) and Ollama.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from providers.lenient_json import as_dict, as_list, as_str
from providers.simulator.vendor import VendorKnobs
from providers.types import AudioPart, CompletionRequest, FilePart, ImagePart
from providers.wire.reading import BadRequest

Body = Mapping[str, Any]

_OPENAIS = re.compile(r"gpt-|chatgpt|o\d")  # models; others are of servers that speak OpenAI's chat protocol
_REASONS = re.compile(r"gpt-5(?!-chat)|gpt-6|o\d")
_TIERS = ("auto", "default", "flex", "scale", "priority", "fast")
_HEARD, _SPOKEN = ("wav", "mp3"), ("wav", "aac", "mp3", "flac", "opus", "pcm16")
# What other servers that speak the chat protocol run themselves.
_CHAT_TOOLS = re.compile(r"function|custom|openrouter:\w+|browser_search|code_interpreter")
_NO_RESPONSES_FIELD = (
    *("stop", "seed", "presence_penalty", "frequency_penalty", "n", "logprobs", "modalities", "audio", "prediction"),
    *("response_format", "max_completion_tokens", "reasoning_effort", "web_search_options"),
)
_INCLUDED = re.compile(r"message\.\w+\.(?:image_url|logprobs)|reasoning\.encrypted_content|\w{1,40}_call[\w.]{0,80}")
# The tools of Responses: which fields each needs, and for those of the web all that it may have.
_RESPONSES_TOOLS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("function", "custom", "namespace"), ("name",)),
    "code_interpreter": ("container",),
    "file_search": ("vector_store_ids",),
    "mcp": ("server_label",),
    **dict.fromkeys(
        (
            *("web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"),
            *("image_generation", "local_shell", "shell", "apply_patch", "tool_search", "computer"),
            *("computer_use_preview", "programmatic_tool_calling"),
        ),
        (),
    ),
}
_SEARCHES = frozenset(
    {"type", "filters", "user_location", "search_context_size", "external_web_access", "search_content_types"}
)
_NO_MESSAGES_FIELD = (
    *("logprobs", "top_logprobs", "n", "seed", "presence_penalty", "frequency_penalty", "response_format"),
    *("modalities", "audio", "prediction", "web_search_options", "reasoning_effort", "stop"),
    *("max_completion_tokens", "user"),
)
_CLAUDES_TOOL = re.compile(
    r"(web_search|web_fetch|code_execution|bash|text_editor|computer|memory|tool_search_tool_\w+?)_\d{8}"
)
_CLAUDES_FETCH = frozenset(
    {"type", "name", "allowed_domains", "blocked_domains", "max_uses", "cache_control", "allowed_callers"}
    | {"defer_loading", "strict", "user_location", "citations", "max_content_tokens"}
)
_PICTURES = ("image/jpeg", "image/png", "image/gif", "image/webp")


def _refuse(message: str, param: str | None = None) -> NoReturn:
    raise BadRequest(message, param)


def _one_of(value: object, known: tuple[str, ...], param: str) -> None:
    if value is not None and value not in known:
        told = ", ".join(f"'{each}'" for each in known)
        _refuse(f"Invalid value: '{value}'. Supported values are: {told}.", param)


def _parts(request: CompletionRequest) -> Iterator[tuple[str, str, object]]:
    """Every part of the messages, with its place and who says it."""
    for place, message in enumerate(request.messages):
        for number, part in enumerate(message.content if not isinstance(message.content, str) else ()):
            yield f"messages[{place}].content[{number}]", message.role, part


def _check_files(request: CompletionRequest, knobs: VendorKnobs) -> None:
    for where, _, part in _parts(request):
        if not isinstance(part, ImagePart | FilePart) or part.id is None or knobs.files is None:
            continue
        if part.id not in knobs.files:
            _refuse(f"No such File object: {part.id}", where)


# --- OpenAI


def check_chat(body: Body, request: CompletionRequest, knobs: VendorKnobs) -> None:
    """Raises BadRequest."""
    own = _OPENAIS.match(request.model) is not None
    for place, tool in enumerate(map(as_dict, as_list(body.get("tools")))):
        kind = as_str(tool.get("type")) or "function"
        if not _CHAT_TOOLS.fullmatch(kind) and kind not in tool:
            _refuse(f"Invalid value: '{kind}'. Supported values are: 'function' and 'custom'.", f"tools[{place}].type")
    if own and body.get("web_search_options") is not None and "-search" not in request.model:
        _refuse("Web search options not supported with this model.", "web_search_options")
    _check_likelihoods(body, request, "top_logprobs")
    if request.top_logprobs is not None and not request.logprobs:
        _refuse("'logprobs' must be true to use 'top_logprobs'.", "top_logprobs")
    _check_speech(body, own=own)
    if own:
        _one_of(body.get("service_tier"), _TIERS, "service_tier")
        _check_prediction(body)
    for where, role, part in _parts(request):
        if isinstance(part, ImagePart | FilePart | AudioPart) and role in ("system", "developer"):
            _refuse(f"Invalid content: messages of role '{role}' hold text only.", where)
        if isinstance(part, ImagePart) and own and role != "user":
            _refuse(f"Image URLs are only allowed for messages with role 'user', not '{role}'.", where)
        if isinstance(part, FilePart) and own and part.url is not None:
            _refuse("Invalid file data: a base64-encoded data URL is expected.", f"{where}.file.file_data")
        if isinstance(part, AudioPart) and own and role == "user":
            _one_of(_form(part), _HEARD, f"{where}.input_audio.format")
    _check_files(request, knobs)


def _form(part: AudioPart) -> str:
    form = (part.media_type or "").rpartition("/")[2]
    return {"mpeg": "mp3"}.get(form, form)


def _check_likelihoods(body: Body, request: CompletionRequest, param: str) -> None:
    if request.top_logprobs is not None and request.top_logprobs > 20:
        _refuse(f"Invalid '{param}': integer above maximum value. Expected a value <= 20.", param)
    effort = body.get("reasoning_effort") or as_dict(body.get("reasoning")).get("effort")
    if request.logprobs and effort != "none" and _REASONS.match(request.model):
        _refuse("Unsupported parameter: 'logprobs' is not supported with this model.", "logprobs")


def _check_speech(body: Body, *, own: bool) -> None:
    wanted, audio = as_list(body.get("modalities")), as_dict(body.get("audio"))
    for kind in wanted if own else ():
        _one_of(kind, ("text", "audio"), "modalities")
    if "audio" not in wanted:
        return
    if not audio:
        _refuse("Missing required parameter: 'audio'.", "audio")
    _one_of(audio.get("format"), _SPOKEN, "audio.format")
    if own and body.get("stream") and audio.get("format") not in (None, "pcm16"):
        _refuse(f"Unsupported value: 'audio.format' does not support '{audio['format']}' when stream=true.", "audio")


def _check_prediction(body: Body) -> None:
    if body.get("prediction") is None:
        return
    for name in ("tools", "logprobs", "audio", "max_completion_tokens"):
        if body.get(name):
            _refuse(f"Unsupported parameter: '{name}' is not supported with 'prediction'.", name)
    if _REASONS.match(str(body.get("model"))):
        _refuse("Unsupported parameter: 'prediction' is not supported with this model.", "prediction")


def check_responses(body: Body, request: CompletionRequest, knobs: VendorKnobs) -> None:
    """Raises BadRequest."""
    for name in _NO_RESPONSES_FIELD:
        if body.get(name) is not None:
            _refuse(f"Unknown parameter: '{name}'.", name)
    for place, tool in enumerate(map(as_dict, as_list(body.get("tools")))):
        kind, where = str(tool.get("type")), f"tools[{place}]"
        _one_of(kind, tuple(_RESPONSES_TOOLS), f"{where}.type")
        for name in _RESPONSES_TOOLS[kind]:
            if tool.get(name) is None:
                _refuse(f"Missing required parameter: '{where}.{name}'.", f"{where}.{name}")
        for name in tool if kind.startswith("web_search") else ():
            if name not in _SEARCHES:
                _refuse(f"Unknown parameter: '{where}.{name}'.", f"{where}.{name}")
    for name in as_list(body.get("include")):
        if not isinstance(name, str) or not _INCLUDED.fullmatch(name):
            _refuse(f"Invalid value: '{name}'.", "include")
    _check_likelihoods(body, request, "top_logprobs")
    _one_of(body.get("service_tier"), _TIERS, "service_tier")
    for where, _, part in _parts(request):
        if isinstance(part, AudioPart):
            _refuse("Invalid value: 'input_audio'. Supported values are: 'input_text', 'input_image', …", where)
    _check_files(request, knobs)


# --- Anthropic


def check_messages(body: Body, request: CompletionRequest, knobs: VendorKnobs) -> None:
    """Raises BadRequest."""
    for name in _NO_MESSAGES_FIELD:
        if body.get(name) is not None:
            _refuse(f"{name}: Extra inputs are not permitted", name)
    for place, tool in enumerate(map(as_dict, as_list(body.get("tools")))):
        _check_claudes_tool(tool, f"tools.{place}")
    if body.get("service_tier") not in (None, "auto", "standard_only"):
        _refuse("service_tier: Input should be 'auto' or 'standard_only'", "service_tier")
    cited = set()
    for where, _, part in _parts(request):
        if isinstance(part, ImagePart) and part.data is not None and part.media_type not in _PICTURES:
            told = ", ".join(f"'{kind}'" for kind in _PICTURES)
            _refuse(f"{where}.image.source.base64.media_type: Input should be {told}", where)
        if isinstance(part, FilePart):
            cited.add(part.citations)
            if part.data is not None and part.media_type not in ("application/pdf", "text/plain"):
                _refuse(f"{where}.document.source.base64.media_type: Input should be 'application/pdf'", where)
    if len(cited) > 1:
        _refuse("citations: must be enabled for all documents of a request, or for none", "messages")
    if True in cited and request.response_format is not None:
        _refuse("output_config.format: citations are not supported with structured outputs", "output_config.format")
    _check_files(request, knobs)


def _check_claudes_tool(tool: Body, where: str) -> None:
    kind = as_str(tool.get("type"))
    if kind in (None, "custom"):
        return
    known = _CLAUDES_TOOL.fullmatch(str(kind))
    if known is None:
        _refuse(f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags", where)
    if not str(tool.get("name")).startswith(known[1]) and known[1] != "text_editor":
        _refuse(f"{where}.{kind}.name: Input should be '{known[1]}'", where)
    if known[1] in ("web_search", "web_fetch"):
        for name in tool:
            if name not in _CLAUDES_FETCH:
                _refuse(f"{where}.{kind}.{name}: Extra inputs are not permitted", where)
        if tool.get("allowed_domains") and tool.get("blocked_domains"):
            _refuse(f"{where}.{kind}: only one of allowed_domains and blocked_domains may be specified", where)


# --- Ollama


def check_ollama(body: Body, request: CompletionRequest, knobs: VendorKnobs) -> None:
    """Raises BadRequest."""
    if request.top_logprobs is not None and request.top_logprobs > 20:
        _refuse("top_logprobs must be between 0 and 20", "top_logprobs")
