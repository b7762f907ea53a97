"""What an answer has to be: any JSON, what a JSON Schema says, or a Python type that pydantic knows.

A type is a pydantic model, a dataclass, a TypedDict, or whatever else a `TypeAdapter` takes. It is made ready once.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec

from providers.annotations import portable
from providers.json_text import Found, InvalidAnswer, json_in
from providers.schemas import check
from providers.schemas.refs import Unfit, target
from providers.schemas.way_back import without_nulls

_DEEPEST = 100  # references that lead from one to the next
_MOST = 5  # faults that are told
_LONGEST = 1000  # characters of them
_WRAPPED = "answer"  # the name under which a value that is no object is asked for


class AnswerType(msgspec.Struct, frozen=True, eq=False):
    """What an answer has to be. `schema` is what the vendor is asked for, None for any JSON.

    `parse_json` reads a JSON text into a value of the type, and raises what pydantic raises; None leaves the value as
    it is. `is_wrapped`: the type's value is asked for under a name of an object, since vendors want one.
    """

    name: str = "answer"
    schema: Mapping[str, Any] | None = None
    parse_json: Callable[[str], Any] | None = None
    is_wrapped: bool = False

    @property
    def response_format(self) -> dict[str, Any]:
        """What a request asks for, where it is a type of Python."""
        return {"name": self.name, "schema": self.schema, "strict": True}

    def parse(self, answer: str) -> Any:
        """Read an answer's value.

        Raises:
            InvalidAnswer: it is no JSON, or not what the schema or type says; the text has the paths.
            Exception: whatever else a validator of the type raises.
        """
        try:
            return self._parsed(answer)
        except RecursionError:
            raise InvalidAnswer("$: it is nested too deeply") from None

    def _parsed(self, answer: str) -> Any:
        found = json_in(answer)
        if len(found) == 1 and not isinstance(found[0].value, str):
            return self._read(found[0])
        if len(found) == 1:  # a text, which may be JSON itself
            try:
                return self._read(found[0])
            except InvalidAnswer:
                found = _within(found[0].value) or found
        read: dict[str, Any] = {}
        refused: list[InvalidAnswer] = []
        for each in found:
            try:
                read.setdefault(repr(each.value), self._read(each))
            except InvalidAnswer as error:
                refused.append(error)
        if not read:
            raise refused[0]
        if len(read) > 1:
            raise InvalidAnswer(f"$: there are {len(read)} JSON values in it, and one is expected")
        return read.popitem()[1]

    def _read(self, found: Found) -> Any:
        if self.parse_json is None:
            if self.schema is not None:
                _check(found.value, self.schema)
            return found.value
        return self._validated(found, self.parse_json)

    def _validated(self, found: Found, parse: Callable[[str], Any]) -> Any:
        from pydantic import ValidationError  # here: only those who ask for a type need it

        document = dict(self.schema or {})
        forms = [(found, "$", document)]
        if self.is_wrapped and isinstance(found.value, dict) and found.value.keys() == {_WRAPPED}:
            forms.insert(0, (_unwrapped(found), f"$.{_WRAPPED}", document["properties"][_WRAPPED]))
        refused: list[str] = []
        for form, path, schema in forms:
            try:
                return parse(form.text)
            except ValidationError as error:
                refused.append(_told(_faults_of(error, form.value, path)))
            plain = without_nulls(form.value, schema, document)  # strict modes have null stand for what is left out
            if plain != form.value:
                with suppress(ValidationError):
                    return parse(json.dumps(plain))
        raise InvalidAnswer(refused[0])


ANY_JSON = AnswerType()


def _unwrapped(found: Found) -> Found:
    """The value under the name that was asked for, with its own text."""
    inner = msgspec.json.decode(found.text, type=dict[str, msgspec.Raw])[_WRAPPED]
    return Found(bytes(inner).decode(), found.value[_WRAPPED])


def _within(text: str) -> list[Found]:
    try:
        return json_in(text)
    except InvalidAnswer:
        return []


def _check(value: Any, schema: Mapping[str, Any]) -> None:
    found = list(islice(check.faults(value, schema), _MOST))
    if found:
        raise InvalidAnswer(_told(found))


def _told(faults: list[check.Fault]) -> str:
    text = "; ".join(f"{path}: {why}" for path, why in faults[:_MOST])
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def told_of(error: Any, value: Any) -> str:
    """What a `ValidationError` says of a value, with the paths."""
    return _told(_faults_of(error, value, "$"))


def _faults_of(error: Any, value: Any, root: str) -> list[check.Fault]:
    """Pydantic's faults with their paths in the answer. Its places also name members of unions and the like: those are
    passed over.
    """
    found = []
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        path, here, place = root, value, each["loc"]
        for number, step in enumerate(place):
            is_last = number == len(place) - 1
            if step in (here if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ()):
                here = here[step]
            elif not (is_last and each["type"].startswith("missing")):
                continue
            path = check.inside(path, step)
        found.append((path, each["msg"]))
    return found


# --- what a type is


def type_of_format(wanted: str | Mapping[str, Any] | None) -> AnswerType | None:
    """What an answer has to be by a request's `response_format`; None where that is no JSON."""
    if isinstance(wanted, Mapping):
        return AnswerType(schema=wanted["schema"]) if isinstance(wanted.get("schema"), Mapping) else ANY_JSON
    return ANY_JSON if wanted == "json" else None


def answer_type(wanted: Any) -> AnswerType:
    """Make ready what an answer is to be: a Python type, or a `TypeAdapter` of one.

    Raises:
        TypeError: pydantic can't make one of it, or a JSON Schema of that; the text says why.
    """
    try:
        return _kept(wanted, "" if isinstance(wanted, type) else repr(wanted))
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
    return _made(wanted)


@lru_cache(maxsize=256)
def _kept(wanted: Any, written: str) -> AnswerType:
    """As it is written: `int | str` and `str | int` are equal, but not the same."""
    return _made(wanted)


def _made(wanted: Any) -> AnswerType:
    from pydantic import TypeAdapter  # here: only those who ask for a type need it

    if inspect.isroutine(wanted):
        raise TypeError("a function is no type")
    try:
        adapter = wanted if isinstance(wanted, TypeAdapter) else TypeAdapter(portable(wanted))
        schema = adapter.json_schema()
    except Exception as error:  # pydantic, and what apps hang into it, have many errors for what is no type
        raise TypeError(f"pydantic makes no JSON Schema of it: {' '.join(str(error).split())[:500]}") from error
    name = wanted.__name__ if isinstance(wanted, type) else "answer"
    if _is_object(schema):
        return AnswerType(name, schema, adapter.validate_json)
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    outer: dict[str, Any] = {"type": "object", "properties": {_WRAPPED: inner}, "required": [_WRAPPED]}
    outer["additionalProperties"] = False
    if "$defs" in schema:
        outer["$defs"] = schema["$defs"]
    return AnswerType(name, outer, adapter.validate_json, is_wrapped=True)


def _is_object(schema: dict[str, Any]) -> bool:
    """Whether the root is an object, as vendors want it."""
    found: Any = schema
    for _ in range(_DEEPEST):
        if not isinstance(found, dict) or "$ref" not in found:
            break
        try:
            found = target(schema, found["$ref"], "")
        except Unfit:
            return False
    return isinstance(found, dict) and found.get("type") == "object"
