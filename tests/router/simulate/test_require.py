"""A simulation asks nobody whom the routes' or the traffic's requirements exclude."""

from __future__ import annotations

from pathlib import Path

from router.plan.compile import compile_plan
from router.simulate import simulate
from router.simulate.scenario import load_routes, scenario_from

FILE = """\
providers: {eu: {kind: openai, labels: {region: eu}}, us: {kind: openai, labels: {region: us}}}
routes:
  chat: {targets: [us/m], fallbacks: [eu/m]}
  home: {targets: [us/n, eu/n], require: {region: eu}}
"""
SCENARIO = """\
duration: 5m
traffic:
  - {route: chat, rate: 1/s, require: {region: eu}}
  - {route: home, rate: 1/s}
events: [{at: 1m, for: 1m, who: eu/m, fault: server_error}]
"""


def test_even_an_outage_leads_nowhere_else(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(FILE)
    plan = compile_plan(load_routes(path, env={}))
    loaded = scenario_from(SCENARIO, plan)
    assert loaded.scenario is not None, loaded.diagnostics
    outcome = simulate(plan, loaded.scenario)
    called = {name: counts.calls for name, counts in outcome.targets.items()}
    assert called["us/m"] == called["us/n"] == 0
    assert called["eu/m"] > 200 < called["eu/n"]


def test_a_label_that_nobody_has_is_told(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(FILE)
    loaded = scenario_from(SCENARIO.replace("{region: eu}", "{regoin: eu}"), compile_plan(load_routes(path, env={})))
    (found,) = loaded.diagnostics
    assert found.message == 'no provider or model has a label "regoin" (did you mean "region"?)'
    assert (found.line, found.column) == (3, 40)
