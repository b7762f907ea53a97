"""How a target is called where a route gives a model params of its own, and where the file names it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from router.config.diagnostics import Path_

_LONGEST_LABEL = 60  # characters of the params


def target_name(ref: str, params: Mapping[str, Any]) -> str:
    """Name a model with the params that a route gives it, such as `mini (thinking=low)`."""
    if not params:
        return ref
    flat = {
        f"{name}.{key}" if key else name: value
        for name, inner in params.items()
        for key, value in (inner.items() if isinstance(inner, Mapping) and inner else (("", inner),))
    }
    text = ", ".join(f"{name}={value}" for name, value in sorted(flat.items()))
    if len(text) > _LONGEST_LABEL:  # what is left out tells them apart too
        text = f"{text[: _LONGEST_LABEL - 8]}… {sha256(text.encode(errors='surrogatepass')).hexdigest()[:6]}"
    return f"{ref} ({text})"


def target_places(owner: Path_, index: int, name: str) -> tuple[Path_, ...]:
    """The keys at which a target may stand that a route or a tier in place has, in a list or by weight, the nearest
    first.
    """
    path = (*owner, "targets")
    return (*path, index, "model"), (*path, index), (*path, name), path, owner
