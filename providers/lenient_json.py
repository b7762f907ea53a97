"""Readers that take what they can use of a vendor's JSON and never raise.

Servers send null, strings, lists and objects where their protocol says otherwise.
"""

from __future__ import annotations

import hashlib
from typing import Any


def as_dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def as_str(value: object) -> str | None:
    """The string; None for anything else and for the empty one."""
    return value if isinstance(value, str) and value else None


def as_count(value: object) -> int | None:
    """A number of tokens; None for anything else."""
    return value if type(value) is int and value >= 0 else None


def synthetic_id(position: int, name: str) -> str:
    """An id for a call that came without one: the same for the same call of the same answer."""
    return "call_" + hashlib.sha256(f"{position}:{name}".encode()).hexdigest()[:24]
