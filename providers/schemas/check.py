"""Whether a value is what a JSON Schema says; of the newest draft, and of older ones as `drafts` reads them.

What a schema says in a way that is not known here (`format`, `unevaluatedProperties`, references to elsewhere) refuses
nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeGuard

from providers.schemas.drafts import modern
from providers.schemas.refs import Unfit, target

Fault = tuple[str, str]  # the path, such as `$.items[2].price`, and what is expected there
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST = 60  # characters of a name in a path


def faults(value: Any, schema: Mapping[str, Any] | bool) -> Iterator[Fault]:
    """Where a value is not what the schema says, first things first."""
    document = modern(schema)
    return _Checker(document).faults(value, document, "$")


def inside(path: str, step: str | int) -> str:
    """The path of an element of a list, or of a name of an object."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    if _NAME.fullmatch(step) and len(step) <= _LONGEST:
        return f"{path}.{step}"
    return f"{path}[{step[:_LONGEST]!r}]"


def same(one: Any, other: Any) -> bool:
    """Whether two values are one in JSON: 1 is 1.0, and true is no number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(each, other[name]) for name, each in one.items())
    return bool(one == other)


# What needs a look at other schemas for the same value.
_TOGETHER = frozenset({"allOf", "anyOf", "oneOf", "not", "if"})


class _Checker:
    def __init__(self, document: Any) -> None:
        self._document = document
        self._within: set[tuple[int, str]] = set()  # references that are being followed, with the path
        self._circles = 0  # that were found
        self._first: dict[tuple[int, int, str], Fault | None] = {}  # else unions within unions would take for ever

    def faults(self, value: Any, schema: Any, path: str) -> Iterator[Fault]:
        if schema is False:
            yield path, "nothing is allowed here"
        if not isinstance(schema, dict):
            return
        if isinstance(schema.get("$ref"), str):
            yield from self._referred(value, schema["$ref"], path)
        if value is None and schema.get("nullable") is True:
            return
        if "type" in schema and not _is_of(value, schema["type"]):
            kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            yield path, f"{' or '.join(map(str, kinds))} is expected, not {_kind(value)}"
            return
        if not _is_allowed(value, schema):
            yield path, "it is none of the values that are allowed"
        if not _TOGETHER.isdisjoint(schema):
            yield from self._together(value, schema, path)
        if isinstance(value, dict):
            yield from self._of_object(value, schema, path)
        elif isinstance(value, list):
            yield from self._of_list(value, schema, path)
        elif isinstance(value, str):
            yield from _of_text(value, schema, path)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield from _of_number(value, schema, path)

    def _first_fault(self, value: Any, schema: Any, path: str) -> Fault | None:
        place = id(schema), id(value), path
        if place in self._first:
            return self._first[place]
        circles = self._circles
        first = next(self.faults(value, schema, path), None)
        if circles == self._circles:
            self._first[place] = first
        return first

    def _fits(self, value: Any, schema: Any, path: str) -> bool:
        return self._first_fault(value, schema, path) is None

    def _referred(self, value: Any, ref: str, path: str) -> Iterator[Fault]:
        try:
            found = target(self._document, ref, "")
        except Unfit:
            return
        followed = id(found), path
        if followed in self._within:  # a reference that leads to itself says nothing
            self._circles += 1
            return
        self._within.add(followed)
        try:
            yield from self.faults(value, found, path)
        finally:
            self._within.discard(followed)

    def _together(self, value: Any, schema: dict[str, Any], path: str) -> Iterator[Fault]:
        """What several schemas say together."""
        for each in _listed(schema, "allOf"):
            yield from self.faults(value, each, path)
        forms = _listed(schema, "anyOf")
        if forms and not any(self._fits(value, each, path) for each in forms):
            yield from self._nearest(value, forms, path)
        forms = _listed(schema, "oneOf")
        fitting = sum(self._fits(value, each, path) for each in forms)
        if forms and fitting == 0:
            yield from self._nearest(value, forms, path)
        elif fitting > 1:
            yield path, "it fits several of the forms, of which one has to fit"
        if "not" in schema and self._fits(value, schema["not"], path):
            yield path, "it is what it may not be"
        if "if" in schema:
            branch = "then" if self._fits(value, schema["if"], path) else "else"
            yield from self.faults(value, schema.get(branch), path)

    def _nearest(self, value: Any, forms: list[Any], path: str) -> Iterator[Fault]:
        """What keeps the value from the form that it comes nearest to: the one whose first fault is deepest."""
        first = [self._first_fault(value, each, path) or (path, "") for each in forms]
        deepest = max(first, key=lambda fault: len(fault[0]))
        yield deepest if len(deepest[0]) > len(path) or len(forms) == 1 else (path, "it fits none of the forms")

    def _of_object(self, value: dict[str, Any], schema: dict[str, Any], path: str) -> Iterator[Fault]:
        for name in _listed(schema, "required"):
            if name not in value:
                yield inside(path, str(name)), "it is missing"
        yield from _counted(len(value), schema, path, ("minProperties", "maxProperties"), "properties")
        for name, each in value.items():
            yield from self._of_name(name, each, schema, inside(path, name))
        for name, inner in _named(schema, "dependentSchemas").items():
            if name in value:
                yield from self.faults(value, inner, path)
        for name, needed in _named(schema, "dependentRequired").items():
            if name in value and isinstance(needed, list):
                yield from ((inside(path, str(each)), "it is missing") for each in needed if each not in value)

    def _of_name(self, name: str, value: Any, schema: dict[str, Any], path: str) -> Iterator[Fault]:
        properties, patterns = _named(schema, "properties"), _named(schema, "patternProperties")
        known = [properties[name]] if name in properties else []
        known += [inner for pattern, inner in patterns.items() if _search(pattern, name)]
        if not known and schema.get("additionalProperties") is False:
            yield path, "no such name is known here"
        for inner in known or [schema.get("additionalProperties") or {}]:
            yield from self.faults(value, inner, path)
        if "propertyNames" in schema:
            yield from self.faults(name, schema["propertyNames"], path)

    def _of_list(self, value: list[Any], schema: dict[str, Any], path: str) -> Iterator[Fault]:
        yield from _counted(len(value), schema, path, ("minItems", "maxItems"), "elements")
        first = _listed(schema, "prefixItems")
        for place, each in enumerate(value):
            yield from self.faults(
                each, first[place] if place < len(first) else schema.get("items"), f"{path}[{place}]"
            )
        if schema.get("uniqueItems") is True and _has_twice(value):
            yield path, "an element is there twice"
        if "contains" in schema:
            found = sum(self._fits(each, schema["contains"], path) for each in value)
            least, most = schema.get("minContains", 1), schema.get("maxContains", math.inf)
            if not least <= found <= most:
                yield path, "it does not contain what it has to"


def _is_allowed(value: Any, schema: dict[str, Any]) -> bool:
    values = schema.get("enum")
    is_listed = not isinstance(values, list) or any(same(value, each) for each in values)
    return is_listed and ("const" not in schema or same(value, schema["const"]))


def _of_text(value: str, schema: dict[str, Any], path: str) -> Iterator[Fault]:
    yield from _counted(len(value), schema, path, ("minLength", "maxLength"), "characters")
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and not _search(pattern, value):
        yield path, f"a text like {pattern} is expected"


# keyword: whether a number keeps to it, and how it is said
_BOUNDS: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "minimum": (lambda value, bound: value >= bound, "at least"),
    "maximum": (lambda value, bound: value <= bound, "at most"),
    "exclusiveMinimum": (lambda value, bound: value > bound, "more than"),
    "exclusiveMaximum": (lambda value, bound: value < bound, "less than"),
}


def _of_number(value: float, schema: dict[str, Any], path: str) -> Iterator[Fault]:
    for keyword, (keeps, said) in _BOUNDS.items():
        bound = schema.get(keyword)
        if _is_number(bound) and not keeps(value, bound):
            yield path, f"{said} {bound} is expected"
    step = schema.get("multipleOf")
    if _is_number(step) and step > 0:
        quotient = value / step if math.isfinite(value) else math.nan
        if not math.isclose(quotient, round(quotient) if math.isfinite(quotient) else 0.5, rel_tol=1e-9, abs_tol=1e-9):
            yield path, f"a multiple of {step} is expected"


def _counted(size: int, schema: dict[str, Any], path: str, keywords: tuple[str, str], what: str) -> Iterator[Fault]:
    least, most = (schema.get(keyword) for keyword in keywords)
    if _is_number(least) and size < least:
        yield path, f"at least {least} {what} are expected, not {size}"
    if _is_number(most) and size > most:
        yield path, f"at most {most} {what} are expected, not {size}"


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_of(value: Any, kinds: Any) -> bool:
    if isinstance(kinds, list):
        return any(_is_of(value, each) for each in kinds)
    if kinds == "integer":
        return _is_number(value) and (isinstance(value, int) or value.is_integer())
    if kinds == "number":
        return _is_number(value)
    return not isinstance(kinds, str) or kinds not in _TYPES or isinstance(value, _TYPES[kinds])


_TYPES: Mapping[str, Any] = {"string": str, "boolean": bool, "null": type(None), "array": list, "object": dict}


def _kind(value: Any) -> str:
    if _is_number(value):
        return "a number"
    return next(
        f"{'an' if name[0] in 'ao' else 'a'} {name}" for name, kind in _TYPES.items() if isinstance(value, kind)
    )


def _listed(schema: dict[str, Any], keyword: str) -> list[Any]:
    found = schema.get(keyword)
    return found if isinstance(found, list) else []


def _named(schema: dict[str, Any], keyword: str) -> dict[str, Any]:
    found = schema.get(keyword)
    return found if isinstance(found, dict) else {}


def _has_twice(value: list[Any]) -> bool:
    seen: dict[str, list[Any]] = {}
    for each in value:
        like = seen.setdefault(str(each) if isinstance(each, str) else _kind(each), [])
        if any(same(each, other) for other in like):
            return True
        like.append(each)
    return False


# --- patterns: they are an app's or a client's own, and one that takes exponential time would hold the event loop for
# ever. So they are read by Rust's engine, whose time grows with the text, and which has no way to look around or back.

_NO_SCHEMAS = frozenset({"const", "default", "enum", "examples", "example"})  # whose values are data


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Callable[[str], bool] | str:
    """What says whether a pattern is found in a text; why there is none."""
    from pydantic_core import SchemaError, SchemaValidator, core_schema  # here: only schemas with patterns need it

    try:
        found: Callable[[str], bool] = SchemaValidator(core_schema.str_schema(pattern=pattern)).isinstance_python
    except (SchemaError, UnicodeError) as error:
        return str(error).splitlines()[-1].removeprefix("error: ") or "it is no regular expression"
    return found


def unreadable(schema: object) -> str:
    """Which pattern of a schema can't be checked, and why; "" where all can."""
    found = unreadable_at(schema)
    return "" if found is None else found[1]


def unreadable_at(schema: object) -> tuple[tuple[str | int, ...], str] | None:
    """The way to that pattern in the schema, and which it is; None where all can be checked."""
    left: list[tuple[tuple[str | int, ...], object]] = [((), schema)]
    while left:
        way, inner = left.pop()
        if isinstance(inner, list):
            left += [((*way, place), value) for place, value in enumerate(inner)]
        elif isinstance(inner, dict):
            left += [((*way, name), value) for name, value in inner.items() if name not in _NO_SCHEMAS]
            patterns: list[tuple[tuple[str, ...], object]] = [(("pattern",), inner.get("pattern"))]
            patterns += [(("patternProperties", name), name) for name in _named(inner, "patternProperties")]
            for steps, pattern in patterns:
                if isinstance(pattern, str) and isinstance(why := _compiled(pattern), str):
                    return (*way, *steps), f"{pattern[:_LONGEST]} ({why})"
    return None


def _search(pattern: str, text: str) -> bool:
    """Whether a pattern is found in a text; one that can't be read is taken for found."""
    found = _compiled(pattern)
    return isinstance(found, str) or found(text)
