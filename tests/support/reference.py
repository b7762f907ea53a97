"""Writes the pages of docs/reference: `python -m tests.support.reference` renews them after a change that is meant.

They are made from what the program itself goes by: the models of routes.yaml, the table of errors, the command's own
options and the docstrings. tests/test_reference.py compares them with it.
"""

from __future__ import annotations

import enum
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import click
import yaml

from providers.errors import CONSEQUENCES, ErrorCode
from providers.vendor_errors import STATUSES
from router.cli import group
from router.config.json_schema import clean
from router.config.policies import BUILT_IN
from router.config.schema import RoutesFile
from router.config.serve_schema import DEFAULT_ADDRESS
from router.config.units import format_duration, format_percent, format_size
from tests.support.paths import ROOT
from tests.support.public_api import PUBLIC, class_lines, members, signature

FOLDER = ROOT / "docs" / "reference"

_NOTE = "<!-- made by `python -m tests.support.reference`: change what it is made from, not this page -->\n"
_POLICIES = {  # the sections whose keys have values that are built in
    "TimeoutPolicy": "timeout",
    "RetryPolicy": "retry",
    "BreakerPolicy": "breaker",
    "LimitsPolicy": "limits",
    "HedgePolicy": "hedge",
    "CachePolicy": "cache",
    "AcceptPolicy": "accept",
    "Defaults": "balance",
    "RouteConfig": "balance",
}
_FORMS = {  # by the end of a pattern: what the value is, and how one that is built in is written
    r"(ms|s|m|h|d)$|\$\{": ("duration", format_duration),
    r"([KMG]i?)?B$|\$\{": ("size", format_size),
    r"\s*%$|\$\{": ("share", format_percent),
    r"\s*/\s*[a-z]+$|\$\{": ("rate", str),
}
_ROW = re.compile(r"^\| `(\w+)\.(\w+)` \|.*\| (`[^`]+`) \|$", re.M)  # of docs/routes-yaml.md: a policy's key


# --- the language of routes.yaml


def language() -> str:
    """Every key of routes.yaml, a table for each section."""
    schema = RoutesFile.model_json_schema()
    places = dict(_places(schema, schema["$defs"]))
    lines = [
        "# The language of routes.yaml, key by key",
        "",
        _NOTE,
        "Each table is a section of the file, with all places where it may stand. A key that has no default and is not",
        "required is off, or unknown, until it is written. [routes-yaml.md](../routes-yaml.md) explains the language,",
        "[its values](../routes-yaml.md#values) and [short forms](../routes-yaml.md#policies).",
        "",
        "| form | is written |",
        "|---|---|",
        "| duration | `250ms` `5s` `2m` `1h` `1d` |",
        "| count | `4` `32k` `1.5M` |",
        "| size | `512KB` `1GB` |",
        "| rate | `500/min`: a number in `s`, `min`, `h` or `d` |",
        "| share | `50%` |",
        "| budget | `$20/d`: US dollars in `s`, `min`, `h`, `d`, `w` or `month` |",
        "| text, secret | text; `${NAME}`, `${NAME:-default}` and `${file:/path}` may stand in it |",
        "",
        *_section("The file", "", schema, schema["$defs"], []),
    ]
    for name, found in places.items():
        lines += _section(_title(name), name, schema["$defs"][name], schema["$defs"], found)
    return "\n".join(lines)


def _title(name: str) -> str:
    """`RetryPolicy` as a heading: Retry."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Policy").removesuffix("Config"))
    return words.capitalize()


def _places(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """(section, the paths where it stands), in the order of the file."""
    found: dict[str, list[str]] = {}

    def walk(node: dict[str, Any], path: str) -> None:
        for key, value in node.get("properties", {}).items():
            for name, step in _sections_of(value):
                place = f"{path}{key}{step}"
                found.setdefault(name, []).append(place)
                walk(definitions[name], f"{place}.")

    walk(schema, "")
    yield from found.items()


def _sections_of(value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, what comes between) of the sections that a key's value holds."""
    if "$ref" in value:
        yield value["$ref"].rpartition("/")[2], ""
    for choice in value.get("anyOf", ()):
        yield from _sections_of(choice)
    if isinstance(value.get("items"), dict):
        yield from ((name, f"[]{rest}") for name, rest in _sections_of(value["items"]))
    if isinstance(value.get("additionalProperties"), dict):
        yield from ((name, f".NAME{rest}") for name, rest in _sections_of(value["additionalProperties"]))


def _section(
    title: str, name: str, schema: dict[str, Any], definitions: dict[str, Any], places: list[str]
) -> Iterator[str]:
    yield from (f"## {title}", "")
    if name:
        yield from (schema["description"], "", "Stands at " + ", ".join(f"`{place}`" for place in places) + ".", "")
    yield from ("| key | form | default | example | says |", "|---|---|---|---|---|")
    required = schema.get("required", ())
    for key, value in schema["properties"].items():
        shown = clean(value)
        default = "required" if key in required else _default(name, key, value)
        example = _taught().get((name, key)) or _example(shown)
        yield f"| `{key}` | {_form(shown)} | {default} | {example} | {_says(value, definitions)} |"
    yield ""


def _says(value: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A key's description, which pydantic leaves out where it is that of its section."""
    own = value.get("description") or definitions[value["$ref"].rpartition("/")[2]]["description"]
    return str(own)


@cache
def _taught() -> dict[tuple[str, str], str]:
    """An example of a key, by its section, from where the language is taught; plain values alone."""
    found: dict[tuple[str, str], str] = {}
    schema = RoutesFile.model_json_schema()

    def walk(section: str, written: Any) -> None:
        properties = (schema["$defs"][section] if section else schema)["properties"]
        for key, value in written.items() if isinstance(written, dict) else ():
            if key not in properties:
                continue
            if isinstance(value, str | int | float | bool):
                found.setdefault((section, key), f"`{_written(value)}`")
            for name, step in _sections_of(properties[key]):
                for each in value.values() if step == ".NAME" and isinstance(value, dict) else [value]:
                    walk(name, each)

    walk("", yaml.safe_load((ROOT / "routes.example.yaml").read_text()))
    sections = {policy: name for name, policy in _POLICIES.items()}
    for policy, key, example in _ROW.findall((ROOT / "docs" / "routes-yaml.md").read_text()):
        found.setdefault((sections[policy], key), example)
    return found


def _form(value: dict[str, Any]) -> str:
    if "$ref" in value:
        title = _title(value["$ref"].rpartition("/")[2])
        return f"[{title}](#{title.lower().replace(' ', '-')})"
    if "anyOf" in value:
        forms = [_form(choice) for choice in value["anyOf"]]
        return " or ".join(dict.fromkeys(forms))
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return " ".join(f"`{_written(word)}`" for word in value["enum"])
    for end, (form, _) in _FORMS.items():
        if value.get("pattern", "").endswith(end):
            first = re.match(r"\^(\w+)\$\|", value["pattern"])
            return form + (f" or `{first[1]}`" if first else "")
    if value.get("type") == "array":
        return f"list of {_form(value['items'])}"
    if value.get("type") == "object":
        more = value.get("additionalProperties")
        return f"mapping of names to {_form(more)}" if isinstance(more, dict) and more else "mapping"
    return _plain(value)


def _plain(value: dict[str, Any]) -> str:
    kind = value.get("type")
    if value.get("format") == "password" or value.get("writeOnly"):
        return "secret"
    if kind == ["string", "object"]:
        return "budget"
    if kind == ["integer", "string"]:
        return "count"
    if kind == ["number", "string"]:
        return "number or percentage"
    names = {"string": "text", "boolean": "`true` `false`", "integer": "number", "number": "number"}
    kinds = kind if isinstance(kind, list) else [kind]
    if kinds == ["string"] and value.get("examples", [""])[0] in ("1m", "1h"):
        return "duration"
    return " or ".join(names[each] for each in kinds)


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _default(section: str, key: str, value: dict[str, Any]) -> str:
    default = value.get("default")
    if default is None and section in _POLICIES:
        policy = key if key in ("balance", "on_stream_break", "prompt_cache") else _POLICIES[section]
        default = BUILT_IN[policy].get(key)
    if default is None or default == [] or isinstance(default, dict):
        return ""
    if key == "listen":
        return f"`{DEFAULT_ADDRESS}`"
    if isinstance(default, list):
        return " ".join(f"`{each}`" for each in default)
    if isinstance(default, bool | str):
        return f"`{_written(default)}`"
    form = _form(clean(value))
    for name, written in _FORMS.values():
        if name in form:
            return f"`{written(default)}`"
    return f"`{default:g}`"


def _example(value: dict[str, Any]) -> str:
    """An example that the schema has, of the value itself or of one of its forms; none where all values are listed."""
    for each in (value, *value.get("anyOf", ()), value.get("items", {})):
        if each.get("examples"):
            return f"`{_written(each['examples'][0])}`"
    return ""


# --- the table of errors


def errors() -> str:
    """What each code leads to, from the table that the engine follows."""
    by_code: dict[ErrorCode, list[int]] = {}
    for status, code in STATUSES.items():
        by_code.setdefault(code, []).append(status)
    others = {ErrorCode.INVALID_REQUEST: "400 422, other 4xx", ErrorCode.SERVER_ERROR: "500 502 504, other 5xx"}
    lines = [
        "# Errors, code by code",
        "",
        _NOTE,
        "The one table that the engine follows (`providers.errors.CONSEQUENCES`), as data; [errors.md](../errors.md)",
        "explains it. What a vendor says goes before the status that it comes with.",
        "",
        "| code | a vendor's status | same target again | next target | breaker | hold | another key | counted as read "
        "| told to a client as |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for code, row in CONSEQUENCES.items():
        statuses = " ".join([*map(str, by_code.get(code, ())), *([others[code]] if code in others else [])])
        cells = (row.retry, row.fallback, row.breaker, row.hold)
        words = " | ".join("" if cell == "none" else cell.replace("_", " ") for cell in cells)
        flags = " | ".join("yes" if flag else "" for flag in (row.other_key, row.read))
        lines.append(f"| `{code}` | {statuses} | {words} | {flags} | {row.http_status} |")
    return "\n".join([*lines, "", *_consequence_words()])


def _consequence_words() -> Iterator[str]:
    """What the words of the columns mean, as their own docstring says."""
    yield from ("## The columns", "")
    text = inspect.getdoc(type(CONSEQUENCES[ErrorCode.TIMEOUT])) or ""
    for part in re.split(r"\n(?=`\w+`:)", text.partition("\n\n")[2]):
        name, _, meaning = part.partition(":")
        yield f"- {name}: {' '.join(meaning.split())}"
    yield ""


# --- the command


def command() -> str:
    """What `signalbox VERB --help` says, verb by verb."""
    lines = ["# The command, verb by verb", "", _NOTE, "What `signalbox VERB --help` prints.", ""]
    context = click.Context(group, info_name="signalbox", terminal_width=100, **group.context_settings)
    for verb in group.list_commands(context):
        found = group.get_command(context, verb)
        assert found is not None
        lines += _verb(found, f"signalbox {verb}", context)
    return "\n".join(lines)


def _verb(found: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(found, info_name=name.rpartition(" ")[2], parent=parent, **found.context_settings)
    context.terminal_width = 100
    yield from (f"## {name}", "", "```text", found.get_help(context), "```", "")
    if isinstance(found, click.Group):
        for below in found.list_commands(context):
            inner = found.get_command(context, below)
            assert inner is not None
            yield from _verb(inner, f"{name} {below}", context)


# --- the API


def api() -> str:
    """Every public name with its signature and docstring; a name that two modules have stands at the first."""
    lines = [
        "# The API",
        "",
        _NOTE,
        "What an app may import, by module, as [public-api.md](../public-api.md) promises it. `signalbox` is another",
        "name of `router`: `from signalbox import Router`.",
        "",
    ]
    homes: dict[int, str] = {}
    for module, purpose in PUBLIC.items():
        home = import_module(module)
        lines += [f"## {module}", "", f"{purpose[0].upper()}{purpose[1:]}.", ""]
        for name in home.__all__:
            value = getattr(home, name)
            if isinstance(value, ModuleType):
                continue
            first = homes.setdefault(id(value), f"{module}.{name}")
            if first != f"{module}.{name}":
                lines += [f"`{module}.{name}` is `{first}`.", ""]
            else:
                lines += _name(module, name, value)
    return "\n".join(lines)


def _name(module: str, name: str, value: Any) -> Iterator[str]:
    full = f"{module}.{name}"
    where = getattr(value, "__module__", module)
    documented = isinstance(value, type) or callable(value)
    if documented:
        yield f"<!-- api: {full} {where}.{getattr(value, '__qualname__', name)} -->"
    yield from (f"### {full}", "")
    yield from _signature(name, value)
    yield from _docstring(value)
    if isinstance(value, type):
        for member, found in members(value):
            yield from _member(member, found)
    if documented:
        yield "<!-- end -->"
    yield ""


def _signature(name: str, value: Any) -> Iterator[str]:
    if callable(value) and not isinstance(value, type):
        yield from ("```text", f"{name}{signature(value)}", "```", "")
    elif isinstance(value, type):
        lines = [line for line in class_lines(value) if line.startswith(("made by", "field"))]
        enumerated = [f"{member.name} = {member.value!r}" for member in value] if issubclass(value, enum.Enum) else []
        made = [line.replace("made by ", value.__name__, 1).removeprefix("field ") for line in lines]
        if lines := made + enumerated:
            yield from ("```text", *lines, "```", "")


def _member(name: str, value: Any) -> Iterator[str]:
    function: Callable[..., Any] | None
    function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    if name.startswith("_") or function is None or not inspect.getdoc(function):
        return
    kind = "property " if isinstance(value, property) else "async " if inspect.iscoroutinefunction(function) else ""
    first = " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())
    yield f"- `{kind}{name}{'' if isinstance(value, property) else _short(function)}`: {first}"


def _short(function: Callable[..., Any]) -> str:
    """The parameters' names, without types."""
    found = inspect.signature(function).parameters.values()
    names = [
        ("**" if each.kind is each.VAR_KEYWORD else "") + each.name
        for each in found
        if each.name not in ("self", "cls")
    ]
    return f"({', '.join(names)})"


def _docstring(value: Any) -> Iterator[str]:
    text = inspect.getdoc(value) if callable(value) else None
    if not text:
        return
    for part in text.split("\n\n"):
        body = part
        if part.startswith("    "):
            body = f"```python\n{textwrap.dedent(part)}\n```"
        elif (found := re.match(r"(Args|Attributes|Raises|Returns):\n", part)) is not None:
            rows = re.split(r"\n(?=\S)", textwrap.dedent(part[found.end() :]))
            body = f"{found[1]}:\n\n" + "\n".join(f"- {' '.join(row.split())}" for row in rows)
        yield from (body, "")


PAGES: dict[str, Callable[[], str]] = {
    "language.md": language,
    "errors.md": errors,
    "command.md": command,
    "api.md": api,
}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for page, make in PAGES.items():
        (FOLDER / page).write_text(make())
