"""What somebody asks in a simulation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any, NamedTuple

from providers.embeddings import EmbeddingResponse, RerankResponse
from router.router import Router
from router.simulate.schema import Traffic

NO_MORE: Mapping[str, Any] = {}


class Question(NamedTuple):
    """What somebody asks: tokens of prompt and answer. Those with the same `name` ask the same."""

    name: str
    prompt: int
    answer: int


def params_of(line: Traffic, question: Question, more: Mapping[str, int]) -> dict[str, Any]:
    """The parameters of a request; its `metadata` are what the simulated vendors go by."""
    return {
        "metadata": {"route": line.route, "prompt": question.prompt, "answer": question.answer, **more},
        # The prompts are all of the same words: who asks something else does so in another namespace.
        "cache": "use" if line.repeats else "skip",
        "namespace": question.name if line.repeats else None,
        "tags": dict(line.tags),
        "require": line.require,
    }


async def made(
    router: Router, line: Traffic, makes: str, text: str, params: dict[str, Any]
) -> EmbeddingResponse | RerankResponse:
    """Make vectors or ranks; what the vendors go by is in the body."""
    more: dict[str, Any] = {name: params.get(name) for name in ("namespace", "affinity", "caller", "tags", "require")}
    more |= {"end_user": params.get("user"), "extra_body": params["metadata"]}
    if makes == "ranks":
        return await router.rerank(line.route, text, [text], **more)
    return await router.embed(line.route, text, cache=params["cache"], **more)


async def talk(
    ask: Callable[..., Awaitable[bool]],
    line: Traffic,
    first: Question,
    session: str | None,
    user: str | None,
    known_by: Mapping[str, Any],
    until: float,
) -> None:
    """Ask in several turns, each with all that was said before; a turn that fails is the last.

    Args:
        ask: makes a request, and says whether it was answered.
        known_by: what a vendor's prompt cache knows it by.
        until: the loop's time from which on nobody asks any more.
    """
    name, said, prompt, answer = first.name, 0, first.prompt, first.answer
    rng = Random(f"talk/{name}/{prompt}/{answer}")  # a talk is the same whatever the plan
    for turn in range(max(1, round(line.turns.draw(rng)))):
        if turn:
            await asyncio.sleep(line.pause.draw(rng))
            prompt, answer = (max(1, round(spread.draw(rng))) for spread in (line.prompt, line.answer))
        said += prompt
        question = Question(f"{name}/{turn}", said, answer)
        is_over = asyncio.get_running_loop().time() >= until
        if is_over or not await ask(line, question, session or name, user, known_by):
            return
        said += answer
