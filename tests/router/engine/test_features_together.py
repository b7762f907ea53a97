"""Where one feature of the language meets another, in the engine: names of routes in what a call says."""

from __future__ import annotations

from typing import Any

import pytest

from providers import FakeProvider, ProviderError
from providers.fake import Reply
from router import RouteExhausted, Router
from router.testing import run

FILE = """
providers: {a: {kind: fake}, b: {kind: fake}, c: {kind: fake}}
models: {m1: {provider: a, id: one}, m2: {provider: b, id: two}, m3: {provider: c, id: three}}
routes:
  chat: {targets: {stable: 1, fresh: 1}, fallbacks: [m3]}
  stable: {targets: [m1], fallbacks: [m2]}
  fresh: {targets: [m2], params: {temperature: 0}}
  other: stable
"""


def ask(route: str = "chat", **params: Any) -> Any:
    async def main() -> Any:
        fakes = {name: FakeProvider.scripted(Reply(name), name=name) for name in "abc"}
        async with Router.from_text(FILE, env={}, seed=1, providers=fakes, monitor=False) as router:
            return await router.complete(route, "hi", **params)

    return run(main())


@pytest.mark.parametrize("param", ["only", "avoid"])
@pytest.mark.parametrize("name", ["stable", "other", "chat"])
def test_a_route_is_nobody_to_be_asked_or_avoided(param: str, name: str) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(**{param: [name]})
    assert f'{param}: "{name}" is a route: name providers, models or targets, such as m1, m2' in str(caught.value)


@pytest.mark.parametrize("name", ["m2 (temperature=0)", "b/two", "m2", "b"])
def test_a_model_is_meant_in_every_chain_that_has_it(name: str) -> None:
    assert ask(only=name).target.startswith("m2")
    assert ask(avoid=name).target == "m1"
    assert ask("m1", avoid=name).target == "m1"  # a name that another route has may be avoided everywhere


def test_a_long_wait_is_told_in_hours_and_not_in_thousands_of_seconds() -> None:
    async def main() -> None:
        text = FILE.replace("fallbacks: [m3]}", "fallbacks: [m3], limits: {requests: 1/h}}")
        text = text.replace("id: three}", "id: three, limits: {requests: 1/d}}")
        async with Router.from_text(text, env={}, monitor=False) as router:
            for route, told in (
                ("chat", "its own limit of requests allows the next in 1 h"),
                ("m3", "skipped: limited  the limit allows the next call in 1 d\n  try again in 1 d"),
            ):
                await router.complete(route, "hi")
                with pytest.raises(RouteExhausted) as caught:
                    await router.complete(route, "hi")
                assert told in str(caught.value)

    run(main())


def test_models_whose_long_params_differ_at_the_end_have_names_of_their_own() -> None:
    async def main() -> None:
        params = [f"{{stop: [{'x' * 99}, {end}]}}" for end in ("one", "two")]
        targets = ", ".join(f"{{model: m1, params: {each}}}" for each in params)
        fake = FakeProvider.scripted(Reply("a"), name="a")
        text = FILE.replace("  other: stable", f"  other: {{targets: [{targets}]}}")
        async with Router.from_text(text, env={}, providers={"a": fake}, monitor=False) as router:
            names = {(await router.complete("other", "hi")).target for _ in range(2)}
            assert len(names) == 2
            for name in names:
                assert (await router.complete("other", "hi", only=name)).target == name
                assert (await router.complete("other", "hi", avoid=name)).target != name
                assert len(name) < 80

    run(main())


def test_an_apps_own_call_for_a_client_counts_in_its_budget_and_keeps_what_its_key_requires() -> None:
    async def main() -> None:
        text = FILE.replace(
            "provider: a, id: one", "provider: a, id: one, price: {input: 1000, output: 1000}, labels: {r: eu}"
        )
        text += "serve: {keys: {anna: {key: sb-1234567890abcdefghij, budget: $0.01/d, require: {r: eu}}}}\n"
        async with Router.from_text(text, env={}, monitor=False) as router:
            assert (await router.complete("stable", "hi", caller="anna")).target == "m1"
            with pytest.raises(RouteExhausted) as caught:
                await router.complete("stable", "hi", caller="anna")
            assert "m1  skipped: over_budget  the budget of key anna is used up" in str(caught.value)
            assert "m2  skipped: requirement  it has no label r, where key anna (routes.yaml:" in str(caught.value)
            assert (await router.complete("stable", "hi")).target == "m1"

    run(main())
