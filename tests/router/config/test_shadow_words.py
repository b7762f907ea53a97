"""What may be written of a shadow, and the contradictions that `check` finds."""

from __future__ import annotations

import pytest

from router.config import load_text
from router.plan.compile import compile_plan
from router.plan.differences import differences

FILE = """providers: {a: {kind: fake}, v: {kind: fake}}
models:
  one: {provider: a, id: m}
  vectors: {provider: v, id: e, embeds: true}
routes:
  chat: {targets: [one], shadow: SHADOW}
  other: {targets: [a/n]}
  embed: {targets: [vectors], embeds: true}
"""


def found(shadow: str, more: str = "") -> list[tuple[str, int, str]]:
    loaded = load_text(FILE.replace("SHADOW", shadow) + more, env={})
    return [(each.severity, each.line, each.message) for each in loaded.diagnostics]


@pytest.mark.parametrize(
    "written",
    [
        "other",
        "a/x",
        "{to: other}",
        "{to: other, share: 5 %, budget: $2/d}",
        "{to: a/x, share: 100%, budget: {usd: 2/month, timezone: Europe/Berlin}, in_flight: 2}",
    ],
)
def test_what_is_taken(written: str) -> None:
    assert not found(written)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("chat", "a route is no shadow of itself"),
        ("{to: chat}", "a route is no shadow of itself"),
        ("{to: othr}", 'no model or route is named "othr" (did you mean "other"?)'),
        ("{to: c/x}", 'no model or route is named "c/x"'),
        ("embed", "embed makes embeddings, and this route makes answers"),
        ("vectors", "vectors makes embeddings, and this route makes answers"),
        ("{share: 5%}", '"to" is missing'),
        ("{to: other, share: 5}", "write 5%"),
        ("{to: other, share: 0%}", "more than 0"),
        ("{to: other, share: 500%}", "more than 100%"),
        ("{to: other, budget: 2/d}", "such as $20/d"),
        ("{to: other, wait: 1s}", 'no key is named "wait"'),
        ("true", "such as shadow: {to: PROVIDER/MODEL, share: 5%}"),
    ],
)
def test_what_makes_no_sense_is_told_where_it_stands(written: str, says: str) -> None:
    (severity, line, message) = found(written)[0]
    assert (severity, line) == ("error", 6)
    assert says in message


def test_a_circle_is_told_once() -> None:
    assert found("third", "  third: {targets: [a/o], shadow: fourth}\n  fourth: {targets: [a/p], shadow: chat}\n") == [
        ("error", 6, "these routes are shadows of each other in a circle: chat → third → fourth → chat")
    ]


def test_embeddings_are_not_copied() -> None:
    text = FILE.replace("embeds: true}\n", "embeds: true, shadow: other}\n").replace(
        "  vectors: {provider: v, id: e, embeds: true, shadow: other}", "  vectors: {provider: v, id: e, embeds: true}"
    )
    (diagnostic,) = load_text(text.replace("SHADOW", "other"), env={}).diagnostics
    assert "only answers are copied, and this route makes embeddings" in diagnostic.message


def test_the_same_model_is_a_warning() -> None:
    assert found("one") == [("warning", 6, "one is the only target of this route too: there is nothing to compare")]


def test_a_route_may_be_named_by_another_of_its_names() -> None:
    assert not found("alias", "  alias: other\n")
    assert "no shadow of itself" in found("alias", "  alias: chat\n")[0][2]


def test_a_reload_says_what_has_changed() -> None:
    old, new = (
        compile_plan(load_text(FILE.replace("SHADOW", shadow), env={}))
        for shadow in ("other", "{to: other, share: 10%, budget: $2/d}")
    )
    assert differences(old, new, {}) == ("chat: shadow 5% to other→10% to other, for $2 a day",)
