"""What a parameter of a call has to be, in the words of a routes.yaml instead of Python's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from providers.types import CompletionRequest, ServerTool

_NO_PARAMS = ("model", "messages", "tools", "timeout", "prompt_cache", "native", "routing", "tags")
_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", dict: "a mapping"}


@cache
def known_params() -> Mapping[str, Any]:
    """What `params` may have, each with its type."""
    hints = {name: hint for name, hint in get_type_hints(CompletionRequest).items() if name not in _NO_PARAMS}
    return {**hints, "server_tools": tuple[ServerTool | str, ...]}  # their names will do


def expected(hint: Any) -> str:
    """Say what a parameter of this type takes, such as `"off", "low" or a whole number`."""
    forms = list(dict.fromkeys(_forms(hint)))
    return " or ".join(filter(None, (", ".join(forms[:-1]), forms[-1])))


def _forms(hint: Any) -> list[str]:
    kind, arguments = get_origin(hint), get_args(hint)
    if kind is Literal:
        return [f'"{value}"' for value in arguments]
    if kind is tuple:
        return ["a list of texts" if arguments[0] is str else "a list of names, or of mappings with name and options"]
    if kind is dict:
        return ["a mapping of texts" if arguments[1] is str else "a mapping"]
    if hint in _WORDS:
        return [_WORDS[hint]]
    return [form for argument in arguments if argument is not type(None) for form in _forms(argument)]
