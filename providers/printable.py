"""Other people's text as it may stand on a terminal, in a log or in a message: nothing in it acts, hides or reorders.

What it takes out: control characters (C0, C1, so escape sequences of every kind), marks that turn the direction of
writing or are invisible (Unicode's category Cf, variation selectors, tags, fillers), separators of lines and
paragraphs, and lone surrogates.
"""

from __future__ import annotations

import re

_ZERO_WIDTH = (
    r"\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff0-\ufffb"
    r"\u17b4\u17b5\u115f\u1160\u3164\uffa0\xad"
    r"\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_BAD = rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_ZERO_WIDTH}]"


def printable(text: str) -> str:
    """The text with its line ends and tabs, and nothing else that a terminal would obey.

    A control character is shown by its picture (ESC as U+241B), what is invisible goes, the rest becomes U+FFFD.
    """
    if text.isprintable() and text.isascii():
        return text
    return re.sub(_BAD, _shown, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """As `printable`, and without line ends and tabs: a name that has one can't pass for another line."""
    if text.isprintable() and text.isascii():
        return text
    return re.sub("[\n\t]", " ", printable(text))


def printable_json(text: str) -> str:
    """JSON whose strings have all of that as escapes: the same value, to whoever reads it."""
    return text if text.isascii() and "\x7f" not in text else re.sub(_BAD, _escaped, text)


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if code in (0x2028, 0x2029):
        return " "
    return "\ufffd" if code < 0xA0 or 0xD800 <= code <= 0xDFFF else ""


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
