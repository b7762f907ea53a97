"""What vendors' texts mean, where neither a status nor a code tells: patterns, each with its statuses.

Every pattern is linear in the text, which a test checks.
"""

from __future__ import annotations

from providers.error_body import Words
from providers.errors import ErrorCode as E

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
            r"(?:prompt|input|content) (?:was|has been) flagged|敏感|不安全|违规",
            r"prohibited_content|considered high risk|content exists risk|contains? sensitive|data_?inspection",
        ),
        frozenset({400, 403, 422, 500, 502}),
        E.CONTENT_FILTERED,
    ),
    # With a 403 it is a refusal of who asks, by somebody on the way: another target may serve.
    (
        Words(r"blocked by .{0,30}?guardrail|guardrails?\b.{0,30}?(?:blocked|intervened|violat|rejected)"),
        frozenset({400, 422, 500, 502}),
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
