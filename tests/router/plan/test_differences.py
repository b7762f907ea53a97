"""What an edit changed is told where it changed, also of chains that are drawn, and never as nothing."""

from __future__ import annotations

import pytest

from router import Router
from router.testing import run

FILE = """\
providers: {a: {kind: fake}, b: {kind: fake}, c: {kind: fake}}
models: {m1: {provider: a, id: one}, m2: {provider: b, id: two}, m3: {provider: c, id: three}}
routes:
  chat: {targets: {stable: 1, fresh: 1}, fallbacks: [m3]}
  stable: {targets: [m1], fallbacks: [m2]}
  fresh: {targets: [m2], params: {temperature: 0}}
  plain: {targets: [m1, m2], balance: ordered}
"""


def told(*edits: tuple[str, str]) -> list[str]:
    """What the last of some edits changed, as `apply` tells it."""

    async def main() -> list[str]:
        text = FILE
        async with Router.from_text(text, env={}, monitor=False) as router:
            for old, new in edits:
                assert old in text
                text = text.replace(old, new, 1)
                changed = await router.apply(text)
            return str(changed).partition(": ")[2].split("; ")

    return run(main())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("{stable: 1, fresh: 1}", "{fresh: 1, stable: 1}", []),
        ("{stable: 1, fresh: 1}", "{stable: 3, fresh: 1}", ["stable 1→3"]),
        ("{stable: 1, fresh: 1}", "{m1: 1, stable: 1, fresh: 1}", ["m1 added"]),
        ("{stable: 1, fresh: 1}", "{plain: 1, fresh: 1}", ["plain added, stable removed"]),
        ("{stable: 1, fresh: 1}", "[m1]", ["m1 added, stable removed, fresh removed"]),
        ("{stable: 1, fresh: 1}, fallbacks: [m3]", "{stable: 1, fresh: 1}", ["2→1 tiers"]),
    ],
)
def test_an_edit_of_a_draw_is_told_of_those_that_it_is_about(old: str, new: str, expected: list[str]) -> None:
    assert told((old, new)) == ([f"chat: {words}" for words in expected] or ["nothing that shows"])


def test_an_edit_within_a_drawn_chain_says_which_chain() -> None:
    assert told(("fallbacks: [m2]}", "fallbacks: [m3]}")) == [
        "chat: stable tier 2 m3 added, stable tier 2 m2 removed",
        "stable: tier 2 m3 added, tier 2 m2 removed",
    ]
    assert told(("[m2], params", "[m2], fallbacks: [m1], params")) == ["chat: fresh 1→2 tiers", "fresh: 1→2 tiers"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[m1, m2], b", "[m2, m1], b", "plain: now in the order m2, m1"),
        ("balance: ordered", "balance: ordered, cache: 1h", "plain: cache changed"),
        ("balance: ordered", "balance: ordered, on_stream_break: restart", "plain: on_stream_break changed"),
        ("id: three", "id: three, limits: 5/min", "chat: m3 limits"),
        ("id: three", "id: three, breaker: {consecutive: 2}", "chat: m3 breaker"),
        ("id: three", "id: three, price: {input: 1, output: 2}", "chat: m3 price, context window or capabilities"),
        ("c: {kind: fake", "c: {kind: fake, limits: 5/min", "chat: m3 limits of its keys"),
        ("providers:", "telemetry: {capture: full}\nproviders:", "telemetry changed"),
        ("providers:", "cache: {max_size: 1GB}\nproviders:", "cache changed"),
    ],
)
def test_what_changes_how_calls_are_made_is_never_nothing(old: str, new: str, expected: str) -> None:
    assert told((old, new)) == [expected]
