"""The rules of `api_key` and `api_keys`: what is no key, what stands there twice, and what a source needs here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec

from providers.credentials.command import words_of
from router.config.diagnostics import Findings
from router.config.key_forms import remedy
from router.config.shorthand import WITHOUT_SETTINGS
from router.config.yaml_reader import Node


def check_keys(provider: Node, findings: Findings, *, is_left_out: bool) -> None:
    """Adds a finding for every broken rule of a provider's keys, whose short forms are expanded.

    Args:
        is_left_out: so that nothing is missed where it could not run.
    """
    pool = provider.get("api_keys")
    if provider.get("api_key") is not None and pool is not None:
        findings.add(pool.key_at, pool.path, "api_key and api_keys exclude each other")
    seen: set[str] = set()
    for node in _keys(provider):
        key = node.get("key")
        if key is not None and type(key.value) is str and not key.unset:  # as it is written, without a variable
            told = remedy(key.value, str(provider.path[-1]))
            if key.value in WITHOUT_SETTINGS:
                told = f"this would be sent as the key itself: that source is written {{{key.value}: default}}"
            if told is not None:
                findings.add(key.place, key.path, told)
        what = repr(node.data())
        if what in seen and not node.unset:
            findings.add(node.at, node.path, "the same key is in the pool twice")
        seen.add(what)
        if not is_left_out:
            _check_source(node, findings)


def _keys(provider: Node) -> Iterator[Node]:
    alone, pool = provider.get("api_key"), provider.get("api_keys")
    if alone is not None:
        yield alone
    if pool is not None and isinstance(pool.value, list):
        yield from pool.value


def _check_source(key: Node, findings: Findings) -> None:
    for name in WITHOUT_SETTINGS:  # each is a module, and an extra
        if (source := key.get(name)) is not None and not all(map(_is_installed, _needed(name))):
            text = f"{name} needs its extra: pip install 'llm-signalbox[{name}]'"
            findings.add(source.key_at, source.path, text)
    command = key.get("command")
    if command is None or command.unset or not isinstance(command.value, str | list):
        return
    try:
        program, *_ = words_of(command.data() if isinstance(command.value, str) else tuple(command.data()))
    except (TypeError, ValueError):
        return  # which the schema tells
    first = command.value[0] if isinstance(command.value, list) else command
    if isinstance(program, str) and not first.unset and shutil.which(program) is None:
        text = "there is no such program here: calls would fail"
        findings.add(first.place, first.path, text, severity="warning")


def _needed(source: str) -> tuple[str, ...]:
    modules: tuple[str, ...] = import_module(f"providers.credentials.{source}").MODULES
    return modules


def _is_installed(module: str) -> bool:
    with suppress(ImportError, ValueError):  # of its parent
        return find_spec(module) is not None
    return False
