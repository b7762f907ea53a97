"""LiteLLM's Router."""

from __future__ import annotations

import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would ask the network for a newer one

import litellm
from litellm.caching.caching import Cache

from benchmarks.answers import MODEL
from benchmarks.worker import Gap, Setup, serve

litellm.suppress_debug_info = True


class LiteLLM:
    def __init__(self, router: litellm.Router, setup: Setup, **params: Any) -> None:
        self._router = router
        self._messages = setup.messages
        self._params = params

    async def call(self) -> str:
        answer = await self._router.acompletion("chat", self._messages, **self._params)
        return answer.choices[0].message.content or ""

    async def stream(self) -> str:
        found = []
        async for chunk in await self._router.acompletion("chat", self._messages, stream=True):
            found += [choice.delta.content or "" for choice in chunk.choices]
        return "".join(found)

    async def tools(self) -> str:
        found = []
        async for chunk in await self._router.acompletion("chat", self._messages, stream=True):
            for choice in chunk.choices:
                found += [call.function.arguments or "" for call in choice.delta.tool_calls or ()]
        return "".join(found)


def _deployment(setup: Setup, group: str, number: int) -> dict[str, Any]:
    params = {"model": f"{setup.vendor}/{MODEL}", "api_base": setup.url(number), "api_key": "k"}
    return {"model_name": group, "litellm_params": params}


async def open_peer(setup: Setup) -> LiteLLM:
    if setup.bare or setup.vendor != "openai" or setup.cache == "disk":
        raise Gap("not measured")
    deployments = [_deployment(setup, "chat", number) for number in range(setup.targets)]
    deployments += [_deployment(setup, f"other-{number}", number) for number in range(1, 1 + setup.fallbacks)]
    others = [f"other-{number}" for number in range(1, 1 + setup.fallbacks)]
    router = litellm.Router(
        model_list=deployments,
        fallbacks=[{"chat": others}] if others else [],
        num_retries=0,
        cooldown_time=3600,
        allowed_fails=1,
    )
    if setup.cache:
        litellm.cache = Cache()
        return LiteLLM(router, setup, caching=True)
    return LiteLLM(router, setup)


if __name__ == "__main__":
    serve(open_peer)
