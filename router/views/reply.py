"""A router's answer, as type checkers see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from providers.types import CompletionResponse

if TYPE_CHECKING:
    from typing import Generic

    from typing_extensions import TypeVar as TypeVarWithDefault

    from router.views.trace import Trace

    T_co = TypeVarWithDefault("T_co", default=Any, covariant=True)

    class Reply(CompletionResponse, Generic[T_co], frozen=True, kw_only=True):
        """The answer of a route: what a vendor said, with route, target, cost and trace.

        `parsed` is the answer's value where a `response_format` was asked for: of its type, and checked. When a program
        runs, a vendor's answer and a router's are of one class: to make another of each would cost every call.
        """

        route: str
        trace: Trace
        parsed: T_co

else:
    T_co = TypeVar("T_co", covariant=True)
    Reply = CompletionResponse
