"""A model that gives answers of the wrong form, in a simulation: asked again, then the next, and paid for."""

from __future__ import annotations

from typing import Any

import pytest

from router.plan.compile import compile_plan
from router.simulate import simulate
from router.simulate.scenario import load_routes, scenario_from

FILE = """\
providers:
  a: {kind: openai, api_key: k}
  b: {kind: anthropic, api_key: k}
models:
  one: {provider: a, id: m1, price: {input: 1, output: 10}}
  two: {provider: b, id: m2, price: {input: 2, output: 20}}
routes:
  chat: {targets: [one], fallbacks: [two], on_stream_break: restart}
"""


@pytest.mark.parametrize("streamed", ["true", "false"])
@pytest.mark.parametrize("how", ["errors", "event"])
def test_answers_of_the_wrong_form(tmp_path: Any, streamed: str, how: str) -> None:
    (tmp_path / "routes.yaml").write_text(FILE)
    plan = compile_plan(load_routes(tmp_path / "routes.yaml", env={}))
    wrong = ", errors: 10%, error: invalid_output" if how == "errors" else ""
    event = "events: [{at: 0s, for: 5m, who: one, fault: invalid_output, share: 10%}]\n" if how == "event" else ""
    scenario = scenario_from(
        f"duration: 5m\ntraffic: [{{route: chat, rate: 2/s, prompt: 1k, answer: 100, stream: {streamed}}}]\n"
        f"targets: {{default: {{first_token: 200ms, speed: 100/s}}, one: {{first_token: 200ms{wrong}}}}}\n{event}",
        plan,
    )
    assert scenario.scenario is not None, [found.render() for found in scenario.diagnostics]
    outcome = simulate(plan, scenario.scenario, seed=1)
    chat, one, two = outcome.routes["chat"], outcome.targets["one"], outcome.targets["two"]
    assert (chat.failed, one.opened, chat.answered) == (0, 0, chat.requests)
    assert chat.retries > 30  # of 600 requests
    assert two.calls == chat.fallbacks > 0
    assert one.wasted == pytest.approx((one.calls - one.answers) * 0.002)
    assert chat.usd == pytest.approx(one.usd + two.usd)
