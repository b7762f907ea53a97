"""The vendors' error codes, types, texts and statuses, and what each means: data for `providers.classify`.

From the error pages of OpenAI, Azure, Anthropic, Gemini, Groq, DeepSeek, Mistral, Together, OpenRouter, xAI, Moonshot,
Zhipu, MiniMax, DashScope and Cloudflare, from the sources of Ollama, vLLM, llama.cpp, TGI and LiteLLM, and from
recorded answers. What says that a prompt is too long is in `providers.context_errors`.
"""

from __future__ import annotations

from providers.error_body import SIGNATURES
from providers.errors import ErrorCode as E

# The vendor's own code, decisive whatever the status is.
CODES: dict[str, E] = {
    # OpenAI, and those who took over its names
    "unsupported_parameter": E.UNSUPPORTED,
    "unsupported_value": E.UNSUPPORTED,
    "unknown_parameter": E.UNSUPPORTED,
    "invalid_encrypted_content": E.UNSUPPORTED,  # sealed reasoning of another key or model
    "string_above_max_length": E.INVALID_REQUEST,
    "invalid_parameter_combination": E.INVALID_REQUEST,
    "invalid_image_format": E.INVALID_REQUEST,
    "previous_response_not_found": E.INVALID_REQUEST,
    "invalid_prompt": E.CONTENT_FILTERED,
    "content_policy_violation": E.CONTENT_FILTERED,
    "cyber_policy": E.CONTENT_FILTERED,
    "content_filter": E.CONTENT_FILTERED,
    "ResponsibleAIPolicyViolation": E.CONTENT_FILTERED,
    "invalid_api_key": E.AUTHENTICATION,
    "unsupported_country_region_territory": E.PERMISSION_DENIED,
    "model_not_found": E.MODEL_NOT_FOUND,
    "model_not_available": E.MODEL_NOT_FOUND,
    "model_not_supported": E.MODEL_NOT_FOUND,  # Copilot and Hugging Face: they do not serve it
    "model_decommissioned": E.MODEL_NOT_FOUND,  # Groq, with status 400
    "DeploymentNotFound": E.MODEL_NOT_FOUND,  # Azure
    "rate_limit_exceeded": E.RATE_LIMITED,
    "slow_down": E.RATE_LIMITED,
    "1300": E.RATE_LIMITED,  # Mistral
    "ramp_limit_exceeded": E.RATE_LIMITED,  # Anthropic
    "Throttling": E.RATE_LIMITED,  # DashScope, like the next
    "Throttling.RateQuota": E.RATE_LIMITED,
    "Throttling.AllocationQuota": E.RATE_LIMITED,
    "AllocationQuota.FreeTierOnly": E.QUOTA_EXHAUSTED,
    "Arrearage": E.QUOTA_EXHAUSTED,
    "DataInspectionFailed": E.CONTENT_FILTERED,
    "data_inspection_failed": E.CONTENT_FILTERED,
    "insufficient_quota": E.QUOTA_EXHAUSTED,
    "quota_exceeded": E.QUOTA_EXHAUSTED,  # Copilot and others
    "insufficient_funds": E.QUOTA_EXHAUSTED,
    "insufficient_credits": E.QUOTA_EXHAUSTED,
    "insufficient_user_quota": E.QUOTA_EXHAUSTED,  # new-api, like the next
    "pre_consume_token_quota_failed": E.QUOTA_EXHAUSTED,
    "usage_limit_reached": E.QUOTA_EXHAUSTED,
    "budget_exceeded": E.QUOTA_EXHAUSTED,  # LiteLLM
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
    "insufficient_system_resource": E.OVERLOADED,  # DeepSeek
    "capacity_exceeded": E.OVERLOADED,  # Groq's 498
    "tool_use_failed": E.SERVER_ERROR,  # Groq: the model made a bad call; the next try may be good
    "json_validate_failed": E.SERVER_ERROR,  # Groq: the same with a response format
    "API_KEY_INVALID": E.AUTHENTICATION,  # Gemini sends it with status 400
    "UNAUTHENTICATED": E.AUTHENTICATION,
    "UNAVAILABLE": E.OVERLOADED,
    "CANCELLED": E.SERVER_ERROR,  # by Gemini itself
    "3036": E.QUOTA_EXHAUSTED,  # Cloudflare's Workers AI: the day's free share is used up
    "3040": E.OVERLOADED,
    "5007": E.MODEL_NOT_FOUND,
    # Zhipu, Z.ai
    "1113": E.QUOTA_EXHAUSTED,
    "1211": E.MODEL_NOT_FOUND,
    "1301": E.CONTENT_FILTERED,
    "1302": E.RATE_LIMITED,
    "1303": E.RATE_LIMITED,
    "1304": E.QUOTA_EXHAUSTED,
    "1305": E.OVERLOADED,
    **dict.fromkeys(map(str, range(1308, 1322)), E.QUOTA_EXHAUSTED),
}

# MiniMax's `base_resp.status_code`; its texts are looked at first, for a prompt that is too long has 2013 as well.
MINIMAX: dict[str, E] = {
    **dict.fromkeys(("1000", "1001", "1013", "1024", "1033"), E.SERVER_ERROR),
    **dict.fromkeys(("1002", "1039", "1041", "2045"), E.RATE_LIMITED),
    **dict.fromkeys(("1004", "2049"), E.AUTHENTICATION),
    **dict.fromkeys(("1008", "2056"), E.QUOTA_EXHAUSTED),
    **dict.fromkeys(("1026", "1027"), E.CONTENT_FILTERED),
    "2013": E.INVALID_REQUEST,
}

# The vendor's type, looked at when code and text said nothing. Types that are used loosely (`invalid_request_error`,
# `api_error`, `server_error`) say less than the status and are left to IN_STREAM.
TYPES: dict[str, E] = {
    "insufficient_quota": E.QUOTA_EXHAUSTED,
    "insufficient_funds": E.QUOTA_EXHAUSTED,  # Vercel
    "quota_exceeded": E.QUOTA_EXHAUSTED,
    "usage_limit_reached": E.QUOTA_EXHAUSTED,
    "budget_exceeded": E.QUOTA_EXHAUSTED,  # LiteLLM, like the next
    "key_model_access_denied": E.PERMISSION_DENIED,
    "team_model_access_denied": E.PERMISSION_DENIED,
    "billing_error": E.QUOTA_EXHAUSTED,
    "CreditsError": E.QUOTA_EXHAUSTED,  # OpenCode
    "exceeded_current_quota_error": E.QUOTA_EXHAUSTED,  # Moonshot
    "authentication_error": E.AUTHENTICATION,
    "invalid_authentication_error": E.AUTHENTICATION,
    "permission_error": E.PERMISSION_DENIED,
    "not_found_error": E.MODEL_NOT_FOUND,
    "model_not_found": E.MODEL_NOT_FOUND,
    "resource_not_found_error": E.MODEL_NOT_FOUND,  # Moonshot
    "request_too_large": E.REQUEST_TOO_LARGE,
    "content_filter": E.CONTENT_FILTERED,  # Moonshot
    "rate_limit_error": E.RATE_LIMITED,
    "rate_limit_reached_error": E.RATE_LIMITED,
    "overloaded_error": E.OVERLOADED,
    "engine_overloaded_error": E.OVERLOADED,
    "overloaded": E.OVERLOADED,  # TGI
    "timeout_error": E.SERVER_ERROR,  # the vendor's own 504, not a time limit of ours
    "service_unavailable_error": E.OVERLOADED,
    "unavailable_error": E.OVERLOADED,  # llama.cpp while it loads the model
    "ThrottlingException": E.RATE_LIMITED,  # Bedrock, like those below
    "AccessDeniedException": E.PERMISSION_DENIED,
    "ResourceNotFoundException": E.MODEL_NOT_FOUND,
    "ModelNotReadyException": E.OVERLOADED,
    "ServiceUnavailableException": E.OVERLOADED,
    "ModelErrorException": E.SERVER_ERROR,
    **dict.fromkeys(SIGNATURES, E.AUTHENTICATION),
}

# A field that the server does not know or does not take, in the words of OpenAI, Azure, Gemini, Mistral, FastAPI, Groq,
# Together, Cohere, xAI, Bedrock, Fireworks, NVIDIA, LiteLLM, and of Go's, Rust's and Python's own readers of JSON.
STATUSES: dict[int, E] = {
    401: E.AUTHENTICATION,
    402: E.QUOTA_EXHAUSTED,
    403: E.PERMISSION_DENIED,
    404: E.MODEL_NOT_FOUND,
    405: E.UNSUPPORTED,  # not served at this path; another target may have it
    406: E.UNSUPPORTED,
    407: E.CONNECTION_FAILED,  # the proxy in between wants a password
    408: E.TIMEOUT,
    409: E.SERVER_ERROR,  # a lock that was not had in time; the vendors' own packages try again
    410: E.MODEL_NOT_FOUND,  # gone for good: a retired model
    413: E.REQUEST_TOO_LARGE,
    414: E.REQUEST_TOO_LARGE,
    415: E.UNSUPPORTED,
    421: E.SERVER_ERROR,  # misdirected: another connection may do (RFC 9110, section 15.5.20)
    423: E.OVERLOADED,
    424: E.SERVER_ERROR,  # something that the vendor depends on failed
    425: E.OVERLOADED,  # too early
    429: E.RATE_LIMITED,
    431: E.REQUEST_TOO_LARGE,
    451: E.PERMISSION_DENIED,  # for legal reasons, in this place
    498: E.OVERLOADED,
    499: E.CANCELLED,
    501: E.UNSUPPORTED,
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

# The raw finish reasons, in lower case, of a 200 that the model did not end: what comes empty with them is no answer.
FAILED_FINISH: dict[str, E] = {
    "error": E.SERVER_ERROR,
    "network_error": E.SERVER_ERROR,  # Zhipu
    "insufficient_system_resource": E.OVERLOADED,  # DeepSeek
    "load": E.OVERLOADED,  # Ollama: the model was loaded and nothing else was done
    "unload": E.OVERLOADED,
    "abort": E.SERVER_ERROR,  # vLLM and SGLang
    "malformed_function_call": E.SERVER_ERROR,  # Gemini, like the next: the next try may be good
    "unexpected_tool_call": E.SERVER_ERROR,
    "cancelled": E.SERVER_ERROR,  # Responses
}
