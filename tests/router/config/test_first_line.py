"""The first line about a wrong file says what to write instead: the words of other tools, wrong places, short forms."""

from __future__ import annotations

import jsonschema
import pytest

from router.config import load_text
from router.config.json_schema import json_schema

OPENAI = "  openai: {kind: openai, api_key: k-1234567890"
PROVIDERS = f"providers:\n{OPENAI}}}\n  near: {{kind: ollama}}\n"
ROUTES = "routes: {chat: openai/gpt-6-luna, local: near/qwen3}\n"


def first(text: str) -> str:
    """The first thing that is said of a file."""
    found = load_text(text, env={}).diagnostics
    return found[0].message if found else ""


def of_route(line: str) -> str:
    return f"{PROVIDERS}routes:\n  local: near/qwen3\n  chat: {{targets: [openai/gpt-6-luna, near/qwen3], {line}}}\n"


def of_provider(line: str) -> str:
    return f"providers:\n{OPENAI}, {line}}}\n  near: {{kind: ollama}}\n{ROUTES}"


def of_model(line: str) -> str:
    model = f"{{provider: openai, id: gpt-6-luna, {line}}}"
    return f"{PROVIDERS}models: {{mini: {model}}}\nroutes: {{chat: mini, local: near/q}}\n"


def of_top(line: str) -> str:
    return f"{PROVIDERS}{ROUTES}{line}\n"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("rpm: 60", "write limits: {requests: 60/min}"),
        ("tpm: 100000", "write limits: {tokens: 100000/min}"),
        ("temperature: 0.2", "write params: {temperature: 0.2}"),
        ("max_tokens: 500", "write params: {max_tokens: 500}"),
        ("top_k: 5", "write params: {extra_body: {"),
        ("strategy: latency", "write balance: weighted (or least_latency"),
        ("routing_strategy: simple-shuffle", "write balance: weighted (or least_latency"),
        ("weights: {a: 1}", "write the weights beside the targets: targets: {"),
        ("num_retries: 3", "write retry: {same_target: 3}"),
        ("max_retries: 3", "write retry: {same_target: 3}"),
        ("attempts: 5", "write retry: {max_attempts: 5}"),
        ("retry: 3", "such as retry: {max_attempts: 3}"),
        ("retry: {max: 3}", "write max_attempts: 3"),
        ("retry: {max_retries: 3}", "write same_target: 3"),
        ("cooldown_time: 30", "write breaker: {open_for: 30s}"),
        ("allowed_fails: 4", "write breaker: {consecutive: 4}"),
        ("max_parallel_requests: 5", "write limits: {in_flight: 5}"),
        ("request_timeout: 30", "write timeout: {total: 30s}"),
        ("stream_timeout: 10", "write timeout: {first_token: 10s}"),
        ("timeout: 30", "write 30s or 30ms"),
        ("timeout: {request: 30}", "write total: 30s"),
        ("ttl: 1h", "it belongs under cache, as cache: {ttl: …}"),
        ("cache: true", "such as cache: {ttl: 1h}"),
        ("cache: 3600", "write 3600s or 3600ms"),
        ("hedge: false", "such as hedge: {after: 2s}"),
        ("model: x", "write targets: [PROVIDER/MODEL]"),
        ("models: [x]", "write targets: […]"),
        ("primary: x", "write targets: […]"),
        ("backup: x", "write fallbacks: [provider/model]"),
        ("fallback: near/x", 'did you mean "fallbacks"?'),
        ("fallback_models: [near/x]", "write fallbacks: [provider/model]"),
        ("on: [rate_limited]", "it belongs to a fallback, as fallbacks: [{to: …}]"),
        ("fallbacks: [{to: near/x, on: [429]}]", "write rate_limited for 429"),
        ("fallbacks: [{to: near/x, on: ['503']}]", "write overloaded for 503"),
        ("fallbacks: [{model: near/x}]", "write to: PROVIDER/MODEL"),
        ("balance: round_robin", "round_robin is called weighted here"),
        ("balance: latency-based-routing", "latency-based-routing is called least_latency here"),
        ("balance: sticky", "sticky is called affinity here"),
        ("priority: 1", "write balance: ordered with the targets in order, or fallbacks"),
        ("max_budget: 20", "write budget: $20/d"),
        ("budget: 20", "is not a budget, such as $20/d"),
        ("stream: true", "who calls says whether it is streamed"),
        ("system_prompt: hi", "prompts and instructions come with each call"),
        ("description: hi", "write it as a comment: # …"),
        ("api_key: k", "it belongs to a provider"),
        ("context_window: 8k", "it belongs to a model"),
    ],
)
def test_a_route(line: str, told: str) -> None:
    assert told in first(of_route(line))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("api_base: https://a.example", "write base_url: https://…"),
        ("url: https://a.example", "write base_url: https://…"),
        ("endpoint: https://a.example", "write base_url: https://…"),
        ("apiKey: x", "write api_key: ${NAME}"),
        ("key: x", "write api_key: ${NAME}"),
        ("token: x", "write api_key: ${NAME}"),
        ("type: openai", "write kind: openai"),
        ("model: gpt", "write it in a route, as PROVIDER/MODEL: routes: {chat: openai/gpt-6-luna}"),
        ("models: [gpt]", "write them in routes, as PROVIDER/MODEL"),
        ("rpm: 60", "write limits: {requests: 60/min}"),
        ("limits: {rpm: 60}", "write requests: 60/min"),
        ("limits: {requests: 60}", "write 60/min or 60/s"),
        ("limits: 60", "write 60/min or 60/s"),
        ("max_connections: 8", "write limits: {in_flight: 8}"),
        ("in_flight: 8", "it belongs under limits, as limits: {in_flight: …}"),
        ("organization: o", "write headers: {OpenAI-Organization: …}"),
        ("extra_headers: {a: b}", "as params: {extra_headers: …}"),
        ("api_version: 2024-10-21", "openai.azure.com/openai/v1, with the deployment as the model"),
        ("region: us-east-1", "write labels: {region: eu}, or the base_url of the region"),
        ("ssl_verify: false", "write verify: /path/of/ca.pem"),
        ("https_proxy: x", "write proxy: http://localhost:3128"),
        ("weight: 3", "it belongs to a target"),
        ("temperature: 1", "write it at a model or route, as params: {temperature: 1}"),
        ("breaker: {threshold: 5}", "write consecutive: 5"),
        ("breaker: off", "such as breaker: {consecutive: 3, open_for: 10s}"),
        ("retry: 2", "such as retry: {max_attempts: 2}"),
        ("headers: [a]", "such as headers: {X-Team: search}"),
        ("name: x", "write it as the key: providers: {NAME: {kind: …}}"),
    ],
)
def test_a_provider(line: str, told: str) -> None:
    assert told in first(of_provider(line))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (of_model("max_input_tokens: 8000"), "write context_window: 8000"),
        (of_model("input_cost_per_token: 0.1"), "write price: {input: 1.25, output: 10}"),
        (of_model("supports_vision: true"), "write capabilities: {vision: true}"),
        (of_model("vision: true"), "it belongs under capabilities, as capabilities: {vision: …}"),
        (of_model("temperature: 0.5"), "write params: {temperature: 0.5}"),
        (of_model("reasoning_effort: high"), "write params: {thinking: medium}"),
        (of_model("price: 3"), "such as price: {input: 1.25, output: 10}"),
        (of_top("port: 8080"), "write serve: {listen: 127.0.0.1:8080}"),
        (of_top("redis_url: redis://x"), "write shared: {url: ${REDIS_URL}}"),
        (of_top("master_key: x"), "write serve: {keys: {NAME: ${KEY}}}"),
        (of_top("log_level: debug"), "an app sets up the logger `signalbox`"),
        (of_top("timeout: 30s"), "it belongs under defaults, as defaults: {timeout: …}"),
        (of_top("fallbacks: [a]"), "write them under a route"),
        (f"{PROVIDERS}route: {{chat: openai/x}}\n", 'no key is named "route" here (did you mean "routes"?)'),
        ("routes: {chat: openai/x}\n", '"providers" is missing: write providers: {openai: {kind: openai'),
        (f"providers:\n  - name: a\n{ROUTES}", "such as providers: {openai: {kind: openai"),
        (f"{PROVIDERS}routes:\n  - name: c\n", "such as routes: {chat: openai/gpt-6-luna}"),
        (f"{PROVIDERS}models: [a]\n{ROUTES}", "such as models: {mini: {provider: openai, id: gpt-6-luna}}"),
        (f"providers: {{openai: openai}}\n{ROUTES}", 'such as {kind: openai, api_key: "${OPENAI_API_KEY}"}'),
        (f"{PROVIDERS}routes: {{chat: gpt-6-luna}}\n", "a model is written PROVIDER/MODEL"),
        (f"{PROVIDERS}routes: {{chat: anthropic/x}}\n", "write it under providers: {anthropic: {kind: anthropic"),
        (f"{PROVIDERS}routes: {{chat: azur/x}}\n", "providers: openai, near"),
        (f"{PROVIDERS}routes: {{chat: 'openai/a, near/b'}}\n", "several are a list, [a, b]"),
        (f"{PROVIDERS}routes: {{chat: [openai/a 70, near/b 30]}}\n", "or with weights {a: 70, b: 30}"),
        (f"{PROVIDERS}routes: {{chat: {{targets: {{openai/a: 70%, near/b: 3}}}}}}\n", "in percent, or none"),
        (
            f"{PROVIDERS}routes: {{chat: {{targets: [{{provider: openai, model: a}}]}}}}\n",
            "write model: PROVIDER/MODEL",
        ),
        (f"{PROVIDERS}routes: {{chat: {{targets: [{{name: openai/a}}]}}}}\n", "write model: PROVIDER/MODEL"),
    ],
)
def test_the_rest_of_a_file(text: str, told: str) -> None:
    assert told in "\n".join(found.message for found in load_text(text, env={}).diagnostics[:2])


def test_no_value_is_repeated_that_could_be_a_key() -> None:
    for name in ("apiKey", "key", "token", "secret", "password", "rpm", "temperature"):
        assert "sk-proj-abc" not in first(of_provider(f"{name}: sk-proj-abc123"))


SHORT = [
    (of_route("timeout: 30s"), of_route("timeout: {total: 30s}")),
    (of_route("cache: 1h"), of_route("cache: {ttl: 1h}")),
    (of_route("hedge: true"), of_route("hedge: {after: p95}")),
    (of_route("hedge: 2s"), of_route("hedge: {after: 2s}")),
    (of_route("fallbacks: near/x"), of_route("fallbacks: [near/x]")),
    (of_route('fallbacks: {to: near/x, "on": timeout}'), of_route('fallbacks: [{to: near/x, "on": [timeout]}]')),
    (of_provider("timeout: 30s"), of_provider("timeout: {answer: 30s, first_token: 30s}")),
    (of_provider("limits: 60/min"), of_provider("limits: {requests: 60/min}")),
    (of_provider("limits: [60/min, 1000/d]"), of_provider("limits: {requests: [60/min, 1000/d]}")),
    (
        of_top("defaults: {timeout: 30s, cache: 1h, hedge: 1s}"),
        of_top("defaults: {timeout: {total: 30s}, cache: {ttl: 1h}, hedge: {after: 1s}}"),
    ),
    (
        f"{PROVIDERS}routes: {{chat: {{targets: {{openai/a: 70%, near/b: 30 %}}}}}}\n",
        f"{PROVIDERS}routes: {{chat: {{targets: {{openai/a: 70, near/b: 30}}}}}}\n",
    ),
    (
        f"{PROVIDERS}routes:\n  chat:\n    - openai/a: 70%\n    - near/b: 30%\n",
        f"{PROVIDERS}routes: {{chat: {{targets: {{openai/a: 70, near/b: 30}}}}}}\n",
    ),
    (
        f"{PROVIDERS}models: {{mini: openai/gpt-6-luna}}\nroutes: {{chat: mini, local: near/q}}\n",
        f"{PROVIDERS}models: {{mini: {{provider: openai, id: gpt-6-luna}}}}\nroutes: {{chat: mini, local: near/q}}\n",
    ),
]


@pytest.mark.parametrize(("short", "long"), SHORT)
def test_a_short_form_is_the_long_one(short: str, long: str) -> None:
    loaded, same = load_text(short, env={}), load_text(long, env={})
    assert loaded.require() == same.require()
    assert [found.message for found in loaded.diagnostics] == [found.message for found in same.diagnostics]


@pytest.mark.parametrize(("short", "long"), SHORT)
def test_editors_take_both_forms(short: str, long: str) -> None:
    import yaml

    check = jsonschema.Draft202012Validator(json_schema())
    for text in (short, long):
        check.validate(yaml.safe_load(text))


def test_a_wrong_value_of_a_short_form_is_told_where_it_stands() -> None:
    [found] = load_text(of_route("timeout: 30"), env={}).diagnostics
    assert found.path == "routes.chat.timeout.total"
    assert (found.line, found.column) == (6, 61)


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ("{openai/a: 80%, near/b: 30%}", ["the shares come to 110%, of which each gets its part: make them 100%"]),
        ("{openai/a: 5%, near/b: 10%}", ["the shares come to 15%, of which each gets its part: make them 100%"]),
        ("{openai/a: 33.3%, near/b: 33.3%, near/c: 33.3%}", []),
        ("{openai/a: 90%, near/b: 0%}", []),
        ("{openai/a: 8, near/b: 3}", []),
    ],
)
def test_percentages_that_are_not_a_hundred(weights: str, told: list[str]) -> None:
    found = load_text(f"{PROVIDERS}routes: {{chat: {{targets: {weights}}}}}\n", env={})
    assert found.file is not None
    assert [one.message for one in found.diagnostics if one.severity == "warning"] == told
