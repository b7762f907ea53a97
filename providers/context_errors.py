"""Whether an error says that the prompt is too long for the model, and the numbers that it names.

The wordings are those of OpenAI, Azure, GitHub Models, Copilot, Anthropic, Bedrock, Gemini, Vertex, Groq, xAI, Mistral,
Cohere, DeepSeek, Moonshot, MiniMax, Zhipu, DashScope, Doubao, Cerebras, Together, Fireworks, Cloudflare, watsonx,
OpenRouter, LiteLLM, and of vLLM, SGLang, TGI, llama.cpp, LM Studio and Ollama.
"""

from __future__ import annotations

from providers.error_body import TEXT_CHARS, Fault, Words, sub

_STATUSES = frozenset({400, 403, 413, 422, 500})
_CODES = frozenset(
    {
        "context_length_exceeded",
        "token_limit_exceeded",
        "exceed_context_size_error",
        "model_context_window_exceeded",
        "context_window_exceeded",
        "too_many_prompt_tokens",
        "model_max_prompt_tokens_exceeded",  # Copilot
        "prompt_too_long",
        "tokens_limit_reached",  # GitHub Models
        "ContextWindowExceededError",
        "1261",  # Zhipu
    }
)
# What speaks of tokens or lengths, but not of the model's window: rates, one string, and the answer's own limit.
_NOT = Words(
    r"rate.?limit|too many requests|throttl|tokens per (?:min|hour|day)|\bper (?:minute|hour|day)\b",
    r"expected a string with maximum length|maximum allowed number of output tokens",
    r"supports at most [\d,]{1,15} (?:completion|output)",
    r"maximum value for `max_tokens`|range of `?max_tokens|tokens to sample",
)
_TEXT = Words(
    # a window that is named
    r"max(?:imum)? context (?:length|size|window)|max(?:imum)? (?:prompt|sequence|model) length",
    r"max(?:imum)? (?:allowed )?input (?:length|tokens?)\b|max_(?:model|seq)_len",
    r"context (?:length|window|size) of only|context length is only|model(?:'s)? token limit",
    # a prompt, or what it holds, that goes beyond something
    r"(?:context (?:window|length|size)|prompt|prompt token count|prompt_tokens|prompt tokens|input|inputs`? tokens"
    r"|input tokens?|input token count|input length|input is|number of input tokens|token count|text and image tokens"
    r"|number of tokens in the prompt)\b[^.]{0,60}?"
    r"(?:exceed|too long|too large for|longer than|larger than|greater than|overflow|must be <=|must be less than"
    r"|only supports up to)[^.]{0,60}?"
    r"(?:context|max|limit|length|window|token|prompt|model|[\d,]{4,15}|$|\W{0,3}$)",
    r"(?:context|token|prompt) (?:length|window|size|limit)?[ _]?(?:is |was |has been )?exceeded",
    r"(?:exceeds?|exceeded|exceeding|longer than|larger than|greater than|beyond|over) (?:the |this |its )?"
    r"(?:model'?s? |available |allowed |maximum |max |configured |input |loaded )*"
    r"(?:context|token limit|input length|sequence length)",
    r"exceed (?:the )?(?:context limit|configured limit)|input length and `?max_tokens`? exceed",
    r"cannot exceed [\d,]{1,15} - received|too many tokens: (?:total|size|max)|too long for requested model",
    r"`inputs`? must have less than|`inputs` tokens \+ `max_new_tokens`|range of input length",
    r"(?:prompt|input|message|request|conversation|context)s? (?:is|are) too long|prompt too long|input too long",
    r"reduce the (?:length|size|number) of (?:the |your )?(?:messages|input|prompt|completion|context|tokens)",
    r"reduce your prompt|provide a shorter input|context the overflows",
    r"tokens to keep from the initial prompt|max size: [\d,]{1,15} tokens|contextwindowexceeded",
    r"tokens? exceeds? (?:the )?(?:model|limit|max)|tokens of context|max_total_tokens",
    r"max_new_tokens.{0,12}?must be <=",
    r"cannot truncate prompt|context[ _](?:window[ _])?overflow"
    r"|(?:exceeds?|over|beyond) (?:the |its )?[\d,]{4,15}[- ]tokens? (?:context|limit|window|max)",
    r"must be at least 1, got -\d|more than max tokens allowed|max message tokens|prompt has [\d,]{1,15} tokens, but",
)
# A rate that one request alone goes over: waiting does not help ("Limit 6000, Requested 9000").
_ALONE = Words(
    r"limit:?\s{0,3}([\d,]{1,15})[,;. ]{1,3}(?:used:?\s{0,3}[\d,]{1,15}[,;. ]{1,3})?requested:?\s{0,3}([\d,]{1,15})"
)
_N = r"[\d,]{1,15}(?!\.\d)"
_WINDOW = rf"(?P<window>{_N})"
_PROMPT = rf"(?P<prompt>{_N})"
_IS_WINDOW = (
    r"(?:max(?:imum)?|model(?:'s)?|allowed|loaded with|available) (?:model |allowed )?"
    r"(?:context|prompt|input|sequence|model)[ _](?:length|size|window)"
)
# Each number has patterns of its own, the most exact first: the prompt's length without the answer's before any total.
_WINDOWS: tuple[Words, ...] = tuple(
    Words(pattern)
    for pattern in (
        rf"{_IS_WINDOW}(?: limit)?(?: is| of|:| was)?(?: only)?:? \(?{_WINDOW}",
        rf"context (?:length|window|size)(?: limit)? ?\(?(?:is |of |:)?(?: ?only)? ?\(?{_WINDOW}",
        rf"for model with {_WINDOW}",
        rf"tokens > {_WINDOW} maximum",
        rf"exceed context limit: {_N} \+ {_N} > {_WINDOW}",
        rf"number of tokens allowed \(?{_WINDOW}",
        rf"only supports up to {_WINDOW}",
        rf"configured limit of {_WINDOW}",
        rf"(?:exceeds?|exceeded|over|beyond|cannot exceed|should not exceed|must not exceed) (?:the |this |a )?"
        rf"(?:model'?s? |total |maximum |max |allowed |prompt |input |context |tokens? )*"
        rf"(?:limit|length|window)?(?: of| is|:)? ?(?!\(2013\))\(?{_WINDOW}",  # 2013 is MiniMax's code
        rf"(?:token )?limit(?: is| of|:) {_WINDOW}",
        rf"max size: {_WINDOW} tokens",
        rf"must (?:be <=|be less than|have less than|not exceed|be at most) (?:max_seq_len )?\(?{_WINDOW}",
        rf"should be \[\d{{1,9}}, ?{_WINDOW}\]",
        rf"limit for this model is {_WINDOW}",
        rf"\d(?: tokens)? > {_WINDOW}",
        rf"n_ctx \({_WINDOW}",  # LM Studio, like n_keep
        rf"(?:exceeds?|over|beyond) (?:the |its )?{_WINDOW}[- ]tokens? (?:context|limit|window|max)",
        rf"tokens,? max(?:imum)?(?: is| of|:)? {_WINDOW}",
        rf"max_(?:seq|model)_len ?\(?(?:is |of |: ?|= ?)?{_WINDOW}",
    )
)
_PROMPTS: tuple[Words, ...] = tuple(
    Words(pattern)
    for pattern in (
        rf"{_PROMPT} (?:tokens )?(?:in|from|of) (?:the |your )?(?:input |text )?(?:messages|input|prompt|text)",
        rf"(?:prompt|messages|request)[^.\d]{{0,30}}(?:contains|has|have|resulted in|contained)"
        rf"(?: at least| about)? {_PROMPT}",
        rf"passed {_PROMPT} input tokens",
        rf"{_PROMPT} input tokens",
        rf"with {_PROMPT} tokens",
        rf"n_keep \({_PROMPT}",
        rf"prompt (?:is too long|token count)(?: of|:)? {_PROMPT}",
        rf"too long: {_PROMPT} tokens",
        rf"exceed context limit: {_PROMPT} \+",
        rf"token count(?: is| of)? \(?{_PROMPT}",
        rf"(?:input|prompt) length(?: of)? \(?{_PROMPT}",
        rf"input_tokens \({_PROMPT}",
        rf"got {_PROMPT} tokens",
        rf"length of prompt_tokens \({_PROMPT}",
        rf"number of input tokens:? \(?{_PROMPT}",
        rf"(?:request|input|prompt) \({_PROMPT}(?: tokens)?\)",
        rf"\((?:length )?{_PROMPT}(?: tokens)?\)[^.]{{0,40}}?longer than",
        rf"given: {_PROMPT} `?inputs?",
        rf"(?:received|current length is|given:|first) {_PROMPT}",
        rf"prompt \(?{_PROMPT}\)? \+",
        rf"(?<![\d.,])(?<!\+ ){_PROMPT}(?: tokens)? > \d",
        rf"(?:resulted in|but got|requested:?(?: about| a total of)?) {_PROMPT}",
    )
)


def too_long(fault: Fault, status: int | None, text: str) -> bool:
    """Whether the prompt does not fit into the model's window.

    Args:
        text: all that the error says, in lower case.
    """
    if status in (None, 413, 429) and _alone(text) is not None:
        return True
    if status is not None and status not in _STATUSES:
        return False
    if fault.code == "string_above_max_length" or _NOT.search(text):
        return False
    inner = fault.inner
    named = {fault.code, fault.type, sub(fault.error, "metadata").get("error_type")}
    named |= {inner.code, inner.type} if inner is not None else set()
    return any(isinstance(code, str) and code in _CODES for code in named) or bool(_TEXT.search(text))


def numbers(fault: Fault, text: str) -> tuple[int | None, int | None]:
    """(context window, prompt tokens) as far as the error names them."""
    window, prompt = fault.error.get("n_ctx"), fault.error.get("n_prompt_tokens")
    if type(window) is int or type(prompt) is int:  # llama.cpp
        return (window if type(window) is int else None, prompt if type(prompt) is int else None)
    alone = _alone(text)
    if alone is not None:
        return alone
    text = text[: 2 * TEXT_CHARS]
    found = _first(_WINDOWS, text, "window")
    length = _first(_PROMPTS, text, "prompt")
    return found, length if length != found else None


def _alone(text: str) -> tuple[int, int] | None:
    match = _ALONE.search(text)
    limit, requested = (_number(match[1]), _number(match[2])) if match else (None, None)
    return (limit, requested) if limit and requested and requested > limit else None


def _first(patterns: tuple[Words, ...], text: str, group: str) -> int | None:
    for pattern in patterns:
        match = pattern.search(text)
        number = _number(match[group]) if match else None
        if number:
            return number
    return None


def _number(text: str) -> int | None:
    digits = text.replace(",", "")
    return int(digits) if digits else None
