"""What makes an answer data: for JSON, for `dict()`, for pydantic and so for FastAPI."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

_LEFT_OUT = frozenset({"raw", "parsed", "trace"})


@cache
def _serializer(kind: type[Data]) -> Any:
    from pydantic_core import SchemaSerializer  # here: providers do without it

    return SchemaSerializer(kind.__get_pydantic_core_schema__())


class Data(msgspec.Struct, frozen=True):
    """An answer that other programs get to read."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as data that is ready for JSON, its trace included. Left out are `raw`, the vendor's own
        body, and `parsed`, which `text` says.
        """
        values = {name: getattr(self, name) for name in self.__struct_fields__ if name not in _LEFT_OUT}
        built: dict[str, Any] = msgspec.to_builtins(values)
        trace = getattr(self, "trace", None)
        built["trace"] = None if trace is None else trace.as_dict()
        return built

    def to_json(self) -> str:
        """Return `to_dict()` as JSON."""
        return msgspec.json.encode(self.to_dict()).decode()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self.to_dict().items())  # so that dict(reply), and FastAPI, make JSON of it

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> Any:
        """Have pydantic take it as it is, and write it as `to_dict` does (FastAPI's annotations, fields of models)."""
        from pydantic_core import core_schema  # here: providers do without it

        written = core_schema.plain_serializer_function_ser_schema(cls.to_dict, return_schema=core_schema.dict_schema())
        return core_schema.is_instance_schema(cls, serialization=written)

    @property
    def __pydantic_serializer__(self) -> Any:
        """What pydantic writes it by where nothing says of which type it is (FastAPI without an annotation)."""
        return _serializer(type(self))

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: Any) -> dict[str, Any]:
        return {"type": "object", "title": cls.__name__}
