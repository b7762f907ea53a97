"""Config."""

from __future__ import annotations

from typing import ClassVar

from tui.view import View


class ConfigScreen(View):
    """Config."""

    name_of_mode: ClassVar[str] = "config"
