"""What is remembered of each client of a gateway: how much it has used of its limits. Reloads keep it, by name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal, NamedTuple

from providers.embeddings import AnyRequest
from providers.types import CompletionResponse, Usage
from router.plan.plan import Plan
from router.plan.serving import Client
from router.state.any_rate import PATIENCE, Sharer
from router.state.lease import rough_tokens
from router.state.limits import RateLimits, Reserved
from router.state.spending import Spending, why_over
from router.views import spans

_FAIR_TRY = 1.0  # seconds: when a place will be free, nobody knows
_ROUNDING = 1e-9  # seconds


class OverLimit(NamedTuple):
    """Why a client's request is not let in: by which of its limits, and the seconds until it allows the next."""

    limit: Literal["requests", "tokens", "in_flight", "budget"]
    wait: float
    message: str


class Permit:
    """A client's request under way, counted against the client's limits. Its outcome ends it, exactly once.

    What was reserved for it is settled by what happened, as for a vendor's limits: that it was asked stays counted.
    """

    __slots__ = ("_limits", "_prompt", "_reserved", "is_open")

    def __init__(self, limits: RateLimits, reserved: Reserved, prompt: float, *, has_place: bool = False) -> None:
        self._limits = limits
        self._reserved = reserved
        self._prompt = prompt
        self.is_open = True
        limits.in_flight += not has_place

    def answered(self, usage: Usage | None, now: float) -> None:
        """Report a whole answer, with what was counted of it; where nobody counted, what was reserved stays."""
        if not self._end():
            return
        if usage is None or usage.output_tokens is None:
            return
        prompt = round(self._prompt) if usage.input_tokens is None else usage.input_tokens
        self._limits.settle(self._reserved, prompt + usage.output_tokens, now)
        self._limits.learn(usage.output_tokens)

    def failed(self, now: float, partial: CompletionResponse | None = None) -> None:
        """Report that it failed: without any answer it has used no tokens."""
        if self._end():
            self._settle(partial, now)

    def cancelled(self, now: float, partial: CompletionResponse | None = None) -> None:
        """Report that the client went away after so much of the answer; its prompt counts, since vendors read it."""
        if self._end():
            self._settle(partial or CompletionResponse(text=""), now)

    def _settle(self, partial: CompletionResponse | None, now: float) -> None:
        used = 0 if partial is None else round(self._prompt) + rough_tokens(partial)
        self._limits.settle(self._reserved, used, now)

    def _end(self) -> bool:
        was_open, self.is_open = self.is_open, False
        if was_open:
            self._limits.release_slot()
        return was_open


class ClientStates:
    """Lets the requests of clients in, as far as their limits and budgets go.

    Args:
        spending: knows what is left of the budgets.
    """

    def __init__(self, spending: Spending) -> None:
        self._spending = spending
        self._known: Mapping[str, Client] = {}
        self._limits: dict[str, RateLimits] = {}
        self._sharer: Sharer | None = None

    def share(self, sharer: Sharer | None) -> None:
        """Have the limits of each client in common with other processes from now on; None: for this one alone."""
        self._sharer = sharer
        for name, limits in self._limits.items():
            limits.share(sharer, f"client {name}")

    def adopt(self, plan: Plan) -> None:
        """Take over the clients of a new plan; what was used of their limits stays used."""
        self._known = plan.serving.by_name
        for name in self._limits.keys() - self._known.keys():
            del self._limits[name]
        for name, limits in self._limits.items():
            if limits.rules != self._known[name].limits:
                limits.change(self._known[name].limits)

    def admit(
        self, client: Client, prompt: float, max_tokens: int | None, now: float, request: AnyRequest | None = None
    ) -> Permit | OverLimit:
        """Let a request in, or say which limit is against it.

        Args:
            prompt: its tokens, as far as can be told.
            max_tokens: the most that it wants for an answer; None where it does not say.
            now: the loop's time in seconds.
            request: whose user, tags and the like say which budget counts, where there are several; one that brings
                vendors' keys is kept out by none here, since each target asks for its own.
        """
        client = self._known.get(client.name, client)
        pays = request is not None and request.routing is not None and bool(request.routing.credentials)
        budget = None if pays else client.budget
        if budget is not None and (over := self._spending.used_up(budget, request)) is not None:
            return OverLimit("budget", over[1], why_over(*over))
        limits = self._limits.get(client.name)
        if limits is None:
            # A vendor's limit is smoothed, so that none is hit; of its own limit a client may use all at once.
            limits = self._limits[client.name] = RateLimits(client.limits, smooth=False)
            limits.share(self._sharer, f"client {client.name}")
        if limits.is_unlimited:
            return Permit(limits, Reserved(), prompt)
        if limits.full:
            most = limits.rules.in_flight
            return OverLimit("in_flight", _FAIR_TRY, f"{client.name} has {most} requests under way, as many as it may")
        tokens = limits.expected(prompt, max_tokens)
        waits = limits.waits(tokens, now)
        kind: Literal["requests", "tokens"] = "requests" if waits[0] >= waits[1] else "tokens"
        wait = max(waits)
        if wait > 0:
            return OverLimit(kind, wait, f"the limit of {kind} of {client.name} allows the next in {spans.wait(wait)}")
        return Permit(limits, limits.take(tokens, now, now), prompt)

    async def admit_after(
        self,
        over: OverLimit,
        client: Client,
        prompt: float,
        max_tokens: int | None,
        request: AnyRequest | None = None,
    ) -> Permit | OverLimit:
        """Let a request in that was refused, if all that this process lacks is a reply: that is waited for, not long.

        Args:
            over: why `admit` refused it.
        """
        if self._sharer is None or over.limit == "budget":
            return over
        loop, limits = asyncio.get_running_loop(), self._limits[client.name]
        if over.limit == "in_flight":
            if limits.in_flight >= (limits.places or 0) or not await limits.wait_for_slot(PATIENCE):
                return over
            now, tokens = loop.time(), limits.expected(prompt, max_tokens)
            if limits.wait(tokens, now) == 0:
                return Permit(limits, limits.take(tokens, now, now), prompt, has_place=True)
            limits.release_slot()
            return self.admit(client, prompt, max_tokens, now, request)
        reserved = await reserved_soon(limits, limits.expected(prompt, max_tokens), over.wait)
        if reserved is not None and not limits.full:
            return Permit(limits, reserved, prompt)
        if reserved is not None:
            limits.give_back(reserved, loop.time())
        return self.admit(client, prompt, max_tokens, loop.time(), request)

    def over_budget(self, client: Client, request: AnyRequest | None = None, why: str = "") -> OverLimit | None:
        """Say why its budget lets nothing begin now, be it used up or granted to other processes; or that of its user
        and the like, at a route or provider.

        Args:
            why: nobody was asked, in words that name the budgets that were in the way.
        """
        own = self._known.get(client.name, client).budget
        over = None if own is None else self._spending.used_up(own, request, here=True)
        for budget in self._spending.values.written if over is None and request is not None else ():
            found = self._spending.used_up(budget, request, here=True)
            if found is not None and found[0].budget.owner in why:
                over = found
        return None if over is None else OverLimit("budget", over[1], why_over(*over))

    def in_flight(self, name: str) -> int:
        """Count the requests of a client that are under way."""
        limits = self._limits.get(name)
        return 0 if limits is None else limits.in_flight


async def reserved_soon(limits: RateLimits, tokens: float, wait: float, patience: float = PATIENCE) -> Reserved | None:
    """Wait in line for what a request takes of the limits; None where that would be longer than `patience`."""
    if wait > patience:
        return None
    loop = asyncio.get_running_loop()
    now = loop.time()
    reserved, end = limits.take(tokens, now, now + wait), now + patience
    try:
        while 0 < wait <= end - now + _ROUNDING:
            coming = limits.coming(reserved)
            await (asyncio.wait(coming, timeout=end - now) if coming else asyncio.sleep(wait))
            now = loop.time()
            wait = limits.early(reserved, now)
    except BaseException:
        limits.give_back(reserved, loop.time())
        raise
    if wait > 0:
        limits.give_back(reserved, now)
        return None
    return reserved
