"""What a vendor's refusal, limit or failure tells of: its key, its model, or no more than the request that met it.

A breaker or a hold takes a target from everybody, so it needs evidence about the target. A code is none: a 403 is
said of a key, of a model, of one request's file and of words that a firewall does not like. The vendor's own words tell
them apart, and here is the one table of them; the first row that fits counts. Where none fits, nothing is known, and a
second, different request has to confirm it (`router.state.evidence`).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from providers.error_body import TEXT_CHARS, Words
from providers.errors import ErrorCode as E
from providers.errors import ProviderError
from providers.vendor_words import NO_MODEL

Concern: TypeAlias = Literal["key", "model", "request"]

_REFUSED = frozenset({E.AUTHENTICATION, E.PERMISSION_DENIED, E.MODEL_NOT_FOUND})
_LIMITED = frozenset({E.QUOTA_EXHAUSTED, E.RATE_LIMITED})
_FAILED = frozenset({E.SERVER_ERROR, E.OVERLOADED, E.TIMEOUT})


class Row(NamedTuple):
    """Words, in lower case, that tell what a failure with one of these codes is about.

    `where` says whether they are looked for in what the vendor says (its code, type and text), or in the whole body, as
    far as it is kept. `means` is what docs/errors.md says of them.
    """

    codes: frozenset[E]
    words: Words
    concern: Concern
    means: str
    where: Literal["said", "body"] = "said"


# Things that a request names by an id, or brings along.
_THING = (
    r"(?:files?|file_id|uploads?|attachments?|documents?|images?|image_url|audio|videos?|urls?|media|responses?"
    r"|previous_response|conversations?|messages?|items?|containers?|batch(?:es)?|vector[ _]?stores?|assistants?"
    r"|threads?|runs?|prompts?|skills?|agents?|knowledge bases?|cached ?contents?|caches?|guardrails?|collections?"
    r"|datasets?|connectors?|mcp|tools?|fine[- ]tuning jobs?|voices?|sessions?|blobs?|buckets?|objects?|indexe?s?"
    r"|tuned ?models?|topics?|tags?|chats?|interactions?|workflows?|recipes?|links?|call_id)"
)
_MISSING = (
    r"(?:not (?:be )?found|not exist|doesn't exist|no longer (?:exists?|available)|expired|evicted|deleted|private"
    r"|unknown|invalid"
    r"|denied"
    r"|forbidden|not (?:allowed|accessible|authori[sz]ed|permitted|owned)|permission|(?:no|not have|without) access"
    r"|belongs? to|could not be (?:found|located|read|opened|loaded|accessed|fetched|downloaded|retrieved))"
)
_FEATURE = (
    r"(?:features?|beta|previews?|web[ _]search|file[ _]search|code[ _](?:interpreter|execution)|computer[ _]use"
    r"|image[ _]generation|fine[- ]?tun\w{1,4}|batch(?:es)?|streaming|stream|reasoning summar(?:y|ies)"
    r"|(?:service|priority)[ _]tier|priority|flex|prompt cach\w{1,4}|tools?|tool use|functions?"
    r"|structured outputs?|vision|(?:image|document|pdf|video)s? inputs?|audio|zero data retention|logprobs"
    r"|citations|search"
    r"|grounding|mcp|long context|1m context|fast mode)"
)
_BAD = r"(?:incorrect|invalid|wrong|missing|expired|malformed|revoked|disabled|unknown|unrecogni[sz]ed|unusable|bad)"
_KEY = (
    r"(?:(?:x-|virtual |subscription |secret |access |proxy |auth\w{0,12} |security |bearer |oauth |jwt |api )?"
    r"(?:api[-_ ]?)?(?:key|token|jwt|credentials?|secret|authentication|authorization|apikey)\b"
    r"|\[key\])"  # as a key is blanked out
)
_ACCOUNT = (
    r"(?:account|organi[sz]ation|org|workspace|project|team|subscription|tenant|user|consumer|(?:api )?key|license)"
)

ROWS: tuple[Row, ...] = (
    # --- refusals and failures
    Row(
        _FAILED | _REFUSED,
        Words(
            r"tool_use_failed|json_validate_failed|failed_generation|malformed[_ ]function[_ ]call",
            r"unexpected[_ ]tool[_ ]call",
            r"conversation_locked|operating on this conversation|\bmcp\b|external connector|tool list",
            r"\b(?:download|fetch|retriev)\w{0,4} (?:\w{1,12} ){0,4}?"
            r"(?:image|file|url|document|media|video|audio)s?\b(?!\w)",
        ),
        "request",
        "a tool call or format that the model got wrong, a conversation that is in use, a link or MCP server of the "
        "request",
    ),
    Row(
        _REFUSED,
        Words(
            r"^(?!http 404)(?s:.)*?\b(?:your|user'?s?|this|current|the requested) (?:\w{1,12} )?(?:location|region)",
            r"countr(?:y|ies)\b|territor|geograph|jurisdiction|\bembargo|\bsanction",
            r"^http 451|unsupported_country|for legal reasons|legally restricted|地区",
        ),
        "request",
        "where the request comes from (country, region, law)",
    ),
    Row(
        frozenset({E.MODEL_NOT_FOUND}),
        Words(
            r"model[_-]not[_-](?:found|available|supported)|model_decommissioned|deploymentnotfound",
            r"\bmodel\b[^.]{0,40}(?:end[- ]of[- ](?:its )?life|as legacy)|model can ?not be found",
            r"模型不存在|modelnotopen|no endpoints found|no (?:\w{1,12} )?providers (?:are )?available",
            r"\bmodel: [\w./: -]{1,100}$",
            NO_MODEL.pattern,
        ),
        "model",
        "the model or deployment does not exist, is retired or not served",
    ),
    Row(
        _REFUSED,
        Words(r"\bend[ _-]?users?\b"),
        "request",
        "the end user whom the request names",
    ),
    Row(
        _REFUSED,
        Words(
            rf"\b{_BAD}(?: or \w{{1,12}})? {_KEY}|invalid_api_key|invalidapikey|api_key_invalid",
            rf"\b{_KEY}[^.]{{0,60}}?\b(?:is|was|has been|are|has) (?:\w{{1,10}} )?"
            r"(?:not valid|invalid|expired|incorrect|missing|revoked|disabled|blocked|deleted|inactive|leaked|suspended"
            r"|deactivated|unusable|reported|not (?:found|recogni[sz]ed|provided|active))",
            rf"\b{_KEY} (?:expired|invalid|not found|not valid|revoked|required|expected|missing)\b",
            r"\bno (?:api[-_ ]?key|token|credentials)\b",
            r"no (?:\w{1,10} )?(?:auth(?:entication|orization)?|credentials?) (?:\w{1,12} )?"
            r"(?:found|provided|header)|check the api-key|carry the api secret",
            r"authentication (?:fails|failed|parameter|error)|unregistered callers|user not found|invalid username",
            r"(?:didn't|did not|must|need to|please) provide (?:an?|your|the) (?:valid )?(?:api )?(?:key|token)",
            r"must be a member of an organi[sz]ation|missing scopes?: (?:model\.request|api\.(?:model|responses|chat))",
            r"insufficient (?:authentication )?scopes|lacks? (?:the )?(?:required )?scopes?|key (?:does not"
            r"|doesn't) exist",
            r"permission (?:denied on resource|to use) project|principal does not have access",
            r"does not match resource tenant",
            r"oauth[^.]{0,40}?not (?:currently )?(?:allowed|supported)|requests from referer",
            r"key has an? [\w ]{1,30}restriction",
            r"request signature|signature (?:expired|does ?n[o']t match|mismatch)",
            r"无效的令牌|令牌(?:已过期|状态不可用)|(?:api ?key|身份验证|鉴权)[^.]{0,12}?(?:无效|错误|失败|过期)",
        ),
        "key",
        "the key is wrong, missing, expired, revoked or blocked",
    ),
    Row(
        _REFUSED,
        Words(r"not authorized to perform:? bedrock|(?:identity|resource)-based policy|service control policy"),
        "model",
        "an account's own rules on who may call the model (IAM)",
    ),
    Row(
        _REFUSED,
        Words(
            rf"\b{_FEATURE}\b['\"`)]{{0,2}}[^.]{{0,60}}?\b(?:not (?:be |yet |currently )?(?:enabled|available"
            rf"|allowed|supported"
            r"|permitted|included|authori[sz]ed|verified)|isn't|requires?|turned off|disabled|denied|restricted"
            r"|forbidden"
            r"|verified|unavailable"
            r"|not have|no access|limited to)",
            r"\b(?:access|permission|allowed|authori[sz]ed|entitled|enabled|eligible|available|verified|perform|use"
            r"|include|"
            rf"generate)\b[^.]{{0,60}}?\b{_FEATURE}\b",
        ),
        "request",
        "a feature or tool that the request asks for is not open to it",
    ),
    Row(
        _REFUSED,
        Words(
            rf"\b{_ACCOUNT}\b[^.]{{0,60}}?\b(?:suspended|deactivated|disabled|terminated|banned|closed|deleted|frozen"
            r"|on hold|inactive|not active|(?:is|was|has been) blocked|restricted|locked|archived"
            r"|not (?:been )?verified)\b",
            r"\b(?:trial|subscription|license) (?:\w{1,8} )?(?:has |is )?(?:expired|ended|over)\b",
            r"\b(?:account|key) blocked\b",
            r"account_deactivated|organization_on_hold|cmek_key_disabled|organization has been disabled",
            r"\bip (?:address(?:es)? )?(?:[^.]|\.\d){0,60}?(?:not (?:allowed|authori[sz]ed|permitted|in\b)"
            r"|white ?-?list|allow ?-?list|blocked)",
            r"(?:api|service)\b[^.]{0,80}?(?:has not been used in project|is disabled|not been enabled)",
            r"requires billing|not authorized to invoke this api|virtual network|private endpoint",
            r"public (?:network )?access is|requests to this api [^ ]{0,200} ?(?:method [^ ]{0,200} )?are blocked",
            r"terms of service[^.]{0,40}accept|accept[^.]{0,40}terms of (?:service|use)",
        ),
        "key",
        "the account, organization or project of the key is closed, or the key's network or API not admitted",
    ),
    Row(
        _REFUSED,
        Words(
            r"guardrail|guard rail|firewall|\bwaf\b|mod_?security",
            r"security (?:policy|rule|configuration|solution|service)",
            r"(?:request|prompt|message|input|content)s? (?:was|were|is|are|has been|have been) (?:\w{1,12} )?"
            r"(?:blocked|rejected|denied|filtered|flagged|refused)|you have been blocked",
            r"(?:blocked|rejected|denied) by\b|attention required|error code: 10\d\d|cloudflare(?:</| ray)",
            r"\| cloudflare|akamai|incapsula|imperva|errors\.edgesuite",
            r"sucuri|\bf5\b|requested url was rejected|support id is|request blocked|access denied</title|just a moment"
            r"|\bcaptcha|bot[- ](?:detect|protect)|enable javascript and cookies|cloudfront|fortigate|attack id"
            r"|zscaler|barracuda"
            r"|ddos|security checkpoint|^http 403.{0,80}?an html page(?!: 403 forbidden)|imunify|wallarm|radware"
            r"|datadome|perimeterx|application-gateway|web page blocked|unusual traffic"
            r"|reference (?:&#32;)?#\d",
            r"content[ _-]?(?:safety|policy|filter|moderation)|moderation|inappropriate|violat|unsafe"
            r"|(?:usage|safety|security|acceptable use|data|company|organi[sz]ation'?s?) polic(?:y|ies)\b"
            r"|(?:output|response|request|prompt|message|input|content)s?:? (?:blocked|refused|rejected|flagged"
            r"|filtered)"
            r"|(?:attack|threat|entity|profanity|pii|secret)s? (?:was |were )?detected|malicious|toxic|disallowed"
            r"|abus(?:e|ive)\b|copyright|thinking block|restricted content|malware|\bvirus"
            r"|hate speech"
            r"|(?:prohibited|banned|forbidden|blocked) (?:use|content|topic|word|term|phrase|categor)|prompt[ _-]shield"
            r"|jailbreak|injection|sensitive|harmful|\bpii\b|data loss|\bdlp\b",
        ),
        "request",
        "a guardrail, a firewall (WAF) or a policy blocked the content",
        "body",
    ),
    Row(
        _REFUSED,
        Words(
            r"previous_response_not_found|file_not_found|no such (?:file|response|conversation|container|item)",
            rf"\b{_THING}(?:_ids?)?\b[^.]{{0,100}}?\b{_MISSING}|\bnot found\W{{1,4}}{_THING}[/:]",
            rf"\b(?:no|no such|unknown|invalid|unauthori[sz]ed|forbidden|(?:can(?:not|'t)|unable to|could ?n[o']t"
            rf"|failed to|error) "
            rf"(?:find|locate|access|read|fetch|load|retriev\w{{1,4}}"
            rf"|download\w{{0,3}})) (?:\w{{1,12}} ){{0,3}}{_THING}\b",
            rf"\b(?:access|permission|authori[sz](?:ed|ation)|allowed)\b[^.]{{0,60}}?\b{_THING}\b",
        ),
        "request",
        "a file, response, conversation, container, batch, vector store, assistant, link or another thing that the "
        "request names",
    ),
    Row(
        _REFUSED,
        Words(
            r"\b(?:access|permissions?|allowed|authori[sz]ed|entitled|enabled|permitted|verified|subscription|plan)\b"
            r"[^.]{0,80}?\b(?:models?|deployments?)\b",
            r"\b(?:models?|deployments?)\b(?:[^.]|\.\b){0,100}?\b(?:access|permission|allowed|denied|forbidden|disabled"
            r"|enabled|authori[sz]ed|restricted|verified|subscription|plan|upgrade|gated|blocked"
            r"|private|activated|purchased|eligible|(?:not|isn't) available)",
            r"(?:key|team|project|user|org)_model_access_denied|/models/|no endpoints found|^http 410",
            NO_MODEL.pattern,
        ),
        "model",
        "the key has no access to the model",
    ),
    # --- limits
    Row(
        _LIMITED,
        Words(r"quotaid\W{1,8}\w{0,200}permodel|per_project_per_base_model|per_base_model"),
        "model",
        "a quota whose name says that it is per model (`…PerProjectPerModel…`)",
        "body",
    ),
    Row(
        _LIMITED,
        Words(r"quotaid\W{1,8}\w"),
        "key",
        "a quota whose name says nothing of a model",
        "body",
    ),
    Row(
        _LIMITED,
        Words(r"only afford|fewer max_tokens|prompt tokens limit exceeded|\bend[ _-]?user\b|\bcustomer\b"),
        "request",
        "more than is left, asked for by one request, or a limit of the end user whom it names",
    ),
    Row(
        _LIMITED,
        Words(
            r"free[- ](?:tier|quota|models?) (?:of|for) (?:the |this )?model|allocationquota\.freetieronly|free-models",
            r"(?:quota|limit|metric)\b[^.]{0,80}?\bmodel: ?[\w`'\"]|limit for the \[|specific to (?:this|the) model",
            r"bymodelby|model\w{0,10}ratelimit|endpoint(?:tpm|rpm)|_model_(?:rate_)?limited|inference limit",
            r"\b(?:opus|sonnet|haiku|fable|gpt-[\w.]{1,12}|gemini) (?:\w{1,8} )?(?:usage |rate |weekly |daily )?limit",
            r"(?:quota|limit|allowance)s? (?:\w{1,12} ){0,4}?(?:for|of|on) (?:the |this )?"
            r"(?:model|deployment|endpoint)",
        ),
        "model",
        "a limit or quota of this model",
    ),
    Row(
        frozenset({E.QUOTA_EXHAUSTED}),
        Words(
            r"balance|credit|billing|payment|fund|\bpaid\b|prepaid|arrear|overdue|recharge|top.?up|spend|budget"
            r"|\bplan\b"
            r"|subscription|in good standing|account is not active|余额|额度|欠费",
            r"current quota|insufficient_(?:user_)?quota|usage[ _]limit|weekly|monthly|out of (?:extra )?usage|neurons",
            rf"\b{_ACCOUNT}\b",
        ),
        "key",
        "money, credit, a plan or the account's allowance",
    ),
    Row(
        frozenset({E.RATE_LIMITED}),
        Words(
            r"\b(?:models?|deployments?|endpoints?)\b|azure openai|pricing tier|no deployments available",
            r"would exceed (?:your organi[sz]ation's rate limit|the rate limit for your organi[sz]ation)",
            r"(?:input|output|prompt|completion|generated) tokens? per (?:min|sec|hour|day)",
        ),
        "model",
        "a rate of a model or deployment, and Anthropic's, which are of each class of models",
    ),
    Row(
        frozenset({E.RATE_LIMITED}),
        Words(
            rf"\b(?:your|this|the|per|for|by|max|of|an?)[ _](?:\w{{1,12}}[ _])?{_ACCOUNT}\b|\btrial\b",
            rf"\b{_ACCOUNT} (?:\w{{1,10}} )?limit|\bip address",
            r"_global_rate_limited|account\w{0,10}ratelimit|concurrency|concurrent|userby(?:minute|day|concurrent)"
            r"|organi[sz]ation'?s?\b",
        ),
        "key",
        "a rate of the key, account or organization",
    ),
)


_SPOKEN = frozenset(code for row in ROWS for code in row.codes)


def concern(error: ProviderError) -> Concern | None:
    """Say what a failure tells of; None where the vendor's words decide nothing, or the code is of another kind."""
    if error.code not in _SPOKEN:
        return None
    said = " ".join(filter(None, (f"http {error.status}", error.vendor_code, error.vendor_type, error.message)))
    said = said[:TEXT_CHARS].lower().replace("\u2019", "'")
    name = error.model.lower().rpartition("/")[2]
    if len(name) > 3:  # a name may hold any word: gpt-image-1
        said = said.replace(name, "model")
    body = f"{said} {(error.body_excerpt or '').lower()}"
    for row in ROWS:
        if error.code in row.codes and row.words.search(said if row.where == "said" else body):
            return row.concern
    return None
