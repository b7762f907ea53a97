"""Panel."""

from __future__ import annotations

from typing import ClassVar

from tui.view import View


class PanelScreen(View):
    """Panel."""

    name_of_mode: ClassVar[str] = "panel"
