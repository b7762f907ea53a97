"""What makes the tests of the dashboard fast."""

from __future__ import annotations

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
