"""Plots."""

from __future__ import annotations

from typing import ClassVar

from tui.view import View


class PlotsScreen(View):
    """Plots."""

    name_of_mode: ClassVar[str] = "plots"
