"""Try."""

from __future__ import annotations

from typing import ClassVar

from tui.view import View


class TryScreen(View):
    """Try."""

    name_of_mode: ClassVar[str] = "try"
