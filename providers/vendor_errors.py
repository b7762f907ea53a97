"""The vendors' error codes, types, texts and statuses, and what each means: data for `providers.classify`.

From the error pages of OpenAI, Azure, Anthropic, Gemini, Groq, DeepSeek, Mistral, Together, OpenRouter, xAI, Moonshot,
Zhipu, MiniMax, DashScope and Cloudflare, from the sources of Ollama, vLLM, llama.cpp, TGI and LiteLLM, and from
recorded answers. What says that a prompt is too long is in `providers.context_errors`.
"""

from __future__ import annotations

from providers.error_body import SIGNATURES, Words
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
UNKNOWN_FIELD = Words(
    r"\b(?:unknown|unrecogni[sz]ed|unexpected|unsupported|extraneous|extra|additional|undefined)"
    r" (?:request |json |body |keyword |input |model |chat |top-level |query )?"
    r"(?:name|field|key|param(?:eter)?|argument|option|propert(?:y|ies)|input|attribute|variant)s?\b",
    r"\b(?:field|param(?:eter)?|argument|propert(?:y|ies)|keyword|option|input|key)s?\b.{0,80}?"
    r"\b(?:not (?:currently )?(?:permitted|allowed|supported|recogni[sz]ed|accepted|known|expected|a valid)"
    r"|unsupported|unexpected)",
    r"(?:not|isn't) a (?:valid|known|supported) (?:field|param(?:eter)?|argument|option|property|key)\b",
    r"additionalproperties\b.{0,80}?not (?:allowed|permitted)|cannot find field",
    r"incompatible (?:request )?(?:param(?:eter)?|argument|field|option)s?\b",
    r"should not be present|extra_forbidden|invalid field\b|no such field",
)
# Reasoning that a turn of another vendor or model cannot have, or that is bound to where it was made.
FOREIGN_TURN = Words(
    r"thought_?signature",
    r"reasoning_content.{0,80}?(?:missing|must be|required|passed back)|missing.{0,40}?reasoning_content",
    r"expected `?thinking`? or `?redacted_thinking`?|must start with a thinking block",
    r"(?:thinking|reasoning)`? (?:blocks?|content|items?)\b.{0,60}?(?:missing|required|must|cannot be modified)",
    r"without its required|required (?:'|\")?reasoning(?:'|\")? item|invalid `?signature`? in `?thinking",
    r"items? (?:are|is) not persisted|encrypted content.{0,40}?could not be",
)
# Something that this model, or this server as it was started, cannot do, for whatever request asks for it.
CANNOT = Words(
    r"no (?:endpoints|providers?|models?)[^.]{0,40}?(?:that |which |to |can )(?:support|handle)",
    r"tool.?choice requires --|requires (?:the )?--|--enable-auto-tool-choice|tool[-_ ]call[-_ ]parser|mmproj",
    r"at most \d{1,3} (?:image|audio|video|document|file)|(?:not|isn't) a (?:multimodal|vision|chat|reasoning) model",
    r"content'? ?: value must be a string|content (?:field )?(?:must|should) be a string",
    r"content(?:\.str)?: input should be a valid string|invalid type: (?:sequence|map), expected a string",
    r"(?:unknown|invalid|unsupported|unexpected|unrecogni[sz]ed) (?:chat )?(?:message |content )?"
    r"(?:content|part)(?: part)? type",
    r"input tag .{1,60}? does not match",
    r"chat template is no longer allowed|(?:not have|no|provide) (?:a )?chat.template",
    r"only supported by certain models|text[- ]only|cannot (?:process|handle|read|take) (?:image|audio|video|file)",
    r"image_url.{0,60}?(?:not (?:supported|allowed|accepted|enabled|available)|only)",
    r"(?:not|isn't) (?:enabled|available) (?:for|on|with|in)\b",
    r"\b(?:do|does|did)(?:n't| not)(?: currently| yet)? (?:support|accept|allow|take|handle)\b",
    r"\b(?:is|are|was)(?:n't| not)(?: currently| yet)? (?:support|compatible|accepted|permitted)",
    r"\bnot (?:currently |yet )?(?:support|supported|permitted)\b|\bunsupported\b|no support for",
    r"(?:\bno|not have|lacks?|without)(?: any)? (?:vision|image|audio|tool|function|multimodal|reasoning|thinking)\b"
    r".{0,20}?(?:support|capabilit|encoder)|must be .{1,30}? (?:for this model|when|while|with)\b",
    r"must be set to .{1,20}? for\b|content(?:\.str)?: str type expected",
    r"roles must alternate|expected last role|(?:unexpected|unknown|invalid|unsupported) (?:message )?role\b",
    r"system (?:message|prompt) must be (?:at the beginning|the first)|\bjinja\b|unable to generate parser",
    r"(?:effort|thinking|\brole|tool_choice|response_format)\b.{0,80}?(?:must be one of|input should be '|not one of)",
    r"not one of \[?['\"](?:system|user|assistant)['\"]",
    r"supported values are:? ['\"]?(?:none|minimal|low|medium|high|auto|default)\b",
    r"deprecated for this model|\b(?:temperature|top_p|top_k|parameter|field)`?'? (?:is|are|has been) deprecated",
    r"cannot (?:both )?be (?:both )?(?:used|specified|set|combined|enabled|provided)[^.]{0,40}?"
    r"(?:together|with|when|while|both|for this|same time)",
    r"cannot both be|mutually exclusive|incompatible with|may not be (?:enabled|used|set|specified)",
    r"(?:may|can|must) only be set to|\bonly (?:the default|supports?\b|accepts?\b|works? (?:in|with)\b)",
    r"\bonly (?:be )?(?:available|supported|allowed|used|permitted|valid) "
    r"(?:for|on|in|with|by|when|if|while|together)\b",
    r"\bonly .{1,40}? (?:is|are) (?:allowed|supported|accepted)|supports only|response_format type is unavailable",
    # schemas, whose rules differ from vendor to vendor
    r"(?:invalid|unsupported) (?:json )?schema|schemas?\b.{0,80}?"
    r"(?:too complex|too large|too deep|too many|nesting depth)",
    r"\bgrammar error|unimplemented keys",
    r"\b(?:inputs?|images?|tools?|vision|audio|thinking)\b.{0,20}? (?:is|are) disabled\b",
    r"too many (?:strict )?tools|\btools'?: array too long|(?:maximum|at most|limit) (?:of )?[\d,]{1,6} tools",
    r"\bschema is (?:invalid|not valid)\b",
    r"additionalproperties.{0,60}?(?:must|required|false)|(?:compiled )?grammar\b.{0,40}?(?:too|fail|invalid)",
    r"failed to (?:parse|compile|convert|initialize).{0,30}?(?:grammar|schema)",
    # what it can write at most
    r"supports at most [\d,]{1,15}|maximum allowed number of output tokens",
    r"max_(?:completion_|output_|new_)?tokens`?'?\b.{0,80}?(?:range|less than or equal|at most|too large|<=|exceeds)",
    # the machine
    r"requires more (?:system |gpu )?memory|not enough memory to load",
)
# The model is not there. `No endpoints found for` is OpenRouter's, `try pulling it` Ollama's.
NO_MODEL = Words(
    r"\bmodels?\b(?:[^.]|\.\b){0,100}?\b(?:not found|not exist|does(?:n't| not) exist"
    r"|no longer (?:available|supported|exists)"
    r"|(?:not|isn't) (?:a valid|available\b(?! yet)|served|deployed|accessible)"
    r"|(?:has been|was) (?:deprecated|decommissioned|discontinued|retired|removed|deleted|shut down)"
    r"|not supported by any)",
    r"\bmodel (?:['\"`][^'\"`]{1,100}['\"`] )?(?:is )?not supported\s{0,3}(?:[.'\"]|$)",
    r"model (?:identifier|id|name)\b.{0,60}? is (?:invalid|not)",
    r"there is no model|(?:unable to|could not|cannot) (?:find|resolve) (?:the )?(?:foundation )?model|模型不存在",
    r"\b(?:invalid|unknown|no such|unrecogni[sz]ed|unsupported) model\b|(?:not|isn't) a valid model",
    r"model not (?:exist|found)",
    r"no models? (?:is |are )?loaded|try pulling it|not found the model|deployment\b.{0,60}?(?:not exist|not found)",
    r"no endpoints found for|non-serverless model|no such deployment|^model: [\w./: -]{1,100}$",
)
# Not the model but another thing that the request names.
OTHER_THING = Words(
    r"\b(?:(?:previous[ _])?response|conversation|file|item|vector store|batch|assistant|thread|container|image)"
    r"(?: object)?(?: with)?(?: id)?\b[^.]{0,80}?\bnot found|no such (?:file|response|conversation|container|item)"
)
# The path is not there: the base URL is wrong, which no other request will fare better with.
WRONG_PATH = Words(
    r"^\W{0,5}(?:error:? )?(?:404:? )?(?:the )?(?:requested )?(?:page |path |route |endpoint |resource |url )?"
    r"(?:could )?(?:was )?(?:not (?:be )?found)\W{0,5}(?:404)?\W{0,5}$",
    r"^an html page|invalid url|cannot (?:post|get) /|\bno (?:matching )?(?:route|handler|static resource)\b",
    r"unknown (?:request )?(?:url|path|route|endpoint)|404 page not found",
    r"\b(?:url|path|route|endpoint)\b.{0,100}?not found",
    r"method not allowed|not found: (?:post|get|/)|no context-path",
)

_BAD = frozenset({400, 422})
_REFUSED = frozenset({400, 404, 405, 415, 422, 500, 501})
_NAMED = frozenset({400, 403, 404, 410, 422, 500})
_QUOTA = frozenset({400, 401, 402, 403, 429})
_BUSY = frozenset({400, 408, 409, 422, 424, 425, 429, 500, 502, 503, 504})
_ODD = frozenset({400, 403, 409, 422, 424, 500, 502, 503})

# Text, lower case, with the statuses at which it counts; an error without a status matches all. The first that fits.
TEXTS: tuple[tuple[Words, frozenset[int], E], ...] = (
    (Words(r"\bper (?:minute|second)\b|\b[rt]pm\b"), frozenset({429}), E.RATE_LIMITED),  # also called a quota
    (
        Words(
            r"credit balance is too low|specified (?:workspace )?api usage limits",
            r"\b(?:insufficient|not enough|out of|(?:have|has) (?:any|no)|any|no remaining|prepaid|pre-paid)"
            r" (?:\w{1,20} )?(?:credits?|balance|funds?|quota)\b",
            r"\bcredits?\b.{0,40}?(?:too low|exhausted|depleted|expired|used up|to unlock|to continue)",
            r"\b(?:quota|allowance|allocation)\b.{0,40}?(?:exhausted|depleted|used up)",
            r"account is not active|billing details",
            r"(?:depleted|exhausted|exceeded|used up|used all|reached|hit)\b[^.]{0,30}?\b(?:your|its|all|the)\b"
            r"[^.]{0,40}?\b(?:credits?|current quota|quota|allowance|allocation|budget|spend\w{0,5}|usage limits?)\b",
            r"spend(?:ing)? (?:limit|cap)|monthly (?:limit|budget|cap)|(?:budget|key limit) (?:has been )?exceeded",
            r"payment required|in arrears|arrearage|overdue|not in good standing|is in good standing|recharge",
            r"\b(?:balance|credits?|funds?|quota)\b (?:is |are )?(?:insufficient|not enough)|more credits|only afford",
            r"out of (?:extra )?usage|no payment method|余额不足|额度(?:不足|已用尽)",
            r"\b(?:hourly|daily|weekly|monthly) (?:request |usage |token |message )?(?:limit|quota|cap)"
            r" (?:has been )?(?:reached|exceeded|exhausted)",
            r"top.?up your|free tier of the model has been",
        ),
        _QUOTA,
        E.QUOTA_EXHAUSTED,
    ),
    (Words(r"billing"), frozenset({400, 402}), E.QUOTA_EXHAUSTED),  # Gemini's FAILED_PRECONDITION
    (
        Words(
            r"\b(?:incorrect|invalid|wrong|missing|expired|malformed|no) (?:x-)?api.?key",
            r"api.?key\b.{0,40}?(?:not valid|invalid|expired|incorrect|missing|revoked|disabled|required)",
            r"check the api-key|no auth credentials|invalid (?:proxy server|access|auth|bearer) token",
            r"security token included in the request|request signature we calculated|\bexpired ?token\b"
            r"|\b(?:access|auth|bearer|id|session) ?token\b.{0,20}?(?:expired|invalid|not valid|revoked)",
        ),
        frozenset({400, 403}),
        E.AUTHENTICATION,
    ),
    (
        Words(
            r"violates usage guidelines|content (?:management )?policy|contentpolicyviolation|safety (?:system|check)",
            r"content[ _]filter(?:ed|ing)?\b|flagged (?:as|by|for)|\bmoderation\b|inappropriate content",
            r"(?:prompt|input|content) (?:was|has been) flagged|blocked by .{0,30}?guardrail|敏感|不安全|违规",
            r"guardrails?\b.{0,30}?(?:blocked|intervened|violat|rejected)",
            r"prohibited_content|considered high risk|content exists risk|contains? sensitive|data_?inspection",
        ),
        frozenset({400, 403, 422, 500, 502}),
        E.CONTENT_FILTERED,
    ),
    # A rate that is told with another status than 429: Bedrock's, through gateways.
    (
        Words(r"rate.?limit|too many (?:concurrent )?requests|throttl"),
        frozenset({400, 403, 429, 500, 503}),
        E.RATE_LIMITED,
    ),
    (
        Words(
            r"overloaded|capacity (?:temporarily )?exceeded|(?:at|over|no|insufficient|out of) capacity",
            r"\bbusy\b|(?:queue|pending requests)\b[^.]{0,20}?(?:full|exceed|overflow|limit|reached)|loading model",
            r"\bno (?:slot|worker|replica|instance|node|gpu)s?\b[^.]{0,20}?available|service (?:is )?unavailable",
            r"\b(?:server|backend|engine|worker|instance|runner)s?\b[^.]{0,20}?(?:starting|not (?:yet )?ready)",
            r"model\b(?:[^.]|\.\b){0,80}?\b(?:loading|loaded|starting|warming|cold|unloaded)\b(?<!models loaded)",
            r"temporarily unavailable|no (?:available|healthy|free) \w{1,20}|high (?:demand|load|traffic)",
        ),
        _BUSY,
        E.OVERLOADED,
    ),
    (
        Words(r"\b(?:location|country|region|territory)\b.{0,40}?not (?:supported|available)"),
        frozenset({400, 403}),
        E.PERMISSION_DENIED,
    ),
    (
        Words(r"organi[sz]ation must be verified|must (?:verify|complete verification)"),
        frozenset({400, 403, 404}),
        E.PERMISSION_DENIED,
    ),
    (Words(r"no endpoints found that (?:support|can)"), _NAMED, E.UNSUPPORTED),
    (Words(r'option ".{1,40}" must be of type'), frozenset({500}), E.INVALID_REQUEST),  # Ollama: a bad option
    (Words(r"is not valid under any of the given schemas"), _BAD, E.INVALID_REQUEST),  # no JSON schema at all
    (NO_MODEL, _NAMED, E.MODEL_NOT_FOUND),
    (FOREIGN_TURN, _REFUSED, E.UNSUPPORTED),
    (UNKNOWN_FIELD, _REFUSED, E.UNSUPPORTED),
    (CANNOT, _REFUSED, E.UNSUPPORTED),
    (OTHER_THING, frozenset({404}), E.INVALID_REQUEST),
    (
        Words(r"(?:try|retry) (?:again )?(?:later|in \d)|please retry|temporary (?:failure|error)"),
        _ODD,
        E.OVERLOADED,
    ),
    (
        Words(
            r"internal (?:server )?error|^provider returned error\W*$|bad gateway",
            r"upstream (?:error|request|connect|time)|has crashed|out of memory|failed to load (?:the )?model",
            r"connection (?:error|refused|reset)|(?:request|gateway) timed out|deadline exceeded",
            r"client closed request|(?:operation|context|request) (?:was |has been )?cancell?ed",  # by who is between
        ),
        _ODD | {499},
        E.SERVER_ERROR,
    ),
)

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
