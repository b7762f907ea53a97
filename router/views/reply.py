"""A router's answer, as type checkers see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.types import CompletionResponse

if TYPE_CHECKING:
    from router.views.trace import Trace

    class Reply(CompletionResponse, frozen=True, kw_only=True):
        """The answer of a route: what a vendor said, with route, target, cost and trace.

        When a program runs, a vendor's answer and a router's are of one class: to make another of each would cost every
        call.
        """

        route: str
        trace: Trace

else:
    Reply = CompletionResponse
