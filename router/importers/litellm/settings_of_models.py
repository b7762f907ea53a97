"""What `litellm_params` and `model_info` say of a model, as the keys of a model here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from providers.content import EFFORTS
from router.config.diagnostics import has_credential
from router.config.units import format_count, format_duration
from router.config.yaml_reader import Node
from router.importers.litellm.reading import Fields, Tell, as_number
from router.importers.variables import Variables

_MILLION = 1_000_000
_PRICES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
}
_FLAGS = {
    "supports_function_calling": "tools",
    "supports_parallel_function_calling": "parallel_tools",
    "supports_vision": "vision",
    "supports_response_schema": "json_schema",
    "supports_native_streaming": "streaming",
    "supports_reasoning": "thinking",
    "supports_prompt_caching": "prompt_cache",
}
_NUMBERS = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed")
_WHOLE = {"max_tokens": "max_tokens", "max_completion_tokens": "max_tokens"}
# What vendors know besides, sent as it is.
_BODY = (
    *("top_k", "min_p", "repetition_penalty", "n", "logit_bias", "store", "prediction", "verbosity"),
    *("num_predict", "mirostat", "repeat_penalty", "reasoning", "web_search_options"),
)
_EFFORTS = {"none": "off", "disable": "off"} | {effort: effort for effort in EFFORTS}


_OF_ANSWERS = ("params", "context_window", "capabilities", "prompt_cache")


def settings(params: Fields, info: Fields, variables: Variables, tell: Tell, makes: str) -> dict[str, Any]:
    """The keys of a model, those that are said alone; `makes` is the one that says that it makes no answers."""
    info.take("mode")
    dimensions = info.number("output_vector_size") if makes == "embeds" else None
    made: dict[str, Any] = {
        "params": _params(params, variables, tell),
        "price": _prices(params, info),
        "context_window": _context_window(info),
        "capabilities": _capabilities(info),
        "timeout": timeouts(params, "timeout", "stream_timeout"),
        "retry": _retry(params),
        "breaker": _breaker(params),
        "limits": _limits(params),
        # Where the marks stand is no longer said: they move with the conversation.
        "prompt_cache": None if params.take("cache_control_injection_points") is None else "auto",
    }
    if makes:
        made = {name: value for name, value in made.items() if name not in _OF_ANSWERS}
        made[makes] = {"dimensions": int(dimensions)} if dimensions else True
        made["timeout"].pop("first_token", None)
        made["price"].pop("output", None)
    return {name: value for name, value in made.items() if value}


def _params(params: Fields, variables: Variables, tell: Tell) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _NUMBERS:
        node = params.left.get(name)
        if node is not None and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            found[name] = params.left.pop(name).value
    for name, own in _WHOLE.items():
        number = params.number(name)
        if number is not None:
            found.setdefault(own, int(number))
    stop = params.take("stop")
    if stop is not None:
        found["stop"] = stop.data() if isinstance(stop.value, list) else [str(stop.value)]
    user = params.text("user")
    if user is not None:
        found["user"] = variables.written(user)
    for name in ("parallel_tool_calls", "logprobs"):
        flag = params.flag(name)
        if flag is not None:
            found[name] = flag
    likeliest = params.number("top_logprobs")
    if likeliest is not None:
        found["top_logprobs"] = int(likeliest)
    tier = params.text("service_tier")
    if tier is not None:
        found["service_tier"] = variables.written(tier)
    found |= _thinking(params) | _response_format(params, variables)
    body = _body(params, variables, tell)
    return {**found, "extra_body": body} if body else found


def _thinking(params: Fields) -> dict[str, Any]:
    effort, thinking = params.left.get("reasoning_effort"), params.left.get("thinking")
    budget = None if thinking is None else thinking.get("budget_tokens")
    if budget is not None and isinstance(budget.value, int):
        params.take("thinking", "reasoning_effort")
        return {"thinking": budget.value}
    if effort is not None and str(effort.value) in _EFFORTS:
        params.take("reasoning_effort")
        return {"thinking": _EFFORTS[str(effort.value)]}
    return {}


def _response_format(params: Fields, variables: Variables) -> dict[str, Any]:
    node = params.left.get("response_format")
    kind = None if node is None else node.get("type")
    if node is None or kind is None or kind.value not in ("json_object", "json_schema"):
        return {}
    params.take("response_format")
    return {"response_format": "json" if kind.value == "json_object" else _written(node, variables)}


def _body(params: Fields, variables: Variables, tell: Tell) -> dict[str, Any]:
    extra = params.take("extra_body")
    found: dict[str, Any] = {}
    if extra is not None and isinstance(extra.value, dict):
        if _may_hold_a_key(extra):
            tell("left out", "extra_body", "there may be a key in it: write it under params, as ${NAME}")
        else:
            found = _written(extra, variables)
    for name in _BODY:
        node = params.take(name)
        if node is not None:
            found[name] = _written(node, variables)
    return found


def _may_hold_a_key(node: Node) -> bool:
    if isinstance(node.value, dict):
        is_named = any(word in name.lower() for name in node.value for word in ("key", "secret", "passw", "auth"))
        return is_named or any(map(_may_hold_a_key, node.value.values()))
    if isinstance(node.value, list):
        return any(map(_may_hold_a_key, node.value))
    return isinstance(node.value, str) and has_credential(node.value)


def _written(node: Node, variables: Variables) -> Any:
    if isinstance(node.value, dict):
        return {key: _written(child, variables) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [_written(child, variables) for child in node.value]
    return variables.written(node.value) if isinstance(node.value, str) else node.value


def _prices(params: Fields, info: Fields) -> dict[str, float]:
    found = {}
    for name, own in _PRICES.items():
        nodes = [fields.left.get(name) for fields in (params, info)]
        numbers = [as_number(node) for node in nodes if node is not None]
        if numbers and numbers[0] is not None:
            params.take(name)
            info.take(name)
            found[own] = round(numbers[0] * _MILLION, 9)
    return found


def _count(number: float) -> int | str:
    text = format_count(int(number))
    return int(text) if text.isdigit() else text


def _context_window(info: Fields) -> int | str | None:
    number = info.number("max_input_tokens")
    return None if number is None else _count(number)


def _capabilities(info: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {}
    most, older = info.number("max_output_tokens"), info.number("max_tokens")
    if most or older:
        found["max_output_tokens"] = _count(most or older or 0)
    for name, own in _FLAGS.items():
        flag = info.flag(name)
        if flag is not None:
            found[own] = flag
    return found


def timeouts(fields: Fields, of_all: str, of_streams: str) -> dict[str, str]:
    """LiteLLM's seconds of a call, and until a stream's first piece."""
    whole, first = fields.number(of_all), fields.number(of_streams)
    found = {"answer": whole, "first_token": first or whole}
    return {name: duration(seconds) for name, seconds in found.items() if seconds}


def duration(seconds: float) -> str:
    """Seconds as a duration, to a millisecond."""
    return format_duration(max(round(seconds, 3), 0.001))


def _retry(params: Fields) -> dict[str, int]:
    return retries(params, "num_retries", "max_retries")


def retries(fields: Fields, *names: str) -> dict[str, int]:
    """Further tries at the same target; none is a number as well."""
    for name in names:
        node = fields.left.get(name)
        number = None if node is None else as_number(node)
        if number is not None:
            fields.take(*names)
            return {"same_target": int(number)}
    return {}


def _breaker(params: Fields) -> dict[str, Any]:
    return breaker(None, params.number("cooldown_time"))


def breaker(allowed_fails: float | None, cooldown: float | None) -> dict[str, Any]:
    """A breaker that opens after so many failures in a row and one more, for so many seconds."""
    found: dict[str, Any] = {}
    if allowed_fails is not None:
        found["consecutive"] = int(allowed_fails) + 1
    if cooldown:
        found["open_for"] = duration(cooldown)
        if cooldown > 300:  # what it doubles to at most, where nothing is written
            found["max_open_for"] = duration(cooldown)
    return found


def _limits(params: Fields) -> dict[str, Any]:
    rates: Mapping[str, tuple[str, Callable[[int], Any]]] = {
        "rpm": ("requests", lambda number: f"{number}/min"),
        "tpm": ("tokens", lambda number: f"{number}/min"),
        "max_parallel_requests": ("in_flight", int),
    }
    found = {}
    for name, (own, form) in rates.items():
        number = params.number(name)
        if number is not None and number >= 1:
            found[own] = form(int(number))
    return found
