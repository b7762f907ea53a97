"""What `signalbox explain` supposes of a request, for the rules of its route."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from providers.embeddings import AnyRequest
from providers.spelling import did_you_mean
from providers.tags import why_no_tags
from router.cli.call_options import params_of
from router.cli.common import Failure
from router.config.units import count
from router.config.when_schema import NEEDED, SAID_OTHERWISE
from router.engine.facts import RequestFacts
from router.engine.needs import Requirements
from router.plan.plan import Chain

_USAGE = 2  # exit code


class Supposed(RequestFacts):
    """What a request is, and what is said of it beside."""

    more_needs: frozenset[str] = frozenset()
    tokens: int | None = None

    @classmethod
    def of(
        cls,
        request: AnyRequest,
        tags: tuple[str, ...],
        tokens: str | None,
        needs: tuple[str, ...],
        at: str | None,
        of_key: Mapping[str, str],
    ) -> Supposed:
        """Read the options; raises Failure where one is wrong.

        Args:
            of_key: the tags of the client's key, which go before the call's.
        """
        said = params_of({"tags": tags}).get("tags", {})
        if why := why_no_tags(said):
            raise Failure(f"--tags: {why}", _USAGE)
        said = {**said, **of_key}
        wall = time.time() if at is None else _moment(at)
        facts = cls(replace(request, tags=said or request.tags), streaming=True, clock=lambda: wall)
        facts.more_needs = frozenset(_need(name) for each in needs for name in each.split(","))
        facts.tokens = None if tokens is None else _tokens(tokens)
        if facts.tokens is not None:
            facts.__dict__["prompt_tokens"] = facts.tokens  # in the place of what would be counted
        facts.__dict__["needs"] = facts.needs | facts.more_needs
        return facts

    def added_to(self, required: Requirements) -> Requirements:
        """Return what a request asks of a target, with what is supposed of it."""
        fields = {need: True for need in self.more_needs if need in Requirements.__struct_fields__}
        more = {} if self.tokens is None else {"least_tokens": self.tokens, "prompt_tokens": self.tokens}
        return replace(required, **fields, **more)


def told_rules(chain: Chain, facts: RequestFacts) -> list[dict[str, Any]]:
    """Say of each rule of a route whether it holds, and why not; those after the first that holds are not asked."""
    told: list[dict[str, Any]] = []
    is_decided = False
    for rule, _ in chain.rules:
        why = "" if is_decided else rule.why_not(facts)
        holds = not is_decided and not why
        told.append({"rule": rule.line, "to": rule.to, "holds": holds, "why": f"no: {why}" if why else ""})
        is_decided = is_decided or holds
    return told


def _tokens(text: str) -> int:
    try:
        return count(int(text) if text.isdecimal() else text)
    except ValueError:
        raise Failure(f'--prompt-tokens takes a number such as 40000 or 40k, not "{text}"', _USAGE) from None


def _need(text: str) -> str:
    name = SAID_OTHERWISE.get(text, text).replace("-", "_")
    if name not in NEEDED:
        near = did_you_mean(name, NEEDED)
        raise Failure(f'--needs: nothing that a request needs is named "{text}"{near}: {", ".join(NEEDED)}', _USAGE)
    return name


def _moment(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(f'--at takes a time such as 2026-11-27T23:00, not "{text}"', _USAGE) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
