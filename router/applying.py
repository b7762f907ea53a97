"""Reads what `Router.apply` is given, in the place of the file that runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from router.config import LoadResult, load_text
from router.config.as_text import as_text
from router.config.diagnostics import ConfigError
from router.plan.plan import Plan


def load_in_place(
    plan: Plan, source: str | Mapping[str, Any], env: Mapping[str, str] | None, replaced: Collection[str]
) -> LoadResult:
    """Read a text or dict as if it stood where the file of a plan does.

    Raises:
        ConfigError: it has errors. TypeError: it is neither.
    """
    old = plan.loaded
    path = None if old is None else old.path
    text = source if isinstance(source, str) else as_text(source)
    loaded = load_text(
        text,
        name="routes.yaml" if old is None else old.name,
        env=env,
        folder=None if path is None else path.parent,
        replaced=replaced,
        keyed=tuple(plan.credentials),
    )
    if loaded.file is None:
        raise ConfigError(loaded.diagnostics)
    return replace(loaded, path=path)
