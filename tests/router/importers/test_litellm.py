"""`signalbox import litellm`: configs as people have them become files that are right, and route as they did."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from providers.simulator import Simulator
from router import RouteExhausted
from router.config import load_text
from router.importers.litellm import Imported, NotLiteLLM, import_litellm
from router.plan.compile import compile_plan
from tests.support.litellm_configs import (
    CONFIGS,
    SECRETS,
    Simulated,
    environment,
    findings,
    imported,
    of,
    one,
    parsed,
    told,
)


def provider(made: Imported) -> dict[str, Any]:
    """The only provider of a file."""
    [found] = parsed(made)["providers"].values()
    assert isinstance(found, dict)
    return found


def model(made: Imported) -> dict[str, Any]:
    [found] = parsed(made)["models"].values()
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", ["team", "home", "shop"])
def test_what_is_made_is_valid(name: str) -> None:
    """Without an error or a warning, once its variables are set; the same each time; and no key is in it."""
    made = imported(name)
    assert findings(made) == []
    assert imported(name) == made
    assert not SECRETS.search(made.text)
    assert not any(SECRETS.search(str(note)) for note in made.notes)


@pytest.mark.parametrize("name", ["team", "home", "shop"])
def test_what_is_not_mapped_is_told_with_its_line(name: str) -> None:
    """Each key that is told stands in the line that is told."""
    made = imported(name)
    lines = (CONFIGS / f"{name}.yaml").read_text().splitlines()
    left = [note for note in made.notes if note.sort == "left out"]
    assert len(left) > 5
    for note in left:
        key = note.what.rpartition(".")[2] if "whole entry" not in note.text else "model_name"
        assert key in lines[note.place.line - 1], note
        assert str(note) in made.text  # as a comment


def test_each_key_of_a_config_is_mapped_or_told() -> None:
    """A key that nobody knows, wherever it stands, is told."""
    made = of("""
model_list:
  - model_name: chat
    unknown_one: 1
    litellm_params: {model: gpt-4o, unknown_two: 2, rpm: many, temperature: warm, seed: 0}
    model_info: {unknown_three: 3}
litellm_settings: {unknown_four: 4, cache_params: {unknown_five: 5}}
router_settings: {unknown_six: 6, routing_strategy: by-the-moon, num_retries: lots, redis_host: r, redis_unknown: 1}
general_settings: {unknown_seven: 7}
unknown_eight: 8
environment_variables: {UNKNOWN_NINE: "9"}
""")
    assert told(made) == {
        "chat.unknown_one": 4,
        "chat.litellm_params.unknown_two": 5,
        "chat.litellm_params.rpm": 5,
        "chat.litellm_params.temperature": 5,
        "chat.model_info.unknown_three": 6,
        "litellm_settings.unknown_four": 7,
        "litellm_settings.cache_params.unknown_five": 7,
        "router_settings.unknown_six": 8,
        "router_settings.routing_strategy": 8,
        "router_settings.num_retries": 8,
        "router_settings.redis_unknown": 8,
        "general_settings.unknown_seven": 9,
        "unknown_eight": 10,
        "environment_variables.UNKNOWN_NINE": 11,
    }
    assert model(made)["params"] == {"seed": 0}


# --- a real router on what was made


async def test_the_team_routes_as_before(simulator: Simulator) -> None:
    """The deployment as the model, shares by rpm, fallbacks after a 429 and a full window, aliases, the wildcard."""
    team = Simulated(imported("team"), simulator)
    async with team.router:
        shares = Counter([await team.asked("gpt-4o") for _ in range(40)])
        assert shares == {"azure/gpt4o-prod-eu": 30, "openai/gpt-4o": 10}
        assert await team.asked("gpt-3.5-turbo") == "openai/gpt-4o-mini"
        assert team.last("openai")["temperature"] == 0.2
        assert await team.asked("anthropic/claude-opus-4-5") == "anthropic/claude-opus-4-5"
        assert Counter([await team.asked("gpt-4") for _ in range(4)])["azure/gpt4o-prod-eu"] == 3
        team.fail("openai", "context_length")
        assert await team.asked("gpt-4o-mini") == "anthropic/claude-sonnet-4-5"
        team.fail("openai", "rate_limited")
        assert await team.asked("gpt-4o-mini") == "azure/gpt4o-prod-eu"
        team.fail("azure", "rate_limited")
        assert await team.asked("gpt-4o") == "anthropic/claude-sonnet-4-5"
        assert await team.asked("Claude-Sonnet") == "anthropic/claude-sonnet-4-5"


async def test_fallbacks_in_a_circle_lead_both_ways(simulator: Simulator) -> None:
    """gpt-4o falls back to Claude and Claude to gpt-4o: each works while the other's vendor is down."""
    team = Simulated(imported("team"), simulator)
    async with team.router:
        team.fail("anthropic", "overloaded")
        assert await team.asked("Claude-Sonnet") in ("azure/gpt4o-prod-eu", "openai/gpt-4o")


async def test_the_machine_at_home_routes_as_before(simulator: Simulator) -> None:
    home = Simulated(imported("home"), simulator)
    async with home.router:
        assert await home.asked("Qwen3") == "ollama_chat/qwen3:14b"
        assert home.last("ollama_chat")["options"]["num_ctx"] == 16384
        assert await home.asked("openrouter-deepseek-r1") == "openrouter/deepseek/deepseek-r1:free"
        assert await home.asked("groq/llama-3.1-8b-instant") == "groq/llama-3.1-8b-instant"
        first = {await home.asked("coder") for _ in range(12)}
        assert first == {"hosted_vllm/Qwen/Qwen3-Coder-30B", "lm_studio/qwen3-coder-30b"}
        for name in ("hosted_vllm", "lm_studio", "groq", "gemini", "cerebras"):
            home.fail(name, "overloaded")
        assert await home.asked("coder") == "ollama_chat/qwen3:14b"
        home.fail("llm", "server_error")
        assert await home.asked("my-proxy") == "ollama_chat/qwen3:14b"  # by default_fallbacks


async def test_the_shop_routes_as_before(simulator: Simulator) -> None:
    """Both keys of the pool are used, weights of what became one target add up, and the order of regions is kept."""
    shop = Simulated(imported("shop"), simulator)
    async with shop.router:
        shares = Counter([await shop.asked("support") for _ in range(50)])
        assert shares == {"openai/gpt-4.1": 30, "mistral/mistral-large-latest": 20}
        assert set(simulator.vendor("at-openai").keys) == {"6789"}  # the endings of both made-up keys
        assert await shop.asked("search") == "azure/gpt-4.1-mini"
        shop.fail("azure", "overloaded")
        second = {await shop.asked("search") for _ in range(8)}
        assert second == {"deepseek/deepseek-chat", "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo"}
        assert await shop.asked("writer") == "bedrock/anthropic.claude-3-7-sonnet-20250219-v1:0"
        assert shop.last("bedrock")["thinking"]["budget_tokens"] == 2048
        shop.fail("bedrock", "context_length")
        assert await shop.asked("writer") == "vertex_ai/google/gemini-2.5-pro"
        shop.fail("bedrock", "content_filtered")
        assert await shop.asked("writer") == "fireworks_ai/accounts/fireworks/models/llama-v3p1-405b-instruct"
        assert json.dumps(shop.last("fireworks_ai")["response_format"]) == '{"type": "json_object"}'
        for name in ("azure", "openai", "mistral", "deepseek", "together_ai"):
            shop.fail(name, "overloaded")
        with pytest.raises(RouteExhausted):
            await shop.asked("support")


# --- vendors

VENDOR_CASES = [
    ("model: gpt-4o", {"kind": "openai", "api_key": "${OPENAI_API_KEY}"}, "gpt-4o"),
    ("model: claude-3-5-haiku", {"kind": "anthropic", "api_key": "${ANTHROPIC_API_KEY}"}, "claude-3-5-haiku"),
    ('model: anthropic/claude-x, api_base: "https://proxy.example/v1/messages", api_key: os.environ/K',
     {"kind": "anthropic", "base_url": "https://proxy.example", "api_key": "${K}"}, "claude-x"),
    ("model: ollama/llama3", {"kind": "ollama"}, "llama3"),
    ('model: ollama_chat/llama3, api_base: "http://box:11434/v1"',
     {"kind": "ollama", "base_url": "http://box:11434"}, "llama3"),
    ('model: azure/prod, api_base: "https://acme.openai.azure.com", api_key: os.environ/AK',
     {"kind": "openai", "base_url": "https://acme.openai.azure.com/openai/v1", "api_key": "${AK}"}, "prod"),
    ("model: azure/prod, api_base: os.environ/AB_BASE",
     {"kind": "openai", "base_url": "${AB_BASE}/openai/v1", "dialect": "azure", "api_key": "${AZURE_API_KEY}"}, "prod"),
    ('model: azure_ai/claude-sonnet, api_base: "https://acme.services.ai.azure.com/anthropic"',
     {"kind": "anthropic", "base_url": "https://acme.services.ai.azure.com/anthropic",
      "api_key": "${AZURE_AI_API_KEY}"},
     "claude-sonnet"),
    ("model: bedrock/converse/us.anthropic.claude-4, aws_region_name: us-east-1",
     {"kind": "anthropic", "base_url": "https://bedrock-runtime.us-east-1.amazonaws.com/anthropic",
      "api_key": {"aws": "default"}}, "us.anthropic.claude-4"),
    ("model: bedrock/openai.gpt-oss-120b-1:0, aws_region_name: os.environ/REG, aws_profile_name: prod",
     {"kind": "openai", "base_url": "https://bedrock-runtime.${REG}.amazonaws.com/openai/v1",
      "api_key": {"aws": {"profile": "prod"}}}, "openai.gpt-oss-120b-1:0"),
    ("model: bedrock/anthropic.claude-4, aws_region_name: us-1, api_key: os.environ/BEARER",
     {"kind": "anthropic", "base_url": "https://bedrock-runtime.us-1.amazonaws.com/anthropic",
      "api_key": "${BEARER}"}, "anthropic.claude-4"),
    ('model: azure/prod, api_base: "https://a.openai.azure.com", azure_ad_token: os.environ/AD',
     {"kind": "openai", "base_url": "https://a.openai.azure.com/openai/v1", "api_key": {"entra": "default"}}, "prod"),
    ('model: azure/x, api_base: "https://a.openai.azure.com", tenant_id: t, client_id: os.environ/C, client_secret: s',
     {"kind": "openai", "base_url": "https://a.openai.azure.com/openai/v1", "api_key":
      {"entra": {"client_id": "${C}", "tenant_id": "t", "client_secret": "${AZURE_CLIENT_SECRET}"}}}, "x"),
    ("model: vertex_ai/gemini-x, vertex_project: p, vertex_location: global, vertex_credentials: /run/key.json",
     {"kind": "openai", "api_key": {"google": {"file": "/run/key.json"}}, "base_url":
      "https://aiplatform.googleapis.com/v1/projects/p/locations/global/endpoints/openapi"}, "google/gemini-x"),
    ("model: vertex_ai/claude-sonnet-4, vertex_project: p, vertex_location: global",
     {"kind": "anthropic", "api_key": {"google": "default"}, "base_url":
      "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/anthropic/models"},
     "claude-sonnet-4"),
    ("model: gemini/gemini-2.5-pro",
     {"kind": "openai", "base_url": "https://generativelanguage.googleapis.com/v1beta/openai",
      "api_key": "${GEMINI_API_KEY}"}, "gemini-2.5-pro"),
    ("model: openrouter/anthropic/claude-x",
     {"kind": "openai", "base_url": "https://openrouter.ai/api/v1", "api_key": "${OPENROUTER_API_KEY}"},
     "anthropic/claude-x"),
    ("model: huggingface/together/meta-llama/Llama-3",
     {"kind": "openai", "base_url": "https://router.huggingface.co/v1", "api_key": "${HUGGINGFACE_API_KEY}"},
     "meta-llama/Llama-3:together"),
    ("model: databricks/dbrx, api_base: os.environ/DB_BASE", {"kind": "openai", "base_url": "${DB_BASE}",
     "api_key": "${DATABRICKS_API_KEY}"}, "dbrx"),
    ('model: hosted_vllm/my/model, api_base: "http://v.lan:8000/v1/"',
     {"kind": "openai", "base_url": "http://v.lan:8000/v1", "dialect": "vllm"}, "my/model"),
    ('model: openai/x, api_base: "http://localhost:9/v1/chat/completions", api_key: EMPTY',
     {"kind": "openai", "base_url": "http://localhost:9/v1"}, "x"),
    ('model: my-model, custom_llm_provider: openai, api_base: "http://s.lan/v1", api_key: os.environ/S',
     {"kind": "openai", "base_url": "http://s.lan/v1", "api_key": "${S}"}, "my-model"),
    ("model: perplexity/sonar", {"kind": "openai", "base_url": "https://api.perplexity.ai",
     "api_key": "${PERPLEXITYAI_API_KEY}"}, "sonar"),
    ("model: openai/responses/gpt-5-pro", {"kind": "openai", "api": "responses", "api_key": "${OPENAI_API_KEY}"},
     "gpt-5-pro"),
    ('model: xai/grok-4, api_key: "${XAI}"', {"kind": "openai", "base_url": "https://api.x.ai/v1", "api_key": "${XAI}"},
     "grok-4"),
]  # fmt: skip


@pytest.mark.parametrize(("params", "said", "its_id"), VENDOR_CASES, ids=[params for params, *_ in VENDOR_CASES])
def test_each_vendor(params: str, said: dict[str, Any], its_id: str) -> None:
    """Kind, address, dialect, key and model id of a vendor; the file is right once its variables are set."""
    made = one(params)
    assert provider(made) == said
    target = parsed(made)["routes"]["chat"]
    assert target.partition("/")[2] == its_id
    assert findings(made) == []


@pytest.mark.parametrize(
    "model",
    [
        *("groq/x", "mistral/x", "deepseek/x", "together_ai/x", "fireworks_ai/x", "xai/x", "cohere/x", "cohere_chat/x"),
        *("nvidia_nim/x", "cerebras/x", "sambanova/x", "deepinfra/x", "moonshot/x", "dashscope/x", "zai/x", "github/x"),
        *(
            "lm_studio/x",
            "openai_like/x",
            "litellm_proxy/x",
            "vercel_ai_gateway/x",
            "nebius/x",
            "novita/x",
            "minimax/x",
        ),
    ],
)
def test_vendors_without_more_than_a_name(model: str) -> None:
    assert findings(one(f"model: {model}")) == []


@pytest.mark.parametrize("model", ["watsonx/ibm/g", "sagemaker/e", "replicate/m", "nobody_knows/m", "openai/whisper-1"])
def test_what_can_not_be_called_is_told(model: str) -> None:
    """An entry without a counterpart is told by its line; a file of nothing else is an error that says why."""
    made = of(f"model_list:\n- {{model_name: a, litellm_params: {{model: gpt-4o}}}}\n"
              f"- {{model_name: b, litellm_params: {{model: {model}}}}}\n")  # fmt: skip
    assert told(made)["b"] == 3
    with pytest.raises(NotLiteLLM, match=r"no model that Signalbox could call\n.*config.yaml:2: chat"):
        one(f"model: {model}")


# --- keys


def test_a_key_in_the_clear_becomes_a_variable() -> None:
    """Two keys are two variables, the same key is one, and a name that the file uses is not taken again."""
    made = of("""
model_list:
- {model_name: a, litellm_params: {model: gpt-4o, api_key: sk-very-secret-1}}
- {model_name: b, litellm_params: {model: gpt-4o-mini, api_key: sk-very-secret-2}}
- {model_name: c, litellm_params: {model: gpt-4.1, api_key: sk-very-secret-1}}
- {model_name: d, litellm_params: {model: o3, api_key: os.environ/OPENAI_API_KEY}}
""")
    keys = [said["api_key"] for said in parsed(made)["providers"].values()]
    assert keys == ["${OPENAI_API_KEY_2}", "${OPENAI_API_KEY_3}", "${OPENAI_API_KEY}"]
    assert told(made, "check") == {"a.api_key": 3, "b.api_key": 4, "c.api_key": 5}


@pytest.mark.parametrize(
    "params",
    [
        "api_key: sk-very-secret-99, api_base: 'https://else.example/v1'",
        "api_base: 'https://user:sk-very-secret@else.example/v1'",
        "api_base: 'https://else.example/v1?key=sk-very-secret'",
        "extra_headers: {Authorization: Bearer sk-very-secret}",
        "extra_headers: {X-Secret: sk-very-secret}",
        "extra_body: {api_key: sk-very-secret}",
        "extra_body: {a: [{auth: {b: sk-very-secret}}]}",
        "aws_secret_access_key: sk-very-secret",
        "unheard_of: sk-very-secret",
        "client_secret: sk-very-secret, azure_ad_token: sk-very-secret",
        "custom_llm_provider: azure, tenant_id: t, client_id: c, client_secret: sk-very-secret",
        "custom_llm_provider: azure, client_secret: sk-very-secret",
        'custom_llm_provider: vertex_ai, vertex_credentials: \'{"private_key": "sk-very-secret"}\'',
        "custom_llm_provider: bedrock, aws_secret_access_key: sk-very-secret, aws_access_key_id: sk-very-secret",
    ],
)
def test_no_secret_is_repeated(params: str) -> None:
    made = one(f"model: openai/x, {params}")
    assert "sk-very-secret" not in made.text
    assert "sk-very-secret" not in "".join(map(str, made.notes))
    assert findings(made) == []


def test_the_vendors_own_key_goes_to_no_other_address() -> None:
    """OPENAI_API_KEY, which may be set for OpenAI itself, stands beside no other server's address."""
    for key in ("", ", api_key: sk-very-secret-0"):
        assert provider(one(f"model: openai/x, api_base: 'https://else.example/v1'{key}")).get("api_key") in (
            None,
            "${ELSE_API_KEY}",
        )


# --- settings


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ("max_completion_tokens: 5", {"params": {"max_tokens": 5}}),
        ("reasoning_effort: high", {"params": {"thinking": "high"}}),
        ("reasoning_effort: minimal", {"params": {"thinking": "minimal"}}),
        (
            "logprobs: true, top_logprobs: 2, service_tier: flex",
            {"params": {"logprobs": True, "top_logprobs": 2, "service_tier": "flex"}},
        ),
        (
            "response_format: {type: json_schema, json_schema: {name: n, schema: {type: object}}}",
            {
                "params": {
                    "response_format": {
                        "type": "json_schema",
                        "json_schema": {"name": "n", "schema": {"type": "object"}},
                    }
                }
            },
        ),
        ("top_k: 4, user: a$b", {"params": {"user": "a$$b", "extra_body": {"top_k": 4}}}),
        ("tpm: 1_000, rpm: '60'", {"limits": {"requests": "60/min", "tokens": "1000/min"}}),
        ("timeout: 86400", {"timeout": {"answer": "1d", "first_token": "1d"}}),
        ("timeout: 1.5", {"timeout": {"answer": "1.5s", "first_token": "1.5s"}}),
        ("cooldown_time: 900", {"breaker": {"open_for": "15m", "max_open_for": "15m"}}),
        ("max_retries: 0", {"retry": {"same_target": 0}}),
        ("input_cost_per_token: '1e-7', output_cost_per_token: 0", {"price": {"input": 0.1, "output": 0}}),
    ],
)
def test_settings_of_a_deployment(params: str, said: dict[str, Any]) -> None:
    made = one(f"model: gpt-4o, {params}")
    assert {name: value for name, value in model(made).items() if name not in ("provider", "id")} == said
    assert findings(made) == []


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{num_retries: 0}", {"retry": {"same_target": 0}}),
        ("{allowed_fails: 0, cooldown_time: 5}", {"breaker": {"consecutive": 1, "open_for": "5s"}}),
        ("{routing_strategy: usage-based-routing-v2}", {"balance": "least_busy"}),
        ("{routing_strategy: cost-based-routing}", {"balance": "cheapest"}),
        ("{timeout: 30, stream_timeout: 10}", {"timeout": {"answer": "30s", "first_token": "10s"}}),
        ("{timeout: 6000}", {"timeout": {"answer": "100m", "first_token": "100m", "total": "200m"}}),
        ("{retry_after: 20}", {"retry": {"backoff": "20s", "max_backoff": "20s"}}),
    ],
)
def test_settings_of_the_router(section: str, said: dict[str, Any]) -> None:
    made = one("model: gpt-4o", router_settings=section)
    assert parsed(made)["defaults"] == said
    assert findings(made) == []


def test_the_routers_settings_win_over_the_librarys() -> None:
    """What does not hold is told, a second list of fallbacks too."""
    library = "{num_retries: 5, request_timeout: 9, fallbacks: [{chat: [other]}]}"
    router = "{num_retries: 1, fallbacks: [{chat: [b]}], default_fallbacks: [b]}"
    models = "[{model_name: chat, litellm_params: {model: o3}}, {model_name: b, litellm_params: {model: o1}}]"
    made = of(f"model_list: {models}\nlitellm_settings: {library}\nrouter_settings: {router}\n")
    assert told(made) == {"litellm_settings.num_retries": 2, "litellm_settings.fallbacks.chat": 2}
    assert parsed(made)["routes"]["chat"]["fallbacks"] == ["b"]
    assert parsed(made)["defaults"] == {
        "retry": {"same_target": 1},
        "timeout": {"answer": "9s", "first_token": "9s"},
    }


def test_wildcards_need_no_list() -> None:
    """A file of wildcards alone is a provider each, which clients may ask for anything, and a route to begin with."""
    made = of("""
model_list:
- {model_name: "openai/*", litellm_params: {model: "openai/*"}}
- {model_name: "anthropic/*", litellm_params: {model: "anthropic/*"}}
""")
    file = parsed(made)
    assert file["serve"]["direct"] == ["openai", "anthropic"]
    assert list(file["providers"]) == ["openai", "anthropic"]
    assert findings(made) == []
    everything = of('model_list: [{model_name: "*", litellm_params: {model: "*"}}]')
    assert parsed(everything)["serve"]["direct"] is True
    assert told(everything, "differs")["*"] == 1
    assert findings(everything) == []


def test_clients_of_a_gateway_go_on_asking_as_they_did() -> None:
    """By the old key and the old names: of models, of aliases, and any of a wildcard's vendor; and of no other."""
    made = imported("team")
    env = environment(made)
    serving = compile_plan(load_text(made.text, env=env)).serving
    client = serving.client_of(env["LITELLM_MASTER_KEY"])
    assert client is not None
    asked = ("gpt-4o", "Claude-Sonnet", "gpt-4", "anthropic/claude-x", "openai/gpt-5", "text-embedding-3-small")
    assert [serving.route_of(name, client) for name in asked] == [
        *("gpt-4o", "Claude-Sonnet", "gpt-4o", "anthropic/claude-x"),
        *(None, "text-embedding-3-small"),
    ]


def test_a_fallback_to_what_a_wildcard_takes_goes_to_the_narrowest() -> None:
    made = of("""
model_list:
- {model_name: a, litellm_params: {model: o3, api_key: [not, a, key]}}
- {model_name: "*", litellm_params: {model: "openai/*"}}
- {model_name: "my/*", litellm_params: {model: "groq/*"}}
router_settings: {fallbacks: [{a: [my/llama, openai/o1, o4-mini]}]}
""")
    assert parsed(made)["routes"]["a"]["fallbacks"] == ["my/llama", "openai/o1", "openai/o4-mini"]
    assert told(made) == {"a.litellm_params.api_key": 3}
    assert findings(made) == []


def test_a_pattern_over_one_model_is_a_route() -> None:
    made = of("""
model_list:
- {model_name: "claude-*", litellm_params: {model: anthropic/claude-haiku}}
- {model_name: claude-opus, litellm_params: {model: anthropic/claude-opus-4}}
- {model_name: My Own/Claude, litellm_params: {model: anthropic/claude-opus-4}}
""")
    file = parsed(made)
    assert file["routes"] == {
        "claude-*": "anthropic/claude-haiku",
        "claude-opus": "anthropic/claude-opus-4",
        "my-own-claude": "anthropic/claude-opus-4",  # a route's name has no white space
    }
    assert file["serve"]["names"] == {"My Own/Claude": "my-own-claude"}
    assert findings(made) == []


def test_included_files_are_read_and_told_by_their_own_lines(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(
        "# more\nmodel_list:\n- model_name: b\n  litellm_params: {model: o3, odd: 1}\n"
    )
    (tmp_path / "config.yaml").write_text(
        "include: [models.yaml]\nmodel_list:\n- {model_name: a, litellm_params: {model: gpt-4o, odd: 1}}\n"
    )
    made = import_litellm((tmp_path / "config.yaml").read_text(), tmp_path / "config.yaml")
    assert list(made.plan.routes) == ["a", "b"]
    assert [str(note.place) for note in made.notes if note.sort == "left out"] == ["config.yaml:3", "models.yaml:4"]


@pytest.mark.parametrize(
    ("router", "cache", "url"),
    [
        ("redis_host: r.lan, redis_port: 6380", "", "redis://r.lan:6380/0"),
        ("redis_host: r.lan, redis_password: 'p@ss/word'", "", "redis://:${REDIS_PASSWORD}@r.lan:6379/0"),
        ("redis_url: os.environ/RURL", "type: redis, host: r.lan", "${RURL}"),
        (
            "",
            "type: redis, host: r.lan, ssl: true, username: u, password: os.environ/P",
            "rediss://u:${P}@r.lan:6379/0",
        ),
        ("", "type: redis", "${REDIS_URL}"),
        ("redis_url: 'redis://:pw12345@r.lan'", "", "${REDIS_URL}"),
    ],
)
def test_a_redis_is_what_processes_share(router: str, cache: str, url: str) -> None:
    made = one(
        "model: gpt-4o, rpm: 5",
        router_settings=f"{{{router}}}",
        litellm_settings=f"{{cache: {'true' if cache else 'false'}, cache_params: {{{cache}}}}}",
    )
    shared = parsed(made)["shared"]
    assert shared["url"] == url
    assert shared["share"] == ["limits", "holds", "breakers"] * bool(router) + ["cache"] * bool(cache)
    assert told(made) == {}
    env = environment(made) | dict.fromkeys(("RURL", "REDIS_URL"), "redis://r.lan:6379")
    assert load_text(made.text, env=env).diagnostics == ()


def test_who_lacks_what_others_share_by_is_never_drawn() -> None:
    """As LiteLLM draws: by the first of weight, rpm and tpm that the first deployment has."""
    made = of("""
model_list:
- {model_name: a, litellm_params: {model: gpt-4o, weight: 2}}
- {model_name: a, litellm_params: {model: o3, rpm: 100}}
""")
    assert list(parsed(made)["routes"]["a"]["targets"].values()) == [2, 0]
    assert told(made, "check") == {"a.litellm_params.weight": 3}


@pytest.mark.parametrize("text", ["routes: {a: b/c}\nproviders: {b: {kind: fake}}\n", "a: 1\n", "[1, 2]\n", "hello\n"])
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(NotLiteLLM):
        of(text)
