"""Requests."""

from __future__ import annotations

from typing import ClassVar

from tui.view import View


class RequestsScreen(View):
    """Requests."""

    name_of_mode: ClassVar[str] = "requests"
