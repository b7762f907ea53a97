"""The vendors' error codes, types, texts and statuses, and what each means: data for `providers.classify`.

From the error pages of OpenAI, Azure, Anthropic, Gemini, Groq, DeepSeek, Mistral, Together, OpenRouter, xAI and
Moonshot, from the sources of Ollama, vLLM and llama.cpp, and from recorded answers.
"""

from __future__ import annotations

import re

from providers.errors import ErrorCode as E

# The vendor's own code, decisive whatever the status is.
CODES: dict[str, E] = {
    # OpenAI, and those who took over its names
    "unsupported_parameter": E.UNSUPPORTED,
    "unsupported_value": E.UNSUPPORTED,
    "string_above_max_length": E.INVALID_REQUEST,
    "invalid_parameter_combination": E.INVALID_REQUEST,
    "invalid_image_format": E.INVALID_REQUEST,
    "invalid_prompt": E.CONTENT_FILTERED,
    "content_policy_violation": E.CONTENT_FILTERED,
    "cyber_policy": E.CONTENT_FILTERED,
    "content_filter": E.CONTENT_FILTERED,
    "ResponsibleAIPolicyViolation": E.CONTENT_FILTERED,
    "invalid_api_key": E.AUTHENTICATION,
    "unsupported_country_region_territory": E.PERMISSION_DENIED,
    "model_not_found": E.MODEL_NOT_FOUND,
    "model_decommissioned": E.MODEL_NOT_FOUND,  # Groq, with status 400
    "DeploymentNotFound": E.MODEL_NOT_FOUND,  # Azure
    "rate_limit_exceeded": E.RATE_LIMITED,
    "slow_down": E.RATE_LIMITED,
    "1300": E.RATE_LIMITED,  # Mistral
    "ramp_limit_exceeded": E.RATE_LIMITED,  # Anthropic
    "insufficient_quota": E.QUOTA_EXHAUSTED,
    "credit_balance_exhausted": E.QUOTA_EXHAUSTED,
    "organization_spend_limit_exceeded": E.QUOTA_EXHAUSTED,
    "project_spend_limit_exceeded": E.QUOTA_EXHAUSTED,
    "organization_usage_limit_exceeded": E.QUOTA_EXHAUSTED,
    "billing_hard_limit_reached": E.QUOTA_EXHAUSTED,
    "enforced_spend_limit_reached": E.QUOTA_EXHAUSTED,  # Anthropic, like the next
    "contract_spend_limit_reached": E.QUOTA_EXHAUSTED,
    "organization_on_hold": E.PERMISSION_DENIED,
    "cmek_key_disabled": E.PERMISSION_DENIED,
    "image_dimensions_too_large": E.INVALID_REQUEST,
    "payment_required": E.QUOTA_EXHAUSTED,  # OpenRouter, like those below
    "authentication": E.AUTHENTICATION,
    "permission_denied": E.PERMISSION_DENIED,
    "provider_overloaded": E.OVERLOADED,
    "provider_unavailable": E.SERVER_ERROR,
    "refusal": E.CONTENT_FILTERED,
    "timeout": E.SERVER_ERROR,
    "server_is_overloaded": E.OVERLOADED,
    "capacity_exceeded": E.OVERLOADED,  # Groq's 498
    "tool_use_failed": E.SERVER_ERROR,  # Groq: the model made a bad call; the next try may be good
    "API_KEY_INVALID": E.AUTHENTICATION,  # Gemini sends it with status 400
    "UNAUTHENTICATED": E.AUTHENTICATION,
    "UNAVAILABLE": E.OVERLOADED,
    **dict.fromkeys(["1113", *map(str, range(1308, 1322))], E.QUOTA_EXHAUSTED),  # Z.ai
}

# The vendor's type, looked at when the code said nothing. Types that are used loosely (`invalid_request_error`,
# `api_error`, `server_error`) say less than the status and are left to IN_STREAM.
TYPES: dict[str, E] = {
    "insufficient_quota": E.QUOTA_EXHAUSTED,
    "billing_error": E.QUOTA_EXHAUSTED,
    "exceeded_current_quota_error": E.QUOTA_EXHAUSTED,  # Moonshot
    "authentication_error": E.AUTHENTICATION,
    "permission_error": E.PERMISSION_DENIED,
    "not_found_error": E.MODEL_NOT_FOUND,
    "conflict_error": E.INVALID_REQUEST,
    "request_too_large": E.REQUEST_TOO_LARGE,
    "rate_limit_error": E.RATE_LIMITED,
    "overloaded_error": E.OVERLOADED,
    "timeout_error": E.SERVER_ERROR,  # the vendor's own 504, not a time limit of ours
    "service_unavailable_error": E.OVERLOADED,
    "unavailable_error": E.OVERLOADED,  # llama.cpp while it loads the model
}

_BAD = frozenset({400, 422})
_QUOTA = frozenset({400, 402, 403, 429})
_BUSY = frozenset({429, 500, 502, 503})

# Text, lower case, with the statuses at which it counts; an error without a status matches all.
TEXTS: tuple[tuple[re.Pattern[str], frozenset[int], E], ...] = (
    (
        re.compile(r"credit balance is too low|specified (workspace )?api usage limits|insufficient (balance|credits)"),
        _QUOTA,
        E.QUOTA_EXHAUSTED,
    ),
    (
        re.compile(r"exceeded your current quota|exceeded your (monthly )?included credits"),
        _QUOTA,
        E.QUOTA_EXHAUSTED,
    ),
    (re.compile(r"billing"), frozenset({400, 402}), E.QUOTA_EXHAUSTED),  # Gemini's FAILED_PRECONDITION
    (
        re.compile(r"(incorrect|invalid|wrong|missing) api.?key|api.?key (is )?(not valid|invalid)|check the api-key"),
        frozenset({400, 403}),
        E.AUTHENTICATION,
    ),
    (
        re.compile(r"violates usage guidelines|content (management )?policy|safety (system|check)"),
        frozenset({400, 403}),
        E.CONTENT_FILTERED,
    ),
    (
        re.compile(r"overloaded|capacity exceeded|at capacity|server busy|loading model|model is loading"),
        _BUSY,
        E.OVERLOADED,
    ),
    (
        re.compile(
            r"(does|do) not support|not supported (with|in|by|for) "
            r"|response_format type is unavailable|unsupported parameter"
        ),
        _BAD,
        E.UNSUPPORTED,
    ),
    (
        re.compile(r'option ".{1,40}" must be of type'),  # Ollama's answer to a bad option: not worth a retry
        frozenset({500}),
        E.INVALID_REQUEST,
    ),
)

STATUSES: dict[int, E] = {
    401: E.AUTHENTICATION,
    402: E.QUOTA_EXHAUSTED,
    403: E.PERMISSION_DENIED,
    404: E.MODEL_NOT_FOUND,
    408: E.TIMEOUT,
    413: E.REQUEST_TOO_LARGE,
    429: E.RATE_LIMITED,
    498: E.OVERLOADED,
    499: E.CANCELLED,
    503: E.OVERLOADED,
    529: E.OVERLOADED,
}

# Codes and types that count only where no status speaks: inside a stream.
IN_STREAM: dict[str | None, E] = {
    "invalid_request_error": E.INVALID_REQUEST,
    "invalid_request": E.INVALID_REQUEST,
    "invalid_parameter_error": E.INVALID_REQUEST,
    "BadRequestError": E.INVALID_REQUEST,  # vLLM
    "not_found": E.MODEL_NOT_FOUND,
    "NotFoundError": E.MODEL_NOT_FOUND,
}

# The prompt is too long for the model.
CONTEXT_STATUSES = frozenset({400, 403, 413, 422})
CONTEXT_CODES = frozenset(
    {
        "context_length_exceeded",
        "token_limit_exceeded",
        "exceed_context_size_error",
        "model_context_window_exceeded",
        "too_many_prompt_tokens",
    }
)
CONTEXT_NOT = re.compile(r"rate limit|too many requests|throttl")
CONTEXT_TEXT = re.compile(
    r"maximum context length|exceeds the context window|input tokens exceed the configured limit"
    r"|prompt is too long|input length and `?max_tokens`? exceed context limit"
    r"|input token count .{0,30}exceeds the maximum number of tokens|maximum prompt length is"
    r"|reduce the length of the messages|longer than the maximum model length"
    r"|longer than the model's context length|exceeds the available context size"
    r"|longer than the context length|exceeds the context length|greater than the context length"
    r"|exceeded model token limit|context window exceeds limit|exceeded max context length"
)
_N = r"[\d,]{1,15}"
CONTEXT_NUMBERS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"maximum context length (?:is|of) (?P<window>{_N}).{{0,80}}?"
        rf"(?:requested(?: about)?|resulted in|contains(?: at least)?|has) (?P<prompt>{_N})",
        rf"with (?P<prompt>{_N}) tokens.{{0,40}}?too large for model with (?P<window>{_N})",
        rf"too large for model with (?P<window>{_N}) maximum context length",
        rf"maximum context length (?:is|of) (?P<window>{_N})",
        rf"prompt is too long: (?P<prompt>{_N}) tokens > (?P<window>{_N})",
        rf"exceed context limit: (?P<prompt>{_N}) \+ {_N} > (?P<window>{_N})",
        rf"input token count \(?(?P<prompt>{_N})\)? exceeds the maximum number of tokens allowed \(?(?P<window>{_N})",
        rf"maximum prompt length is (?P<window>{_N}) but the request contains (?P<prompt>{_N})",
        rf"configured limit of (?P<window>{_N})(?: tokens)?.{{0,60}}?(?:resulted in|contains) (?P<prompt>{_N})",
        rf"configured limit of (?P<window>{_N})",
        rf"\((?P<prompt>{_N})(?: tokens)?\).{{0,40}}?longer than the maximum model length of (?P<window>{_N})",
        rf"request \((?P<prompt>{_N}) tokens\) exceeds the available context size \((?P<window>{_N})",
        rf"model token limit: (?P<window>{_N})(?: \(requested: (?P<prompt>{_N})\))?",
    )
)
