"""Annotations as pydantic takes them: before Python 3.12 it refuses `typing.TypedDict`, which is then made anew."""

from __future__ import annotations

import sys
import types
import typing
from typing import Any

_OLD = sys.version_info < (3, 12)


def portable(annotation: Any) -> Any:
    """The annotation with every TypedDict as pydantic takes it, also within lists, unions and the like."""
    return _Remaking().of(annotation) if _OLD else annotation


class _Remaking:
    def __init__(self) -> None:
        self._made: dict[int, Any] = {}  # by the identity of what they are made from

    def of(self, annotation: Any) -> Any:
        if isinstance(annotation, type) and type(annotation).__module__ == "typing" and typing.is_typeddict(annotation):
            return self._typed_dict(annotation)
        origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
        if not inner or origin is typing.Literal:
            return annotation
        if origin is typing.Annotated:
            return typing.Annotated[(self.of(inner[0]), *inner[1:])]
        made = tuple(map(self.of, inner))
        if all(new is old for new, old in zip(made, inner, strict=True)):
            return annotation
        if origin in (typing.Union, types.UnionType):
            return typing.Union[made]  # noqa: UP007  # of as many as there are
        return annotation.copy_with(made) if hasattr(annotation, "copy_with") else origin[made]

    def _typed_dict(self, kind: Any) -> Any:
        from typing_extensions import TypedDict  # here: only those who ask for a type need it

        if id(kind) in self._made:
            return self._made[id(kind)]
        make: Any = TypedDict
        made = self._made[id(kind)] = make(kind.__name__, {})
        needed = set()
        for name, hint in typing.get_type_hints(kind, include_extras=True).items():
            mark = typing.get_origin(hint)
            if mark is typing.Required or (mark is not typing.NotRequired and name in kind.__required_keys__):
                needed.add(name)
            made.__annotations__[name] = self.of(hint)  # now that it may hold itself
        made.__required_keys__, made.__optional_keys__ = frozenset(needed), frozenset(made.__annotations__) - needed
        made.__module__, made.__doc__ = kind.__module__, kind.__doc__
        return made
