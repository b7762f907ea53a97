"""Whether an answer is one that the request, its route and its app take; what it says as a value, where JSON was asked
for.

An answer that is not taken is `invalid_output`: what follows is decided where it is for every other code.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec.structs import replace

from providers.errors import ErrorCode, ProviderError
from providers.threads import in_thread
from providers.types import CompletionRequest, CompletionResponse, Message

if TYPE_CHECKING:
    from router.plan.plan import Chain
    from router.plan.rules import AcceptRules
    from router.plan.target import Target
    from router.views.reply import Reply

    Accept: TypeAlias = Callable[[Reply], "Verdict | Awaitable[Verdict]"]

Verdict: TypeAlias = "bool | str | None"  # False, or why not; all else takes the answer

_LARGE = 128 * 1024  # characters of an answer that is read in a thread
_QUOTED = 20_000  # characters of an answer that its model is shown again
_REASON = 1000  # characters of an app's own reason


class Acceptance(msgspec.Struct, frozen=True, eq=False):
    """What the answers of one request have to be.

    Args:
        type: an `AnswerType`, None where the request asked for none.
        rules: those of the route.
        judge: the app's own function.
    """

    type: Any
    rules: AcceptRules | None
    judge: Accept | None

    async def read(
        self, response: CompletionResponse, request: CompletionRequest, target: Target, route: str
    ) -> CompletionResponse:
        """Return the answer with its value.

        Raises:
            ProviderError: INVALID_OUTPUT, with the answer as `partial`.
            Exception: what the app's own function, or a validator of its type, raises by mistake.
        """
        kind, why = self.type, self._empty_or_refused(response)
        if kind is None and self.rules is not None and self.rules.valid_json:
            kind = _type_of(request, target)
        if not why and kind is not None and not response.tool_calls:
            from providers.json_text import InvalidAnswer  # here: only those who ask for JSON need it

            try:
                large = len(response.text) > _LARGE
                parsed = await in_thread(kind.parse, response.text) if large else kind.parse(response.text)
                response = replace(response, parsed=parsed)
            except InvalidAnswer as error:
                cut = " (it was cut off at its longest length)" if response.finish_reason == "length" else ""
                why = f"{error}{cut}"
        if not why and self.judge is not None:
            why = await _judged(self.judge, replace(response, route=route, target=target.name))
        if why:
            raise _refused(why, response, target)
        return response

    def _empty_or_refused(self, response: CompletionResponse) -> str:
        rules, is_typed = self.rules, self.type is not None
        if response.finish_reason == "content_filter" and (is_typed or (rules is not None and rules.not_refused)):
            return "the answer was refused by the vendor's policy"
        is_empty = not response.tool_calls and not response.text.strip()
        return "$: the answer is empty" if is_empty and (is_typed or (rules is not None and rules.not_empty)) else ""


def acceptance_of(chain: Chain, request: CompletionRequest, judge: Accept | None) -> Acceptance | None:
    """Return what a request's answers have to be; None where all are taken, as nearly always."""
    if request.answer_type is None and chain.accept is None and judge is None:
        return None
    return Acceptance(request.answer_type, chain.accept, judge)


def _type_of(request: CompletionRequest, target: Target) -> Any:
    """What a request asks for by its own format, or by that of the file; None where that is no JSON."""
    from providers.answer_types import type_of_format  # here: only those who ask for JSON need it

    wanted = request.response_format
    return type_of_format(target.params.get("response_format") if wanted is None else wanted)


async def _judged(judge: Accept, response: Any) -> str:
    """Ask the app's function; gives why not, "" where it takes the answer."""
    try:
        verdict = judge(response)
        if inspect.isawaitable(verdict):
            verdict = await verdict
    except (ValueError, AssertionError) as error:  # as in pydantic's validators; all others are mistakes
        verdict = str(error) or False
    if verdict is False:
        return "the app does not accept it"
    return verdict[:_REASON] if isinstance(verdict, str) else ""


def _refused(why: str, response: CompletionResponse, target: Target) -> ProviderError:
    error = ProviderError(
        ErrorCode.INVALID_OUTPUT, why, provider=target.provider, model=target.model, request_id=response.request_id
    )
    error.partial = replace(response, parsed=None)
    return error


def with_correction(request: CompletionRequest, error: ProviderError) -> CompletionRequest:
    """Return the request with the answer that was not taken, and what was wrong with it. A client's own body is asked
    once more as it is.
    """
    if request.native is not None:
        return request
    text = "" if error.partial is None else error.partial.text.strip()
    said = text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"
    before = (Message.assistant(said),) if said else ()
    asked = f"This answer can't be used: {error.message}\nAnswer the request again, with that mended and nothing else."
    return replace(request, messages=(*request.messages, *before, Message.user(asked)))


async def within(deadline: float, work: Awaitable[CompletionResponse], target: Target) -> CompletionResponse:
    """Wait for a check no longer than the request has.

    Raises:
        ProviderError: TIMEOUT, of `total`.
    """
    if deadline == inf:
        return await work
    try:
        async with asyncio.timeout_at(deadline):
            return await work
    except TimeoutError:
        raise ProviderError(
            ErrorCode.TIMEOUT,
            "the answer was not checked in time",
            provider=target.provider,
            model=target.model,
            phase="total",
        ) from None
