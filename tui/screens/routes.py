"""Routes."""

from __future__ import annotations

from typing import ClassVar

from tui.view import View


class RoutesScreen(View):
    """Routes."""

    name_of_mode: ClassVar[str] = "routes"
