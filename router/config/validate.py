"""Runs the models over the tree and tells what pydantic found in the words and places of the file."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from router.config.diagnostics import Findings
from router.config.hints import BALANCES, example, hint, whose_file
from router.config.schema import RoutesFile
from router.config.spelling import Spelling
from router.config.yaml_reader import Node

_MESSAGES = {
    "model_type": "this must be a mapping (key: value)",
    "dict_type": "this must be a mapping (key: value)",
    "tuple_type": "this must be a list",
    "string_type": "this must be text",
}
_FEW = 9  # keys that a message lists
M = TypeVar("M", bound=BaseModel)


def validate(root: Node, disabled: set[str], findings: Findings) -> RoutesFile | None:
    """The models of a tree, or None with findings. Values with unset variables are left out, as reported."""
    other = whose_file(root, findings.name)
    if other:
        findings.add((1, 1), (), other)
        return None
    file = read_as(RoutesFile, root, findings, needs="providers and routes")
    if file is not None:
        for name in disabled & file.providers.keys():
            file.providers[name].leave_out()
    return file


def read_as(model: type[M], root: Node, findings: Findings, *, needs: str) -> M | None:
    """The model of a tree, or None with findings.

    Args:
        needs: what the file can't do without, for people.
    """
    if not isinstance(root.value, dict):
        findings.add(root.at, (), f"the file must be a mapping with {needs}")
        return None
    try:
        return model.model_validate(_data(root))
    except ValidationError as error:
        spelling = Spelling()
        for found in error.errors(include_url=False, include_input=False):
            _report(model, root, found["loc"], dict(found), findings, spelling)
        return None


def _data(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: _data(child) for key, child in node.value.items() if not child.unset}
    if isinstance(node.value, list):
        return [_data(child) for child in node.value if not child.unset]
    return node.value


def _report(
    model: type[BaseModel],
    root: Node,
    loc: tuple[str | int, ...],
    found: dict[str, Any],
    findings: Findings,
    spelling: Spelling,
) -> None:
    node, rest = _find(root, loc)
    kind = found["type"]
    if kind == "missing" and node.unset:
        return  # its variable is not set, which has been reported
    if kind == "missing":
        missing = str(rest[0]) if rest else str(loc[-1])
        child = node.get(missing)
        if (child is None or not child.unset) and not _is_meant(model, node, loc, missing, spelling):
            like = example((*node.path, missing), Node(None, (), (1, 1), (1, 1))).replace(", such as", ": write")
            findings.add(node.key_at, node.path, f'"{missing}" is missing{like}')
    elif kind == "extra_forbidden":
        _unknown(model, node, loc, findings, spelling)
    elif kind == "no_limit":
        findings.add(node.place, node.path, str(found["msg"]))
    elif _is_null(node):
        findings.add(node.key_at, node.path, "this has no value; write one, or take the key out")
    elif kind == "literal_error":
        meant = BALANCES.get(str(node.value)) if node.path[-1] == "balance" else None
        near = f"; {node.value} is called {meant} here" if meant else ""
        findings.add(node.place, node.path, f"this must be one of {found['ctx']['expected']}{near}")
    elif kind == "too_short" and node.value:
        pass  # its entries are wrong, which has been reported
    elif kind == "too_short":
        findings.add(node.place, node.path, "this is empty; it needs at least one entry")
    elif kind == "value_error":
        at = node.key_at if rest == ("[key]",) else node.place
        findings.add(at, node.path, str(found["ctx"]["error"]))
    elif kind == "model_type" and 0 < len(keys := _keys_at(model, loc)) <= _FEW:
        like = example(node.path, node)
        findings.add(node.place, node.path, f"this must be a mapping with some of {', '.join(keys)}{like}")
    else:
        like = example(node.path, node) if kind in _MESSAGES else ""
        findings.add(node.place, node.path, _MESSAGES.get(kind, str(found["msg"]).lower()) + like)


def _unknown(
    model: type[BaseModel], node: Node, loc: tuple[str | int, ...], findings: Findings, spelling: Spelling
) -> None:
    name, keys = str(loc[-1]), _keys_at(model, loc[:-1])
    known = f"; its keys: {', '.join(keys)}" if 0 < len(keys) <= _FEW else ""
    close = spelling.near(name, keys)
    below_key = node.path[0] == "providers" and len(node.path) > 3 and node.path[2] in ("api_key", "api_keys")
    if below_key and not close:  # it may be a key, and is not repeated
        findings.add(node.key_at, node.path[:-1], f"no key has this name here{known}")
        return
    key, glued, value = name.partition(":")
    if glued and value and key in keys:  # the value may be a key
        findings.add(node.key_at, (*node.path[:-1], key), f"a space is missing after this colon: write {key}: …")
        return
    near = hint(node.path[:-1], name, node) or close or known or _of_ones_own(node, loc)
    findings.add(node.key_at, node.path, f'no key is named "{name}" here{near}')


def _of_ones_own(node: Node, loc: tuple[str | int, ...]) -> str:
    is_section = len(loc) == 1 and isinstance(node.value, dict | list)
    return f": what is there for its anchor (&name) is called x-{loc[0]}" if is_section else ""


def _is_meant(model: type[BaseModel], node: Node, loc: tuple[str | int, ...], missing: str, spelling: Spelling) -> bool:
    """Whether a key of this section that is not known was meant to be the missing one, which its own finding says."""
    keys = _keys_at(model, loc[:-1])
    others = [(name, child) for name, child in node.value.items() if name not in keys] if keys else []
    return any(
        name.startswith(f"{missing}:")
        or (hint(node.path, name, child) or spelling.near(name, keys)).startswith(
            (f": write {missing}:", f' (did you mean "{missing}"')
        )
        for name, child in others
    )


def _is_null(node: Node) -> bool:
    return node.value is None


def _find(root: Node, loc: tuple[str | int, ...]) -> tuple[Node, tuple[str | int, ...]]:
    """The deepest node on the way, and what of the way is left (pydantic adds parts of its own for unions)."""
    node = root
    for index, part in enumerate(loc):
        child: Node | None = None
        if isinstance(node.value, dict):
            child = node.value.get(str(part))
        elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
            child = node.value[part]
        if child is None:
            return node, loc[index:]
        node = child
    return node, ()


def _keys_at(root: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The keys that the model at a place knows."""
    annotation: Any = root
    for part in loc:
        annotation = _step(_bare(annotation), part)
    model = _bare(annotation)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _step(annotation: Any, part: str | int) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if part in (name, field.alias):
                return field.annotation
        return None
    arguments = get_args(annotation)
    return arguments[1] if get_origin(annotation) is dict else arguments[0] if arguments else None


def _bare(annotation: Any) -> Any:
    """Without Annotated and `| None`."""
    while get_origin(annotation) in (Annotated, Union, UnionType):
        annotation = next(arg for arg in get_args(annotation) if arg is not type(None))
    return annotation
