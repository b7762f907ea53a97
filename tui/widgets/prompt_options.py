"""The parameters of a prompt. The Try screen opens and closes them above the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Label, Select

from tui.theme import BAD, FAINT

CACHE = (("use the cache", "use"), ("skip it", "skip"), ("refresh it", "refresh"), ("only the cache", "only"))


class PromptOptions(Horizontal):
    """Takes system prompt, temperature, most tokens and cache. What is empty is left to the file and the vendor."""

    DEFAULT_CSS = """
    PromptOptions { display: none; height: 4; background: $surface; padding: 0 1; }
    PromptOptions Input { border: none; height: 1; background: $panel; width: 1fr; }
    PromptOptions #system { width: 3fr; }
    PromptOptions > Vertical { height: 4; }
    PromptOptions Label { color: $foreground 72%; margin: 0 1; }
    PromptOptions Select { width: 22; }
    """

    def compose(self) -> ComposeResult:
        yield Label("system")
        yield Input(id="system", placeholder="none", compact=True)
        yield Label("temperature")
        yield Input(id="temperature", placeholder="vendor's", compact=True)
        yield Label("max tokens")
        yield Input(id="max_tokens", placeholder="vendor's", compact=True)
        yield Select(CACHE, value="use", allow_blank=False, id="cache", compact=True)

    @property
    def system(self) -> str:
        """The system prompt; "" for none."""
        return self.query_one("#system", Input).value.strip()

    def params(self) -> Mapping[str, Any]:
        """Return the parameters that are set.

        Raises:
            ValueError: With a sentence on what is wrong.
        """
        params: dict[str, Any] = {}
        temperature = self.query_one("#temperature", Input).value.strip()
        if temperature:
            params["temperature"] = _number(temperature)
        most = self.query_one("#max_tokens", Input).value.strip()
        if most:
            if not most.isdecimal() or int(most) < 1:
                raise ValueError(f'max tokens: "{most}" is not a whole number of at least 1')
            params["max_tokens"] = int(most)
        cache = str(self.query_one("#cache", Select).value)
        if cache != "use":
            params["cache"] = cache
        return params

    def summary(self) -> Content:
        """Return what is set, for the line below the prompt; where something is wrong, that instead."""
        try:
            params = dict(self.params())
        except ValueError as error:
            return Content.styled(str(error), BAD)
        if self.system:
            params["system"] = "set"
        return Content.styled("  ".join(f"{name} {value}" for name, value in params.items()), FAINT)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 2:
        raise ValueError(f'temperature: "{text}" is not a number from 0 to 2')
    return value
