"""Names of routes: any text, other names of a route, and patterns."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import FakeProvider
from router import Router
from router.config import load_text
from router.config.globs import common_name, specificity
from router.errors import UnknownRoute
from router.plan.compile import compile_plan

HEAD = "providers: {a: {kind: fake}, b: {kind: fake}}\nmodels: {mini: a/mini}\n"


def router_of(routes: str, more: str = "") -> Router:
    fakes = {name: FakeProvider.scripted(name=name) for name in "ab"}
    return Router.from_text(f"{HEAD}routes:\n{routes}\n{more}", env={}, providers=fakes, monitor=False)


def findings(routes: str, more: str = "") -> list[str]:
    return [
        found.render().splitlines()[0] for found in load_text(f"{HEAD}routes:\n{routes}\n{more}", env={}).diagnostics
    ]


@pytest.mark.parametrize(
    "name", ["gpt-4o", "Qwen/Qwen3-32B", "llama3.2:latest", "GPT", "模型", "a(b)[c]", "@cf/meta/llama", "x+y"]
)
async def test_any_text_without_white_space_names_a_route(name: str) -> None:
    async with router_of(f'  "{name}": mini') as router:
        assert (await router.complete(name, "hi")).route == name


@pytest.mark.parametrize("name", ["my chat", "a\\tb", "", "a\\u0000b", "a\\u202eb", "x" * 257])
def test_what_is_no_name_is_told(name: str) -> None:
    assert any("is no name of a route" in line for line in findings(f'  "{name}": mini'))


async def test_an_alias_is_its_route_in_all_figures() -> None:
    async with router_of("  chat: mini\n  gpt-4o: chat\n  GPT-4: gpt-4o") as router:
        reply = await router.complete("GPT-4", "hi")
        assert (reply.route, reply.trace.route, reply.trace.asked) == ("chat", "chat", "GPT-4")
        assert "asked for GPT-4" in reply.trace.render()
        assert router.chain("gpt-4o") is router.chain("chat")
        assert list(router.telemetry.routes) == ["chat"]


@pytest.mark.parametrize(
    ("asked", "route"),
    [
        ("claude-haiku-4-5", "fast"),  # the most specific pattern, wherever it stands
        ("claude-opus-5", "big"),
        ("claude-?", "big"),
        ("claude-haiku-exact", "chat"),  # a name goes before patterns
        ("mini", "mini"),  # a model too
        ("b/anything", "chat"),  # of "*" nothing is left over
        ("Whatever it is", "chat"),
    ],
)
async def test_names_go_before_patterns_and_the_most_specific_first(asked: str, route: str) -> None:
    text = """
  "*": chat
  chat: mini
  "claude-*": {targets: [b/opus]}
  big: b/big
  fast: b/fast
  "claude-haiku-*": fast
  claude-haiku-exact: chat
""".replace('"claude-*": {targets: [b/opus]}', '"claude-*": big')
    async with router_of(text) as router:
        assert (await router.complete(asked, "hi")).route == route


async def test_a_pattern_may_have_targets_of_its_own() -> None:
    async with router_of('  "gpt-*": [b/x, mini]') as router:
        assert (await router.complete("gpt-9", "hi")).route == "gpt-*"
        with pytest.raises(UnknownRoute):
            await router.complete("claude", "hi")


async def test_a_route_may_have_the_name_of_its_target() -> None:
    async with router_of('  "b/x": b/x') as router:
        assert (await router.complete("b/x", "hi")).target == "b/x"


async def test_a_fallback_may_use_any_name_of_a_route() -> None:
    async with router_of("  long: b/long\n  huge: long\n  chat: {targets: [mini], fallbacks: [huge]}") as router:
        assert [target.name for target in router.chain("chat").targets] == ["mini", "b/long"]


@pytest.mark.parametrize(
    ("routes", "told"),
    [
        (
            "  a: b\n  b: a\n  chat: mini",
            "routes.yaml:4:6: routes.a: these routes name each other in a circle: a → b → a",
        ),
        (
            '  chat: mini\n  "gpt-*": chat\n  "*-pro": chat',
            'routes.yaml:6:3: routes.*-pro: "gpt-*" (line 5) and this pattern both fit "gpt-pro", and neither is more '
            "specific: make one of them longer, or write that name itself",
        ),
        (
            "  chat: b/x\n  mini: chat",
            'routes.yaml:5:3: routes.mini: a model (line 2) and a route share the name "mini"',
        ),
    ],
)
def test_what_contradicts_itself_is_told_with_its_place(routes: str, told: str) -> None:
    found = findings(routes)
    assert any(told in line for line in found), found


async def test_a_typo_in_a_command_drains_no_route_that_takes_everything() -> None:
    async with router_of('  chat: mini\n  "*": chat') as router:
        await router.complete("x", "hi")
        with pytest.raises(UnknownRoute):
            router.drain("mnii")
        assert (await router.complete("chat", "hi")).text


def test_a_reload_tells_what_a_name_leads_to_now() -> None:
    from router.plan.differences import differences

    texts = ("  chat: mini\n  fast: b/x\n  gpt: chat", "  chat: mini\n  fast: b/x\n  gpt: fast\n  new: chat")
    old, new = (compile_plan(load_text(f"{HEAD}routes:\n{text}", env={})) for text in texts)
    assert list(differences(old, new, {})) == ["name gpt leads to fast", "name new leads to chat"]


SERVE = "serve: {keys: {ann: {key: k-12345678901234567890, routes: [gpt-4o]}, bob: {key: k-09876543210987654321}}}"


def test_clients_ask_by_these_names_as_far_as_their_routes_go() -> None:
    router = router_of('  chat: mini\n  fast: b/x\n  gpt-4o: chat\n  "claude-*": fast', SERVE)
    serving = router.plan.serving
    ann, bob = serving.by_name["ann"], serving.by_name["bob"]
    asked = ("chat", "gpt-4o", "claude-9", "fast", "nobody")
    assert [serving.route_of(name, ann) for name in asked] == ["chat", "chat", None, None, None]
    assert [serving.route_of(name, bob) for name in asked] == ["chat", "chat", "fast", "fast", None]
    assert serving.listed_for(ann) == ("chat", "gpt-4o")
    assert serving.listed_for(bob) == ("chat", "fast", "gpt-4o")


def test_a_name_that_a_pattern_fits_may_be_listed() -> None:
    assert findings('  chat: mini\n  b: b/x\n  "claude-*": chat', "serve: {listed: [claude-9]}") == []
    assert any("leads to nothing" in line for line in findings("  chat: mini\n  b: b/x", "serve: {listed: [claude-9]}"))


GLOBS = st.text("ab*?", max_size=6)


@given(GLOBS, GLOBS)
def test_a_common_name_fits_both_and_there_is_none_where_none_is_found(one: str, other: str) -> None:
    name = common_name(one, other)
    if name is not None:
        assert fnmatchcase(name, one)
        assert fnmatchcase(name, other)
    else:
        for text in _names(5):
            assert not (fnmatchcase(text, one) and fnmatchcase(text, other))


def _names(most: int) -> list[str]:
    names = [""]
    for _ in range(most):
        names += [name + letter for name in names for letter in "ab"]
    return sorted(set(names))


@given(st.lists(GLOBS.filter(lambda glob: re.search("[*?]", glob)), max_size=5, unique=True), st.text("ab", max_size=5))
def test_the_pattern_that_counts_is_the_most_specific_that_fits(globs: list[str], name: str) -> None:
    from router.plan.route_names import RouteNames

    fitting = [glob for glob in globs if fnmatchcase(name, glob)]
    found = RouteNames(globs).found_by(name)
    assert (found is None) == (not fitting)
    if found is not None:
        assert specificity(found) == max(map(specificity, fitting))


def test_a_chain_of_names_of_any_length_is_read_in_a_time_that_grows_with_it() -> None:
    names = "".join(f"  n{number}: n{number + 1}\n" for number in range(20_000))
    loaded = load_text(f"{HEAD}routes:\n{names}  n20000: mini\n", env={})
    assert loaded.aliases["n0"] == "n20000"
