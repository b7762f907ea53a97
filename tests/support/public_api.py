"""Writes down what is public: `python -m tests.support.public_api` renews it after a change that is meant.

`tests/public_api.txt` has every public name with its signature, `docs/public-api.md` the list of names. Both are
compared with the code by tests/test_public_api.py, so that nothing public changes unseen.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import msgspec

from tests.support.paths import ROOT

# What an app may import. Every other module is interior, whatever its name.
PUBLIC = {
    "router": "the router; `signalbox` is another name of it",
    "router.gateway": "the routes over HTTP, as an ASGI app",
    "router.testing": "virtual time for tests",
    "router.exporters.prometheus": "figures for Prometheus (extra `prometheus`)",
    "router.exporters.otel": "spans and metrics for OpenTelemetry (extra `otel`)",
    "providers": "one vendor at a time; messages, answers, errors",
    "providers.registry": "kinds of providers by name",
    "providers.fake": "a provider that answers by script, for tests",
    "providers.simulator": "servers that speak like the vendors, for tests",
}
# What public calls give back: to be read, not to be made. A module stands for all its classes.
GIVEN_BACK = (
    "router.views.figures",
    "router.views.trace",
    "router.cache.stats:CacheStats",
    "router.reload:Reload",
    "router.state.spending:Spent",
    "router.sync:SyncStream",
)
SIGNATURES = ROOT / "tests" / "public_api.txt"
PAGE = ROOT / "docs" / "public-api.md"
PACKAGES = ("providers", "router", "tui")
_TABLE = re.compile(r"(?<=<!-- names -->\n).*?(?=<!-- end of names -->)", re.DOTALL)
_PROTOCOLS = ("__call__", "__iter__", "__next__", "__enter__", "__aiter__", "__anext__", "__aenter__")


class _AsWritten:
    """An annotation as its source has it, without the quotes that a string's repr has."""

    def __init__(self, annotation: object) -> None:
        self._text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)

    def __repr__(self) -> str:
        return self._text


class _Default:
    """A default value without its place in memory, which differs from run to run."""

    def __init__(self, value: object) -> None:
        plain = isinstance(value, msgspec.Struct) and value.__reduce__()[1] == type(value)().__reduce__()[1]
        self._text = f"{type(value).__name__}()" if plain else re.sub(r" at 0x[0-9a-f]+", "", repr(value))

    def __repr__(self) -> str:
        return self._text


def signature(function: Callable[..., Any]) -> str:
    """A function's signature, the same under every version of Python."""
    found = inspect.signature(function)
    empty = inspect.Parameter.empty
    parameters = [
        each.replace(
            annotation=empty if each.annotation is empty else _AsWritten(each.annotation),
            default=empty if each.default is empty else _Default(each.default),
        )
        for each in found.parameters.values()
    ]
    gives = found.return_annotation
    return str(found.replace(parameters=parameters, return_annotation=empty if gives is empty else _AsWritten(gives)))


def members(cls: type) -> Iterator[tuple[str, object]]:
    """The public methods and properties of a class, those of its own bases included."""
    seen = {}
    for base in reversed(cls.__mro__):
        if base.__module__.partition(".")[0] in PACKAGES:
            seen.update(vars(base))
    for name, value in sorted(seen.items()):
        function = isinstance(value, property | classmethod | staticmethod) or inspect.isfunction(value)
        if function and (not name.startswith("_") or name in _PROTOCOLS):
            yield name, value


def public_objects() -> Iterator[tuple[str, Any]]:
    """(full name, what it is) of everything public; modules among the names stand for themselves."""
    for module in PUBLIC:
        home = import_module(module)
        for name in home.__all__:
            value = getattr(home, name)
            if not isinstance(value, ModuleType):
                yield f"{module}.{name}", value
    for place in GIVEN_BACK:
        module, _, one = place.partition(":")
        for name, value in sorted(vars(import_module(module)).items()):
            own = isinstance(value, type) and value.__module__ == module and not name.startswith("_")
            if own and (not one or name == one):
                yield f"{module}.{name}", value


def described() -> str:
    """Every public name with its signature."""
    lines: list[str] = []
    homes: dict[int, str] = {}
    for name, value in public_objects():
        home = homes.setdefault(id(value), name)
        if home != name:
            lines.append(f"{name} is {home}")
        elif isinstance(value, type):
            lines += [f"class {name}", *(f"    {line}" for line in class_lines(value))]
        else:
            lines.append(f"{name}{signature(value)}" if callable(value) else f"{name} = {value!r}")
    return "\n".join(lines) + "\n"


def class_lines(cls: type) -> Iterator[str]:
    """What a class is made from and has, a line each."""
    bases = [base.__name__ for base in cls.__mro__[1:] if issubclass(base, BaseException) and base is not object]
    if bases:
        yield f"is {', '.join(bases[: bases.index('Exception') + 1])}"
    if issubclass(cls, enum.Enum):
        yield from (f"{member.name} = {member.value!r}" for member in cls)
    elif issubclass(cls, msgspec.Struct):
        yield from _fields(cls)
    else:
        if "__init__" in vars(cls) and not getattr(cls, "_is_protocol", False):
            yield f"made by {signature(cls)}"
        yield from (f"attribute {name}" for name in _attributes(cls))
    for name, value in members(cls):
        if isinstance(value, property):
            assert value.fget is not None
            yield f"property {name}{signature(value.fget)}"
        elif isinstance(value, classmethod | staticmethod):
            yield f"{type(value).__name__} {name}{signature(value.__func__)}"
        else:
            kind = "async method" if inspect.iscoroutinefunction(value) else "method"
            yield f"{kind} {name}{signature(value)}"  # type: ignore[arg-type]  # members() gives functions


def _fields(cls: type[msgspec.Struct]) -> Iterator[str]:
    written = {
        name: text for base in reversed(cls.__mro__) for name, text in vars(base).get("__annotations__", {}).items()
    }
    for field in msgspec.structs.fields(cls):
        default = "" if field.default is msgspec.NODEFAULT else f" = {_Default(field.default)}"
        if field.default_factory is not msgspec.NODEFAULT:
            default = f" = {field.default_factory.__name__}()"
        yield f"field {field.name}: {_AsWritten(written[field.name])}{default}"


def _attributes(cls: type) -> list[str]:
    """What `__init__` of a class or its bases puts on the object, and what it declares, under public names."""
    found = set()
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] not in PACKAGES:
            continue
        found |= set(vars(base).get("__annotations__", {}))
        if "__init__" in vars(base) and not dataclasses.is_dataclass(base):
            tree = ast.parse(textwrap.dedent(inspect.getsource(vars(base)["__init__"])))
            found |= {
                node.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
            }
    return sorted(name for name in found if not name.startswith("_"))


def table() -> str:
    """The list of the page: a row a module."""
    rows = ["| module | what for | names |", "|---|---|---|"]
    for module, purpose in PUBLIC.items():
        listed = " ".join(f"`{name}`" for name in import_module(module).__all__)
        rows.append(f"| `{module}` | {purpose} | {listed} |")
    return "\n".join(rows) + "\n"


def page() -> str:
    """The page with its list as it should be."""
    return _TABLE.sub(lambda _: table(), PAGE.read_text())


if __name__ == "__main__":
    SIGNATURES.write_text(described())
    PAGE.write_text(page())
