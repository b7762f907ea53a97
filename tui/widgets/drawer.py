"""The parameters of a prompt, in a drawer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Label, Select

from tui.theme import BAD, FAINT

CACHE = (("use the cache", "use"), ("skip it", "skip"), ("refresh it", "refresh"), ("only the cache", "only"))


class Drawer(Horizontal):
    """System prompt, temperature, tokens at most, cache. What is left empty is left to the file and the vendor."""

    DEFAULT_CSS = """
    Drawer { display: none; height: 4; background: $surface; padding: 0 1; }
    Drawer Input { border: none; height: 1; background: $panel; width: 1fr; }
    Drawer #system { width: 3fr; }
    Drawer > Vertical { height: 4; }
    Drawer Label { color: $foreground 60%; margin: 0 1; }
    Drawer Select { width: 22; }
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
        """The system prompt, "" for none."""
        return self.query_one("#system", Input).value.strip()

    def params(self) -> Mapping[str, Any]:
        """The parameters that are set.

        Raises:
            ValueError: with a sentence on what is wrong.
        """
        found: dict[str, Any] = {}
        temperature = self.query_one("#temperature", Input).value.strip()
        if temperature:
            found["temperature"] = _number(temperature)
        most = self.query_one("#max_tokens", Input).value.strip()
        if most:
            if not most.isdecimal() or int(most) < 1:
                raise ValueError(f'max tokens: "{most}" is not a whole number of at least 1')
            found["max_tokens"] = int(most)
        cache = str(self.query_one("#cache", Select).value)
        if cache != "use":
            found["cache"] = cache
        return found

    def told(self) -> Content:
        """What is set, for the line below the prompt; what is wrong instead, where something is."""
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
