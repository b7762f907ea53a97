"""Embeddings and ranks of a LiteLLM config: routes of their own, whose vectors never mix."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.simulator import Simulator
from router.importers.litellm import NotLiteLLM, import_litellm
from tests.support.litellm_configs import Simulated, findings, of, parsed, told

CONFIG = """
model_list:
- {model_name: chat, litellm_params: {model: openai/gpt-4o, api_key: os.environ/K}}
- model_name: embed
  litellm_params: {model: azure/my-embedder, api_base: "https://a.openai.azure.com", api_key: os.environ/A, order: 1}
  model_info: {mode: embedding, output_vector_size: 1536, input_cost_per_token: 2e-8, output_cost_per_token: 0}
- {model_name: embed, litellm_params: {model: text-embedding-3-small, api_key: os.environ/K, order: 2, timeout: 9}}
- {model_name: other, litellm_params: {model: voyage/voyage-3-large}}
- {model_name: ranks, litellm_params: {model: cohere/rerank-v3.5, api_key: os.environ/C}}
router_settings: {fallbacks: [{embed: [other, chat]}], default_fallbacks: [chat]}
"""


def test_embeddings_and_ranks_are_routes_of_their_own() -> None:
    made = of(CONFIG)
    file = parsed(made)
    assert file["models"] == {
        "my-embedder": {
            "provider": "azure", "id": "my-embedder", "price": {"input": 0.02}, "embeds": {"dimensions": 1536},
        },
        "text-embedding-3-small": {
            "provider": "openai", "id": "text-embedding-3-small", "timeout": {"answer": "9s"},
            "embeds": {"same_as": "my-embedder"},
        },
        "voyage-3-large": {"provider": "voyage", "id": "voyage-3-large", "embeds": True},
        "rerank-v3.5": {"provider": "cohere", "id": "rerank-v3.5", "reranks": True},
    }  # fmt: skip
    assert file["routes"] == {
        "chat": "openai/gpt-4o",
        "embed": {
            "embeds": True, "targets": ["my-embedder"], "fallbacks": [{"targets": ["text-embedding-3-small"]}],
        },
        "other": {"embeds": True, "targets": ["voyage-3-large"]},
        "ranks": {"reranks": True, "targets": ["rerank-v3.5"]},
    }  # fmt: skip
    assert findings(made) == []


def test_vectors_of_two_models_are_never_mixed() -> None:
    """A fallback to another model is left out and told; that another id means the same is to be checked."""
    made = of(CONFIG)
    assert told(made)["router_settings.fallbacks.embed"] == 10
    assert told(made, "check")["embed"] == 7
    mixed = of("""
model_list:
- {model_name: a, litellm_params: {model: openai/text-embedding-3-small}}
- {model_name: a, litellm_params: {model: openai/gpt-4o}}
""")
    assert parsed(mixed)["routes"]["a"]["targets"] == ["text-embedding-3-small"]
    assert told(mixed) == {"a": 4}


@pytest.mark.parametrize("model", ["openai/whisper-1", "openai/dall-e-3", "openai/tts-1", "anthropic/some-embed-1"])
def test_what_makes_something_else_is_told(model: str) -> None:
    with pytest.raises(NotLiteLLM, match="the whole entry"):
        of(f"model_list: [{{model_name: m, litellm_params: {{model: {model}}}}}]")


@pytest.mark.parametrize(
    ("model", "makes"),
    [
        *(("openai/text-embedding-3-large", "embeds"), ("ollama/nomic-embed-text", "embeds")),
        *(("hosted_vllm/BAAI/bge-reranker-v2", "reranks"), ("jina_ai/jina-embeddings-v3", "embeds")),
        *(("jina_ai/jina-reranker-v2", "reranks"), ("mistral/mistral-embed", "embeds")),
        *(("gemini/gemini-embedding-001", "embeds"), ("infinity/x-rerank", "reranks")),
    ],
)
def test_what_a_model_makes_is_told_by_its_name(model: str, makes: str) -> None:
    """Where `model_info.mode` says nothing."""
    made = of(f"model_list: [{{model_name: m, litellm_params: {{model: {model}}}}}]")
    assert parsed(made)["routes"]["m"][makes] is True
    assert findings(made) == []


async def test_embeddings_go_where_they_went(simulator: Simulator) -> None:
    """By both deployments in their order, with the vectors' size that the config says."""
    async with Simulated(import_litellm(CONFIG, Path("config.yaml")), simulator).router as router:
        assert (await router.embed("embed", ["The sky is blue."])).target == "my-embedder"
        assert (await router.rerank("ranks", "sky", ["The sky is blue.", "Grass"])).target == "rerank-v3.5"
