"""Tags of a call: what an app says of it to a router, such as `{"tier": "free"}`. No vendor is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeGuard

MOST = 32  # of a call
LONGEST = 256  # characters of a value
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_FORM = 'a name of letters, digits, ".", "_" and "-", at most 64'
VALUE_FORM = f"a text of 1 to {LONGEST} printed characters"


def is_name(value: object) -> TypeGuard[str]:
    """Say whether this can be the name of a tag."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def is_value(value: object) -> TypeGuard[str]:
    """Say whether this can be the value of a tag."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable()


def why_no_tags(tags: object) -> str:
    """Say why these are no tags of a call; "" where they are."""
    if not isinstance(tags, Mapping):
        return f"a dict of texts is expected, not {type(tags).__name__}"
    if len(tags) > MOST:
        return f"at most {MOST} are taken"
    for name, value in tags.items():
        if not is_name(name):
            return f"{str(name)[:LONGEST]!r} is no {NAME_FORM.removeprefix('a ')}"
        if not is_value(value):
            return f"{name}: {VALUE_FORM} is expected"
    return ""
