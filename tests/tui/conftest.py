"""What makes the tests of the dashboard fast."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from textual.css import stylesheet


@pytest.fixture(autouse=True, scope="session")
def style_sheets_are_read_once() -> Iterator[None]:
    """Textual reads the same ones for every app and theme, which is most of what it takes to start one."""
    read, tokenized = stylesheet.parse, stylesheet.tokenize_values
    variables: dict[tuple[tuple[str, str], ...], Any] = {}
    rules: dict[tuple[Any, ...], list[Any]] = {}

    def tokenize_values(values: dict[str, str]) -> Any:
        key = tuple(values.items())
        if key not in variables:
            variables[key] = tokenized(values)
        return variables[key]

    def parse(*args: Any, variable_tokens: Any, **more: Any) -> list[Any]:
        key = (*args, id(variable_tokens), *more.items())  # which are kept above
        if key not in rules:
            rules[key] = list(read(*args, variable_tokens=variable_tokens, **more))
        return rules[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stylesheet, "parse", parse)
        patch.setattr(stylesheet, "tokenize_values", tokenize_values)
        yield


@pytest.fixture(autouse=True, scope="session")
def screens_begin_as_in_python_3_11() -> Iterator[None]:
    """From Python 3.12 on Textual has tasks begin at once where it runs an app by itself, as it does for a picture. The
    first screen is then no screen yet when its widgets begin, and an `Input` fails. The dashboard's own has none; a
    picture may begin with another one (`opened_at`)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(asyncio, "eager_task_factory", raising=False)
        yield
