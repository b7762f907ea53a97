"""The figures of the documentation's pictures agree: parts add up to the whole, and rates are those of the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from router.views.figures import Counts, Figures, Snapshot
from tests.support.pictured_router import BROKEN, DOWN, MENDED, REFUSED, TRIED, WELL
from tests.support.pictures import taken

MOMENTS = {"well": WELL, "broken": BROKEN, "down": DOWN, "mended": MENDED, "refused": REFUSED, "tried": TRIED}
COUNTS: tuple[Callable[[Figures], Counts], ...] = (lambda figures: figures.window, lambda figures: figures.totals)


@pytest.fixture(scope="module")
def snapshots() -> dict[str, Snapshot]:
    """How the router is in each picture."""
    _, seen = taken()
    return {name: seen[second] for name, second in MOMENTS.items()}


def each_figures(snapshot: Snapshot) -> list[Figures]:
    targets = [target.figures for provider in snapshot.providers for target in provider.targets]
    return [snapshot.figures, *(each.figures for each in (*snapshot.providers, *snapshot.routes)), *targets]


@pytest.mark.parametrize("name", MOMENTS)
def test_targets_add_up_to_their_provider(name: str, snapshots: dict[str, Snapshot]) -> None:
    for provider in snapshots[name].providers:
        for counts in COUNTS:
            whole, parts = counts(provider.figures), [counts(target.figures) for target in provider.targets]
            for field in ("calls", "succeeded", "failed", "cancelled", "input_tokens", "output_tokens"):
                assert sum(getattr(part, field) for part in parts) == getattr(whole, field), (provider.name, field)
            assert sum((Counter(part.errors) for part in parts), Counter()) == Counter(whole.errors)
            assert sum(part.cost or 0.0 for part in parts) == pytest.approx(whole.cost or 0.0)
        assert sum(target.share or 0.0 for target in provider.targets) == pytest.approx(provider.share or 0.0)


@pytest.mark.parametrize("name", MOMENTS)
def test_providers_and_routes_add_up_to_the_whole(name: str, snapshots: dict[str, Snapshot]) -> None:
    snapshot = snapshots[name]
    providers, routes = snapshot.providers, snapshot.routes
    assert sum(each.share or 0.0 for each in providers) == pytest.approx(1.0)
    assert sum(each.figures.in_flight for each in routes) == snapshot.figures.in_flight
    for counts in COUNTS:
        whole = counts(snapshot.figures)
        assert sum(counts(each.figures).calls for each in providers) == whole.attempts
        errors = sum((Counter(counts(each.figures).errors) for each in providers), Counter())
        assert errors == Counter(whole.errors)
        for field in ("calls", "succeeded", "failed", "attempts", "cache_hits", "output_tokens"):
            assert sum(getattr(counts(each.figures), field) for each in routes) == getattr(whole, field), field
        for parts in (providers, routes):
            assert sum(counts(each.figures).cost or 0.0 for each in parts) == pytest.approx(whole.cost or 0.0)


@pytest.mark.parametrize("name", MOMENTS)
def test_rates_are_those_of_the_counts(name: str, snapshots: dict[str, Snapshot]) -> None:
    for figures in each_figures(snapshots[name]):
        window = figures.window
        assert window.calls == window.succeeded + window.failed + window.cancelled
        ended = window.succeeded + window.failed
        assert figures.error_rate == (window.failed / ended if ended else None)
        assert (figures.leading_code is None) == (not window.errors)
        assert figures.cost_per_minute == pytest.approx(window.cost or 0.0)
        assert sum(figures.series) == pytest.approx(window.calls, abs=25), "the seconds of the same minute"


def test_the_story_is_what_the_pages_say_of_it(snapshots: dict[str, Snapshot]) -> None:
    """Well, then openai out and others in its place with few requests lost, then well again; then a file refused."""
    health = {
        name: [target.health.state for target in snapshot.providers[0].targets] for name, snapshot in snapshots.items()
    }
    assert health["well"] == health["tried"] == ["closed", "closed"]
    assert health["down"][0] == "open"
    down = snapshots["down"].figures
    assert 0 < down.window.failed < down.window.calls / 50
    assert snapshots["down"].providers[0].figures.window.failed > down.window.failed
    assert snapshots["well"].figures.window.failed == 0
    refused = snapshots["refused"].last_reload
    assert refused is not None
    assert not refused.accepted
    assert refused.diagnostics[0].file == "/srv/shop/routes.yaml"
