"""Takes secrets out of texts that leave: what a provider's settings hold, and whatever looks like a key.

Vendors and proxies quote what they were sent, also as it stands in a URL, in JSON, in HTML, or in base64.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from providers.settings import ProviderSettings
from providers.transport.environment import proxies_of

HIDDEN = "[key]"
SHORTEST = 8  # characters: a shorter secret, such as "ollama", would be blanked out of common words
_LONG = 200  # characters: a longer one, such as a token, is found by its beginning alone, with what follows it
_BEGINNING = 12  # characters of a secret that give it away where the rest is cut off
# Headers that say what is sent, not who sends it.
_OPEN_HEADERS = frozenset(
    {"accept", "accept-language", "anthropic-beta", "anthropic-version", "content-type", "http-referer", "openai-beta"}
    | {"referer", "user-agent", "x-title"}
)
_PLAIN = re.compile(r"[A-Za-z0-9]+")  # what is written in one way, but for its case
# A key begins where a word does, so that a long chain of beginnings is looked at once and not from each of them.
_KEYS = re.compile(
    r"(?i)\bbearer\s{1,20}[^\s\"',;]+"
    r"|\b(?:sk|pk|rk|gsk|xai|pplx|hf|key|r8|nvapi|csk|fw)[-_](?=[\w*-]{0,255}\d)[\w*-]{8,}"
    r"|\bsk-[\w*-]{6,}"
    r"|\bAIza[\w-]{10,}"
    r"|(?<![\w-])eyJ[\w-]{10,}\.[\w-]+(?:\.[\w-]+)?"
)


def scrub(text: str, secret: str | None = None) -> str:
    """The text without `secret` and without anything that looks like a key."""
    return _KEYS.sub(HIDDEN, _without(text, _sought([secret] if secret else [])))


class Renewed(Protocol):
    """What is issued anew from time to time."""

    changes: int

    @property
    def secrets(self) -> Iterator[str]:
        """What must not be shown now."""
        ...


class Scrubber:
    """Takes the secrets of one provider out of texts; they are looked for when the first text comes.

    Args:
        settings: the provider's.
        renewed: what it is issued besides.
    """

    __slots__ = ("_changes", "_renewed", "_secrets", "_settings")

    def __init__(self, settings: ProviderSettings, renewed: Renewed | None = None) -> None:
        self._settings = settings
        self._renewed = renewed
        self._changes = 0
        self._secrets: _Secrets | None = None

    def __call__(self, text: str, headers: Mapping[str, str] | None = None) -> str:
        """The text without secrets.

        Args:
            headers: that one call had besides the provider's own.
        """
        if headers:
            text = _without(text, _sought(_of_headers(headers)))
        return _KEYS.sub(HIDDEN, self.own(text))

    def own(self, text: str) -> str:
        """The text without this provider's secrets, which is cheaper and leaves what only looks like a key."""
        renewed = self._renewed
        if self._secrets is None or (renewed is not None and renewed.changes != self._changes):
            more = () if renewed is None else renewed.secrets
            self._changes = 0 if renewed is None else renewed.changes
            self._secrets = _sought((*secrets_of(self._settings), *more))
        return _without(text, self._secrets)


def secrets_of(settings: ProviderSettings) -> Iterator[str]:
    """The key, the values of headers, the passwords and queries of URLs, and that of a certificate."""
    if settings.secret:
        yield settings.secret
    if settings.client_cert is not None and settings.client_cert.secret:
        yield settings.client_cert.secret
    yield from _of_headers(settings.headers)
    proxies = proxies_of(os.environ) if settings.proxy is None else [settings.proxy]
    for url in (settings.base_url, *proxies):
        if isinstance(url, str):
            yield from of_url(url)


def _of_headers(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if isinstance(name, str) and isinstance(value, str) and name.lower() not in _OPEN_HEADERS:
            yield value
            yield value.partition(" ")[2].strip()  # what follows `Bearer` or `Basic`


def of_url(url: str) -> Iterator[str]:
    """The user and password of an address, and the values of its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    if user or password:
        yield from (password or user, unquote(password or user))
        yield f"{unquote(user)}:{unquote(password)}"
        yield f"{user}:{password}"
    for name, value in parse_qsl(parts.query):
        if name not in ("api-version", "version"):
            yield from (value, quote(value))


class _Secrets(NamedTuple):
    """What finds secrets, however they are written: a text of ASCII that has none of `signs` has none of them."""

    pattern: re.Pattern[str]
    signs: tuple[str, ...]


def _without(text: str, secrets: _Secrets) -> str:
    if text.isascii():  # in others a letter may stand for another that is written alike
        lower = text.lower()
        for sign in secrets.signs:  # every answer's names come here, and the pattern would take ten times as long
            if sign in lower:
                break
        else:
            return text
    return secrets.pattern.sub(HIDDEN, text) if secrets.signs else text


def _sought(secrets: Iterable[str]) -> _Secrets:
    """What finds these secrets; nothing where all are too short."""
    found = {secret for secret in secrets if len(secret) >= SHORTEST}
    found |= {form for secret in found for form in _in_base64(secret)}
    ways = [_written(secret) for secret in sorted(found, key=len, reverse=True) if len(secret) <= _LONG]
    ways += [_written(secret[:_BEGINNING]) + r"[\w%+/=.~*-]*" for secret in sorted(found) if len(secret) > _BEGINNING]
    return _Secrets(re.compile("|".join(ways), re.IGNORECASE), tuple({_sign(secret[:_BEGINNING]) for secret in found}))


def _sign(beginning: str) -> str:
    """The longest part of a secret's beginning that is written in one way, whatever its case; it may be empty."""
    longest: str = max(_PLAIN.findall(beginning), key=len, default="")
    return longest.lower()


def _in_base64(secret: str) -> Iterator[str]:
    """As in `Basic` authentication, without the last characters, which depend on what follows."""
    data = secret.encode("utf-8", "surrogatepass")
    for form in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
        yield form.decode()[: len(data) // 3 * 4]


def _written(secret: str) -> str:
    """A pattern of the secret as it is, or as it stands in a URL, in JSON or in HTML."""
    return "".join(char if char.isascii() and char.isalnum() else _ways(char) for char in secret)


def _ways(char: str) -> str:
    quoted = "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
    escaped = json.dumps(char)[1:-1]
    point = ord(char)  # JSON writes what lies beyond U+FFFF as a pair of surrogates (RFC 8259, section 7)
    units = f"{point:04x}" if point < 0x10000 else f"{0xD7C0 + (point >> 10):04x}{0xDC00 + (point & 0x3FF):04x}"
    in_json = "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
    ways = {char, escaped, f"\\{char}", html.escape(char), f"&#{ord(char)};"} | ({"+"} if char == " " else set())
    exact = [re.escape(way) for way in sorted(ways, key=len, reverse=True)]
    return f"(?:{'|'.join(exact)}|{re.escape(quoted)}|{re.escape(in_json)})"
