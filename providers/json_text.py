"""The JSON of an answer: what a model wrote around it is left away, and what it wrote is never changed.

Mended are fences, prose around, what it thought in tags before, a text that is JSON itself, and a comma after the last
element. All else that is wrong is a fault: of broken JSON nobody knows what was meant.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NamedTuple, NoReturn

from providers.think_tags import ThinkSplitter


class InvalidAnswer(ValueError):
    """An answer is not what was asked for; the text says where, such as `$.items[2].price`, and why."""


class Found(NamedTuple):
    """A JSON value of an answer: its text, which has nothing else in it, and what it says."""

    text: str
    value: Any


_BLANK = " \t\r\n\f\v\u00a0\ufeff\u200b\u2060"  # what is around an answer and says nothing
_OPENING = ("{", "[")
_MOST = 1000  # brackets, and fences, of an answer that are looked at; none that is meant has so many
_VALUES = 10  # values of an answer
_FENCE = re.compile(r"```[ \t]*(?:([\w+-]+)[ \t]*)?(?:\r?\n)?")
_JSON_FENCES = frozenset({"", "json", "jsonc", "json5", "javascript", "js"})
_AROUND = re.compile(f"[{_BLANK}]*")
_FENCE_END = re.compile(f"[{_BLANK}]*(?:```|$)")
# Thinking that stands first, or whose beginning the prompt had: no text within JSON goes to the end of a line.
_THOUGHT = re.compile(r"<(?:think|thinking|thought)>")
_THOUGHT_END = re.compile(r"(?:^|\n)[ \t]*</(?:think|thinking|thought)>|</(?:think|thinking|thought)>[ \t]*(?:\n|$)")
# A bracket that may be one of a sentence, such as [1] or {name}: it is an answer where it stands by itself.
_REMARK = re.compile(r"[\[{][^\[\]{}\"':\n]{0,80}[\]}]")
_BEFORE = re.compile(r"(?:^|[\n:=>`*])[ \t]*$")
_NAMED = re.compile(r'"\s*:\s*$')  # before a value that is part of an object, whose own bracket is missing
_AFTER = re.compile(r"[ \t]*(?:$|[\n<`*]|\.\s|\.$)")
_BRACKET = re.compile(r"[\[\]{}]")
# A text, which is passed over, to the end where it has none; or a comma after the last element, with what is before it.
_LAST_COMMA = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*\\?(?:"|\Z)|(?<=["\]}\w])\s*,(?=\s*[\]}])', re.DOTALL)


def _refuse(word: str) -> NoReturn:
    raise InvalidAnswer(f"{word} is no JSON")


def _number(word: str) -> float:
    value = float(word)
    if math.isinf(value):
        raise InvalidAnswer("a number is too large")
    return value


_decoder = json.JSONDecoder(parse_constant=_refuse, parse_float=_number)


def json_in(answer: str) -> list[Found]:
    """The JSON values of an answer; nearly always one.

    Raises:
        InvalidAnswer: there is none, or one that is broken.
        RecursionError: it is nested too deeply.
    """
    text = answer.strip(_BLANK)
    whole = _whole(text)
    if whole is None and (_THOUGHT.match(text) or _THOUGHT_END.search(text)):  # a draft of an answer is none
        text = ThinkSplitter().whole(text)[0].strip(_BLANK)
        whole = _whole(text)
    if not text:
        raise InvalidAnswer("$: the answer is empty")
    return [whole] if whole is not None else _fenced(text) or _in_prose(text)


def _whole(text: str) -> Found | None:
    """The JSON value that a text is, with nothing around it."""
    found = _value(text, 0)
    return found[0] if found is not None and found[1] == len(text) else None


def _value(text: str, start: int, *, mend: bool = True) -> tuple[Found, int] | None:
    """The JSON value that begins there, and where it ends; None where there is none that is whole."""
    said: str | None = text
    while said is not None:
        try:
            value, end = _decoder.raw_decode(said, start)
        except InvalidAnswer:
            return None
        except ValueError:  # also a number of more digits than Python reads
            said = _without_last_commas(text, start) if mend and said is text else None
            continue
        return Found(said[start:end], value), end
    return None


def _without_last_commas(text: str, start: int) -> str | None:
    """The text, from a JSON value's beginning on, with a blank for each comma after a last element, so that all places
    stay; None where there is none.
    """
    if text[start : start + 1] not in _OPENING:
        return None
    rest, changed = _LAST_COMMA.subn(_blank, text[start:])
    return text[:start] + rest if changed else None


def _blank(found: re.Match[str]) -> str:
    return found[0] if found[0][0] == '"' else f"{found[0][:-1]} "


def _fenced(text: str) -> list[Found]:
    """The values within fences of Markdown; those of other languages are passed over."""
    found: list[Found] = []
    place = 0
    for _ in range(_MOST):
        fence = _FENCE.search(text, place)
        if fence is None:
            break
        place = fence.end()
        start = _AROUND.match(text, place).end()  # type: ignore[union-attr]  # it matches nothing as well
        if (fence[1] or "").lower() in _JSON_FENCES:
            inner = _value(text, start, mend=not found)
            if inner is not None and _FENCE_END.match(text, inner[1]):
                _add(found, inner[0])
                place = inner[1]
            elif inner is None and text[start : start + 1] in _OPENING:
                _broken(text, start)
        closing = text.find("```", place)
        place = len(text) if closing < 0 else closing + 3
    return found


def _add(found: list[Found], value: Found) -> None:
    if len(found) == _VALUES:
        raise InvalidAnswer(f"$: there are more than {_VALUES} JSON values in it, and one is expected")
    found.append(value)


def _in_prose(text: str) -> list[Found]:
    """The objects and lists that stand in sentences."""
    found: list[Found] = []
    place = 0
    for _ in range(_MOST):
        bracket = _BRACKET.search(text, place)
        if bracket is None:
            break
        start = bracket.start()
        remark = _REMARK.match(text, start)
        if remark is not None:
            place = remark.end()
            inner = _value(remark[0], 0)
            if inner is not None and _BEFORE.search(text, max(0, start - 20), start) and _AFTER.match(text, place):
                _add(found, inner[0])
            continue
        inner = _value(text, start, mend=not found) if bracket[0] in _OPENING else None
        if inner is None or _NAMED.search(text, max(0, start - 20), start):
            _broken(text, start)
        _add(found, inner[0])
        place = inner[1]
    else:
        raise InvalidAnswer("$: there is no JSON in it, but brackets without number")
    if not found:
        _broken(text, 0)
    return found


def _broken(text: str, start: int) -> NoReturn:
    """Say where it is no JSON: nothing of the answer's own text is told."""
    if text[start] in "]}":
        raise InvalidAnswer(f"$: a bracket is closed that was not opened, at character {start + 1}")
    try:
        _decoder.raw_decode(_without_last_commas(text, start) or text, start)
    except InvalidAnswer as error:
        raise InvalidAnswer(f"$: {error}") from None
    except json.JSONDecodeError as error:
        if text[start] not in _OPENING:
            raise InvalidAnswer("$: there is no JSON in it") from None
        ends = " (it ends within the JSON)" if error.pos >= len(text) else ""
        why = error.msg.removesuffix(" at")
        raise InvalidAnswer(f"$: {why} at line {error.lineno}, column {error.colno}{ends}") from None
    except ValueError as error:
        raise InvalidAnswer(f"$: {error}") from None
    raise InvalidAnswer("$: there is no JSON in it, but a part of some")
