"""The dashboard shows labels where it shows a provider or a model, and who is never asked, and why."""

from __future__ import annotations

from router import Router
from router.monitor.routes import chain_view
from router.testing import run
from tui.dialogs.trace import as_json
from tui.widgets.policies import of_target

FILE = """
providers:
  eu: {kind: fake, labels: {region: eu, retention: none}}
  us: {kind: fake, labels: {region: us}}
routes:
  home: {targets: [us/a, eu/a], require: {region: eu}}
"""


def test_a_targets_facts_have_its_labels_and_what_bars_it() -> None:
    router = Router.from_text(FILE, env={}, monitor=False)
    view = chain_view(router.plan, router.chain("home"))
    barred, allowed = (
        {fact.name: fact.text for fact in of_target(view, 0, branch)} for branch in view.tiers[0].branches
    )
    assert barred["labels"] == "region us"
    assert barred["never asked"] == "region is us, where route home (routes.yaml:6) requires eu"
    assert allowed["labels"] == "region eu, retention none"
    assert allowed["required"] == "region eu: route home (routes.yaml:6)"
    assert "never asked" not in allowed


def test_providers_and_targets_have_them_in_every_snapshot() -> None:
    eu, us = Router.from_text(FILE, env={}, monitor=False).snapshot().providers
    assert (eu.labels, us.labels) == ("region eu, retention none", "region us")
    assert [target.labels for target in eu.targets] == ["region eu, retention none"]


def test_a_trace_tells_what_the_call_has_set() -> None:
    async def main() -> None:
        text = FILE.replace("[us/a, eu/a], require: {region: eu}", "[us/a, eu/a]")
        async with Router.from_text(text, env={}, monitor=False) as router:
            await router.complete("home", "hi", require={"region": "eu"}, timeout="5s")
            feed = router.feed()
            (record,) = await feed.requests()
            view = await feed.trace(record.id)
            assert view is not None
            assert view.of_call == {"timeout": "total 5 s", "require": "region eu"}
            assert '"require": "region eu"' in as_json(view)

    run(main())
