"""Routes of embeddings and ranks: what may stand together, and what each mistake is told with."""

from __future__ import annotations

import pytest

from router import ConfigError, Router

PROVIDERS = "providers: {a: {kind: openai, api_key: k-0123456789abcdef0}, b: {kind: fake}, c: {kind: fake}}\n"
MODELS = """\
models:
  small: {provider: a, id: text-embedding-3-small, embeds: {dimensions: 1536}}
  azure: {provider: b, id: dep, embeds: {same_as: small}}
  twin: {provider: b, id: text-embedding-3-small, embeds: true}
  large: {provider: a, id: text-embedding-3-large, embeds: {dimensions: 3072}}
  ranker: {provider: b, id: rerank, reranks: true}
  chatty: {provider: c, id: chat}
"""


def told(routes: str, models: str = MODELS) -> list[tuple[int, int, str]]:
    """The errors of a file, with line and column."""
    try:
        Router.from_text(f"{PROVIDERS}{models}routes:\n{routes}", env={})
    except ConfigError as error:
        return [(each.line, each.column, each.message) for each in error.diagnostics if each.severity == "error"]
    return []


@pytest.mark.parametrize(
    "route",
    [
        "{embeds: true, targets: [small], fallbacks: [azure]}",
        "{embeds: true, targets: {small: 70, azure: 30}}",
        "{embeds: true, targets: [small, twin]}",
        "{embeds: true, targets: [azure], fallbacks: [{targets: [small]}, twin]}",
        "{embeds: true, targets: small, cache: {ttl: 30d}, batch: {wait: 5ms, most: 64}, hedge: 2s, timeout: 30s}",
        "{reranks: true, targets: [ranker]}",
        "chatty",
    ],
)
def test_what_makes_the_same_stands_together(route: str) -> None:
    assert told(f"  r: {route}\n") == []


@pytest.mark.parametrize(
    ("route", "at", "words"),
    [
        ("{embeds: true, targets: [small, large]}", "large]", "can't be compared"),
        ("{embeds: true, targets: [small], fallbacks: [large]}", "large]", "same_as: small under models.large.embeds"),
        ("{embeds: true, targets: [small], fallbacks: [{targets: [large]}]}", None, "silently spoil every index"),
        ("{embeds: true, targets: {small: 70, large: 30}}", None, "can't be compared"),
        ("{embeds: true, targets: [small], fallbacks: [{to: large, on: [timeout]}]}", None, "can't be compared"),
        ("{embeds: true, targets: [chatty]}", "chatty]", "say embeds: true under models.chatty"),
        ("{embeds: true, targets: [ranker]}", "ranker]", '"ranker" makes ranks, no embeddings'),
        ("{embeds: true, targets: [a/text-embedding-3-small]}", "a/text", "write it under models"),
        ("{targets: [small]}", "small", '"small" makes embeddings, no answers: say embeds: true on a route of its own'),
        ("{targets: [chatty], fallbacks: [small]}", "small", "makes embeddings, no answers"),
        ("{targets: [chatty], fallbacks: [{targets: [ranker]}]}", None, "makes ranks, no answers"),
        ("{reranks: true, targets: [small]}", "small", '"small" makes embeddings, no ranks'),
        ("{embeds: true, reranks: true, targets: [small]}", "reranks", "not both"),
        ("{embeds: true, targets: [small], on_stream_break: error}", "on_stream", "on_stream_break is of streams"),
        ("{reranks: true, targets: [ranker], on_stream_break: restart}", "on_stream", "on_stream_break is of streams"),
        ("{embeds: true, targets: [small], timeout: {first_token: 3s}}", "first_token", "first_token is of streams"),
        ("{embeds: true, targets: [small], timeout: {idle: 3s}}", "idle", "idle is of streams"),
        ("{embeds: true, targets: [small], cache: {ttl: 1h, store_tool_calls: true}}", None, "there are no tools"),
        ("{embeds: true, targets: [small], cache: {ttl: 1h, stale_if_error: true}}", None, "never grows old"),
        ("{reranks: true, targets: [ranker], cache: 1h}", "cache", "ranks are not kept"),
        ("{targets: [chatty], batch: {wait: 5ms}}", "batch", "batch is of embeddings"),
    ],
)
def test_each_mistake_is_told_at_its_place_with_its_remedy(route: str, at: str | None, words: str) -> None:
    found = told(f"  r: {route}\n")
    line = len((PROVIDERS + MODELS).splitlines()) + 2
    assert [each for each in found if words in each[2] and each[0] == line], found
    assert len(found) == 1
    if at is not None:
        assert f"  r: {route}"[found[0][1] - 1 :].startswith(at)


def test_a_route_that_falls_back_to_another_has_its_models_too() -> None:
    routes = "  near: {embeds: true, targets: [small], fallbacks: [far]}\n  far: {embeds: true, targets: [large]}\n"
    found = told(routes)
    assert len(found) == 1
    assert found[0][0] == len((PROVIDERS + MODELS).splitlines()) + 2  # where it falls back
    assert "can't be compared" in found[0][2]
    mixed = "  near: {embeds: true, targets: [small], fallbacks: [talk]}\n  talk: chatty\n"
    assert '"talk" makes answers' in told(mixed)[0][2]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("{provider: b, id: x, embeds: {same_as: nobody}}", 'no model that makes embeddings is named "nobody"'),
        ("{provider: b, id: x, embeds: {same_as: chatty}}", "models with embeds"),
        ("{provider: b, id: x, embeds: {same_as: m}}", "the same as itself"),
        ("{provider: b, id: x, embeds: {same_as: small, dimensions: 8}}", "of 8 dimensions are not the same"),
        ("{provider: b, id: x, embeds: true, reranks: true}", "not both"),
        ("{provider: b, id: x, embeds: true, params: {temperature: 1}}", "temperature is of answers"),
        ("{provider: b, id: x, embeds: true, timeout: {first_token: 1s}}", "first_token is of streams"),
        ("{provider: b, id: x, embeds: {dimensons: 8}}", "dimensions"),
        ("{provider: b, id: x, embeds: {dimensions: 0}}", ""),
    ],
)
def test_a_models_mistakes(model: str, words: str) -> None:
    found = told("  r: {embeds: true, targets: [m]}\n", f"{MODELS}  m: {model}\n")
    assert len(found) == 1, found
    assert found[0][0] == len((PROVIDERS + MODELS).splitlines()) + 1
    assert words in found[0][2]


def test_two_that_are_the_same_as_each_other_are_a_circle() -> None:
    models = f"{MODELS}  x: {{provider: b, id: x, embeds: {{same_as: y}}}}\n"
    models += "  y: {provider: b, id: y, embeds: {same_as: x}}\n"
    assert all("the same as itself" in each[2] for each in told("  r: chatty\n", models))


def test_dimensions_that_differ_are_another_space() -> None:
    models = f"{MODELS}  short: {{provider: b, id: text-embedding-3-small, embeds: {{dimensions: 256}}}}\n"
    found = told("  r: {embeds: true, targets: [small], fallbacks: [short]}\n", models)
    assert "256 dimensions" in found[0][2]


def test_errors_of_other_kinds_are_told_with_them() -> None:
    """All errors of a file are reported at once."""
    found = told("  r: {embeds: true, targets: [chatty]}\n  s: {targets: [nobody]}\n")
    assert len(found) == 2


def test_what_is_known_of_a_model_need_not_be_written() -> None:
    router = Router.from_text(f"{PROVIDERS}{MODELS}routes:\n  r: {{embeds: true, targets: [small]}}\n", env={})
    rules = router.chain("r").targets[0].embeds
    assert rules is not None
    assert (rules.max_tokens, rules.max_inputs, rules.max_request_tokens, rules.shortens) == (8192, 2048, 300_000, True)
    assert router.chain("azure").targets[0].embeds is not None
    assert router.chain("azure").targets[0].embeds.dimensions == 1536


def test_a_kind_that_makes_none_is_a_warning() -> None:
    text = "providers: {a: {kind: anthropic, api_key: k-0123456789abcdef}}\n"
    text += "models: {m: {provider: a, id: x, embeds: true}}\nroutes: {r: {embeds: true, targets: [m]}}\n"
    from router.config import load_text

    found = load_text(text, env={}).diagnostics
    assert [each.severity for each in found] == ["warning"]
    assert "anthropic makes no embeddings" in found[0].message
