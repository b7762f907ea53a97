"""The last line of "everything failed" tells to try again where that may help, and only there."""

from __future__ import annotations

import pytest

from providers.simulator import Simulator
from router import RouteExhausted, Router

ROUTES = """\
providers:
  a: {{kind: openai, api_key: k-1, base_url: "{url}"}}
defaults: {{retry: {{same_target: 0}}}}
routes: {{chat: a/gpt-4o-mini}}
"""


@pytest.mark.parametrize(
    ("error", "helps"),
    [("model_not_found", False), ("authentication", False), ("quota", True)],
)
async def test_who_is_told_to_wait(simulator: Simulator, error: str, helps: bool) -> None:
    """A wrong key and a wrong name of a model are as wrong in five minutes."""
    simulator.vendor("openai").set(error_rate=1, error=error)
    async with Router.from_text(ROUTES.format(url=simulator.base_url("openai"))) as router:
        with pytest.raises(RouteExhausted) as caught:
            await router.complete("chat", "hi")
    assert ("try again in" in str(caught.value)) is helps
