"""Labels of targets, such as `region: eu`, and what requires them: read, joined and compared.

What is required has to be met by all who are asked, whoever requires it: the requirements of a route, of a client's key
and of a call add up, so that none of them can widen another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from providers.types import Requirement

Labels: TypeAlias = Mapping[str, tuple[str, ...]]


def label_name(value: Any) -> str:
    """The name of a label, or of what is required. Raises ValueError."""
    if not isinstance(value, str) or not value or not value.isprintable() or any(map(str.isspace, value)):
        raise ValueError("a label's name is text without white space, such as region")
    return str(value)


def label_texts(value: Any) -> tuple[str, ...]:
    """The texts of a label, or those that are required: one, or a list. Raises ValueError."""
    texts = value if isinstance(value, list | tuple) else [value]
    if not texts:
        raise ValueError("the list is empty: write one text at least, such as eu")
    for text in texts:
        if not isinstance(text, str):
            is_scalar = isinstance(text, bool | int | float)
            raise ValueError("this must be text, or a list of texts" + ("; put it in quotes" if is_scalar else ""))
        if not text.strip() or not text.isprintable():
            raise ValueError("this must be text of some printable characters, such as eu")
    return tuple(dict.fromkeys(map(str, texts)))


def requirement(origin: str, labels: Labels) -> Requirement:
    """What `origin` requires; the order in which it is written says nothing."""
    return Requirement(origin, tuple(sorted((name, tuple(sorted(texts))) for name, texts in labels.items())))


def why_not_met(labels: Labels, required: tuple[Requirement, ...]) -> str:
    """Say which requirements these labels do not meet, and who requires it; "" where they meet all."""
    return "; ".join(
        f"{_has(name, labels)}, where {each.origin} requires {shown_texts(texts, 'or')}"
        for each in required
        for name, texts in each.labels
        if set(texts).isdisjoint(labels.get(name, ()))
    )


def _has(name: str, labels: Labels) -> str:
    return f"{name} is {shown_texts(labels[name], 'and')}" if name in labels else f"it has no label {name}"


def shown_texts(texts: tuple[str, ...], last: str) -> str:
    """Some texts for people: `eu`, `eu or uk`."""
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {last} {texts[-1]}"


def shown_labels(labels: Labels, last: str = "and") -> str:
    """Labels for people: `region eu, retention none`."""
    return ", ".join(f"{name} {shown_texts(texts, last)}" for name, texts in labels.items())
