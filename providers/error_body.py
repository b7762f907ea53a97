"""A vendor's error body, whatever its shape, as one `Fault`; bounded, so that no body costs more than its first pages.

Shapes: OpenAI's and its imitations', Anthropic's, Gemini's list, Ollama's and xAI's `error: "text"`, Mistral's and
FastAPI's `detail`, OpenRouter's `metadata.raw`, Groq's `x_groq`, MiniMax's `base_resp`, Cloudflare's `errors`, the
problem+json of RFC 9457 (NVIDIA), a choice's own `error`, JSON within a string, plain text and HTML.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import Any

import msgspec

TEXT_CHARS = 4096  # of an error's text that is read and matched
NAME_CHARS = 200  # of a vendor's code, type or request id
_ENTRIES = 20  # of a list of errors
_DEPTH = 6
_TITLE = r"(?is)<title[^>]{0,200}>(.{0,300}?)</title"
_SLUG = r"[A-Za-z][\w.-]{2,60}"
_MARKS = frozenset({"success", "type", "x_groq", "base_resp", "code", "error_code", "statusCode"})
_FINE = (None, 0, 200, "0", "200", "")  # codes of no error
# AWS's types of errors that say that a token has run out, or a signature is wrong.
SIGNATURES = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId"}
    | {"InvalidSignatureException", "IncompleteSignatureException", "SignatureDoesNotMatch"}
    | {"MissingAuthenticationToken", "MissingAuthenticationTokenException"}
)
_NOTHING: dict[str, Any] = {}
# Where a text, a code and a type stand, the usual first.
_MESSAGES = ("message", "msg", "detail", "error_description", "error_message", "error_msg", "errorMessage")
_MESSAGES_LAST = ("status_msg", "Message", "error", "title")
_CODES = ("code", "error_code", "errorCode", "statusCode")
_TYPES = ("type", "error_type", "__type")


class Fault(msgspec.Struct):
    """An error body, whatever its shape was.

    `error` is the object that holds the error, `body` the whole, `inner` what a gateway quotes of the vendor behind it.
    `minimax` says that `code` is one of MiniMax's, whose numbers mean other things elsewhere.
    """

    message: str = ""
    type: str | None = None
    code: str | None = None
    request_id: str | None = None
    error: dict[str, Any] = {}
    body: dict[str, Any] = {}
    inner: Fault | None = None
    minimax: bool = False

    @property
    def status(self) -> int | None:
        """The HTTP status that the body speaks of: OpenRouter and vLLM put it into `code`."""
        for value in (self.code, self.error.get("status_code"), self.error.get("status")):
            text = str(value)[:6]
            if text.isascii() and text.isdecimal() and 400 <= int(text) <= 599:
                return int(text)
        return None

    @property
    def text(self) -> str:
        """All that is said, in lower case: the gateway's words and those of the vendor behind it."""
        quoted = sub(self.error, "metadata").get("raw")
        raw = quoted if isinstance(quoted, str) else self.inner.message if self.inner is not None else ""
        return f"{self.message[:TEXT_CHARS]} {raw[:TEXT_CHARS]}".lower().replace("\u2019", "'").strip()


class Words:
    """A regular expression for any of these, in lower case: the rows of the tables of words.

    It is compiled when a failure is first looked at: together they would cost a tenth of a first call.
    """

    def __init__(self, *patterns: str) -> None:
        self.pattern = "|".join(patterns)

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The pattern itself."""
        return re.compile(self.pattern)

    def search(self, text: str) -> re.Match[str] | None:
        """The first place where one of them is."""
        return self.compiled.search(text)


def parse_json(body: bytes | str) -> Any:
    """A JSON value; a byte order mark before it is skipped.

    msgspec refuses what some servers send (NaN, lone surrogates); the standard library then has a try.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
        try:
            return json.loads(text.removeprefix("\ufeff"))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def error_in(payload: object) -> bool:
    """Whether an answer or a chunk with status 200 carries an error in place of content.

    OpenRouter, vLLM and Ollama put `error` at the top, OpenRouter also into the choice, Groq into `x_groq.error`;
    Gemini wraps it in a list, MiniMax has `base_resp`, Cloudflare and Zhipu say `success: false`, Baidu and gateways
    give a code and a sentence.
    """
    if isinstance(payload, list) and payload:
        payload = payload[0]
    if not isinstance(payload, dict):
        return False
    if payload.get("error") or payload.get("object") == "error" or _choice_error(payload):
        return True
    if _MARKS.isdisjoint(payload):  # as of nearly every chunk
        return False
    if payload.get("success") is False or (payload.get("type") == "error" and "choices" not in payload):
        return True
    if sub(payload, "x_groq").get("error") or sub(payload, "base_resp").get("status_code"):
        return True
    if payload.get("choices") or _first(payload, _CODES) in _FINE:
        return False
    return any(isinstance(payload.get(key), str) for key in _MESSAGES)  # a code and its sentence, and no answer


def _choice_error(payload: dict[str, Any]) -> Any:
    choices = payload.get("choices")
    first = choices[0] if choices and isinstance(choices, list) else None
    return first.get("error") if isinstance(first, dict) else None


def read_fault(payload: object, depth: int = 0) -> Fault:
    """The error in a decoded body. Never raises."""
    if isinstance(payload, list):
        return read_fault(payload[0], depth + 1) if payload and depth < _DEPTH else Fault()
    if isinstance(payload, str):
        return Fault(_plain_text(payload))
    if not isinstance(payload, dict):
        return Fault()
    error = _error_of(payload)
    outer = error if isinstance(error, dict) else payload
    message = message_of(error) or message_of(payload)
    kind = _first(outer, _TYPES)
    if isinstance(error, str):  # a word for the error may have its sentence beside it
        sentence = message_of({key: value for key, value in payload.items() if key != "error"})
        if sentence and re.fullmatch(_SLUG, error):
            message, kind = f"{error}: {sentence}", kind or error
    minimax = sub(payload, "base_resp")
    code = minimax.get("status_code") or _first(outer, _CODES)
    if code is None:  # a code beside `error: "text"` is xAI's form; otherwise both live inside the error
        code = _first(payload, _CODES)
    fault = Fault(
        message=message[:TEXT_CHARS],
        type=name(kind.rpartition("#")[2]) if isinstance(kind, str) else None,  # without AWS's name space
        code=str(code)[:NAME_CHARS] if isinstance(code, str | int) and code != "" else None,
        request_id=name(payload.get("request_id")),
        error=outer,
        body=payload,
        minimax=bool(minimax.get("status_code")),
    )
    return _with_inner(fault, depth)


def _error_of(payload: dict[str, Any]) -> Any:
    error = payload.get("error") or sub(payload, "x_groq").get("error") or _choice_error(payload)
    if error:
        return error
    if sub(payload, "base_resp").get("status_code"):
        return payload["base_resp"]
    several, detail = payload.get("errors"), payload.get("detail")
    if isinstance(several, list) and several:
        return several[0]
    return (detail.get("error") or detail) if isinstance(detail, dict) else None


def _with_inner(fault: Fault, depth: int) -> Fault:
    """A gateway's error may quote the whole body of the vendor behind it, or only its words."""
    raw = sub(fault.error, "metadata").get("raw")
    quoted = raw if isinstance(raw, str) else fault.message
    said = "" if quoted is fault.message else quoted[:TEXT_CHARS]
    if depth < 2 and quoted.lstrip().startswith(("{", "[")):
        try:
            inner = read_fault(parse_json(quoted), depth + 1)
        except ValueError:  # cut, or no JSON at all
            inner = Fault()
        if inner.message:
            fault.inner = inner
            said = inner.message
            fault.message = said if quoted is fault.message else fault.message
    if said and said not in fault.message:
        fault.message = f"{fault.message}: {said}"[:TEXT_CHARS]
    return fault


def message_of(error: object, depth: int = 0) -> str:
    """The human text of an error, wherever it sits."""
    if isinstance(error, str):
        return error[:TEXT_CHARS]
    if depth >= _DEPTH:
        return ""
    if isinstance(error, list):  # FastAPI's validation errors
        return "; ".join(filter(None, (message_of(entry, depth + 1) for entry in error[:_ENTRIES])))
    if not isinstance(error, dict):
        return ""
    for key in (*_MESSAGES, *_MESSAGES_LAST):
        text = message_of(error.get(key), depth + 1)
        if not text:
            continue
        where = error.get("loc")
        if key == "msg" and isinstance(where, list):
            text = f"{'.'.join(map(str, where[:_ENTRIES]))}: {text}"
        return text
    return ""


def _plain_text(text: str) -> str:
    """A page's title instead of its source; other text as it is."""
    text = text[: 2 * TEXT_CHARS]
    title = re.search(_TITLE, text)
    if title:
        return f"an HTML page: {' '.join(title[1].split())}"
    if text.lstrip()[:9].lower().startswith(("<!doctype", "<html")):
        return "an HTML page"
    return text.strip()[:TEXT_CHARS]


def _first(holder: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((holder[key] for key in keys if holder.get(key) is not None), None)


def name(value: object) -> str | None:
    """A short string; None for anything else and for the empty one."""
    return value[:NAME_CHARS] if isinstance(value, str) and value else None


def sub(value: object, key: str) -> dict[str, Any]:
    """The object under a key; an empty one where there is none."""
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else _NOTHING


def details(fault: Fault) -> list[dict[str, Any]]:
    """Gemini's `details` list, also where a gateway quotes it."""
    holders = [fault.error, *([] if fault.inner is None else [fault.inner.error])]
    found = [entry for holder in holders if isinstance(entry := holder.get("details"), list)]
    return [entry for several in found for entry in several[:_ENTRIES] if isinstance(entry, dict)]
