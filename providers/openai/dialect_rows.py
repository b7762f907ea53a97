"""How servers that speak OpenAI's chat protocol differ: one row of data each, no subclasses.

From the vendors' documentation, the sources of vLLM, llama.cpp and Ollama, and recorded traffic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One row.

    `base_url` is the default, with {…} where it is the caller's own. `hosts` are ends of the hosts' names by which the
    dialect is told, with `*` for any text; `port` is a local server's usual one. `also` are other names of the vendor.
    `note` says in a few words what is special, for the documentation.

    `max_tokens` and `seed` are the names of those fields. `never` are fields that are left out because the
    server refuses the request over them; `always` are fields that every request has. `required` is the word for "some
    tool must be called". `developer` tells whether the role of that name is known (else it is sent as `system`).
    `null_content` tells whether an assistant message with tool calls says `content: null` (else it has no such key).
    `short_ids` is Mistral's form of call ids.

    `thinking` is the form in which reasoning is asked for (`thinking_fields`). `thinking_back` is the field in which a
    model's reasoning is sent back to it: a field's name, `content` (parts of it), `as_it_came`, or None where it is
    not. `thinking_needed` sends a blank one with tool calls when it is unknown, because the server demands it.
    `details` tells whether `reasoning_details` and `thinking_blocks` of unknown origin are taken. `call_signatures`
    tells whether calls have to be signed, as Gemini's models demand.

    `prefill` is the mark of a last assistant turn that the model goes on with. `named` tells whether a message may say
    who speaks. `empty_turns` tells whether an assistant turn may be without text and calls. `most_temperature` is the
    highest temperature that it takes. `named_choice` tells whether one tool may be forced by its name.

    `json_schema` and `json_object` are the forms of JSON that it takes; models whose names begin with one of `no_stop`
    take no stop sequences. `openai_models` turns on the rules of `MODEL_RULES`. `cache_key` tells whether a
    `prompt_cache_key` takes a conversation to where its prompt is cached; `cache_header` is the header that does so in
    chat completions instead.
    """

    name: str
    base_url: str
    hosts: tuple[str, ...] = ()
    port: int | None = None
    also: tuple[str, ...] = ()
    note: str = ""
    max_tokens: str = "max_tokens"
    seed: str = "seed"
    never: frozenset[str] = frozenset()
    always: Mapping[str, Any] = {}
    required: str = "required"
    developer: bool = False
    null_content: bool = True
    short_ids: bool = False
    thinking: Literal[
        "effort", "reasoning", "type", "type_and_effort", "adaptive", "enable_thinking", "template", "high_or_none"
    ] = "effort"
    thinking_back: str | None = "as_it_came"
    thinking_needed: bool = False
    details: bool = False
    call_signatures: bool = False
    prefill: str | None = None
    named: bool = True
    empty_turns: bool = True
    most_temperature: float = 2
    named_choice: bool = True
    json_schema: bool = True
    json_object: bool = True
    no_stop: tuple[str, ...] = ()
    obfuscation: bool = False
    openai_models: bool = False
    cache_key: bool = False
    cache_header: str | None = None
    key_header: str | None = None


_NEW = "max_completion_tokens"

_ROWS = (
    Dialect(
        name="openai",
        base_url="https://api.openai.com/v1",
        hosts=("api.openai.com",),
        note="Responses where chat completions cannot serve the model",
        max_tokens=_NEW,
        developer=True,
        thinking_back=None,
        obfuscation=True,
        openai_models=True,
        cache_key=True,
    ),
    Dialect(
        name="azure",
        base_url="https://{resource}.openai.azure.com/openai/v1",
        hosts=("openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"),
        also=("azure_openai", "azureopenai", "azure_ai", "foundry"),
        note="key in the header `api-key`, a token of Entra ID as bearer; `model` is the deployment",
        max_tokens=_NEW,
        developer=True,
        thinking_back=None,
        openai_models=True,
        cache_key=True,
        key_header="api-key",
    ),
    Dialect(
        name="openrouter",
        base_url="https://openrouter.ai/api/v1",
        hosts=("openrouter.ai",),
        note="`reasoning_details` go back unchanged",
        thinking="reasoning",
        thinking_back="reasoning",
        details=True,
    ),
    Dialect(
        name="groq",
        base_url="https://api.groq.com/openai/v1",
        hosts=("groq.com",),
        note="no null fields in messages",
        max_tokens=_NEW,
        null_content=False,
        thinking_back="reasoning",
    ),
    Dialect(
        name="mistral",
        base_url="https://api.mistral.ai/v1",
        hosts=("mistral.ai",),
        note="refuses unknown fields; call ids of nine letters and digits; between results and a user an `OK.` is put",
        seed="random_seed",
        required="any",
        short_ids=True,
        thinking="high_or_none",
        thinking_back="content",
        prefill="prefix",
        named=False,
        empty_turns=False,
        most_temperature=1.5,
        cache_key=True,
        never=frozenset({"stream_options", "user", "store", "metadata"}),
    ),
    Dialect(
        name="deepseek",
        base_url="https://api.deepseek.com",
        hosts=("deepseek.com",),
        note="reasoning has to go back with tool calls; JSON without a schema only",
        thinking="type_and_effort",
        thinking_back="reasoning_content",
        thinking_needed=True,
        json_schema=False,
    ),
    Dialect(
        name="xai",
        base_url="https://api.x.ai/v1",
        hosts=("x.ai",),
        also=("grok",),
        note="reasoning models take no penalties, some no stop sequences",
        cache_key=True,  # docs.x.ai/developers/advanced-api-usage/prompt-caching/maximizing-cache-hits
        cache_header="x-grok-conv-id",
        max_tokens=_NEW,
        thinking_back="reasoning_content",
        no_stop=("grok-3-mini", "grok-4", "grok-code"),
        never=frozenset({"presence_penalty", "frequency_penalty"}),  # the reasoning models refuse them
    ),
    Dialect(
        name="gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        hosts=("generativelanguage.googleapis.com",),
        also=("google", "google_ai", "googleai", "google_genai"),
        note="refuses unknown fields; signatures of tool calls go back, calls of other vendors get Google's dummy",
        thinking_back=None,
        call_signatures=True,
        never=frozenset({"seed", "user", "metadata", "parallel_tool_calls"}),
    ),
    Dialect(
        name="vertex",
        base_url=(
            "https://{location}-aiplatform.googleapis.com/v1/projects/{project}/locations/{location}/endpoints/openapi"
        ),
        hosts=("*aiplatform.googleapis.com",),
        also=("vertexai", "vertex_ai", "google_vertex"),
        note="as gemini; models are named google/…; the key is an access token of Google Cloud: `{google: default}`",
        thinking_back=None,
        call_signatures=True,
        never=frozenset({"seed", "user", "metadata", "parallel_tool_calls"}),
    ),
    Dialect(
        name="bedrock",
        base_url="https://bedrock-runtime.{region}.amazonaws.com/openai/v1",
        hosts=("bedrock-*.amazonaws.com", "bedrock-*.api.aws"),
        also=("aws", "aws_bedrock", "amazon_bedrock", "amazon"),
        note=(
            "the key is a Bedrock API key, or signs: `{aws: default}`; "
            "what only bedrock-mantle has: https://bedrock-mantle.{region}.api.aws/v1 (GPT models: …/openai/v1)"
        ),
        max_tokens=_NEW,
    ),
    Dialect(
        name="moonshot",
        base_url="https://api.moonshot.ai/v1",
        hosts=("moonshot.ai", "moonshot.cn", "kimi.com"),
        also=("kimi", "moonshotai", "moonshot_ai"),
        note="reasoning has to go back with tool calls",
        thinking="type",
        prefill="partial",
        empty_turns=False,
        most_temperature=1,
        thinking_back="reasoning_content",
        thinking_needed=True,
    ),
    Dialect(
        name="zai",
        base_url="https://api.z.ai/api/paas/v4",
        hosts=("z.ai", "bigmodel.cn"),
        also=("z_ai", "zhipu", "zhipuai", "glm", "bigmodel"),
        note="JSON without a schema only; no penalties, no seed",
        most_temperature=1,
        thinking="type",
        thinking_back="reasoning_content",
        json_schema=False,
        never=frozenset({"seed", "user", "presence_penalty", "frequency_penalty"}),
    ),
    Dialect(
        name="minimax",
        base_url="https://api.minimax.io/v1",
        hosts=("minimax.io", "minimaxi.com", "minimax.chat"),
        note="`reasoning_split` is sent, so that reasoning comes apart; `reasoning_details` go back",
        max_tokens=_NEW,
        always={"reasoning_split": True},
        most_temperature=1,
        thinking="adaptive",
        details=True,
        never=frozenset({"seed", "user", "presence_penalty", "frequency_penalty"}),
    ),
    Dialect(
        name="dashscope",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        hosts=("dashscope*.aliyuncs.com",),
        also=("qwen", "alibaba", "aliyun", "tongyi", "bailian", "modelstudio"),
        note="past reasoning is read with `preserve_thinking: true`; in China https://dashscope.aliyuncs.com/compatible-mode/v1",
        thinking="enable_thinking",
        prefill="partial",
        thinking_back="reasoning_content",
    ),
    Dialect(
        name="cerebras",
        base_url="https://api.cerebras.ai/v1",
        hosts=("cerebras.ai",),
        note="refuses unknown fields of messages; no penalties",
        max_tokens=_NEW,
        thinking_back="reasoning",
        never=frozenset({"presence_penalty", "frequency_penalty"}),
    ),
    Dialect(
        name="nvidia",
        base_url="https://integrate.api.nvidia.com/v1",
        hosts=("api.nvidia.com",),
        also=("nim", "nvidia_nim"),
        thinking="template",
        never=frozenset({"user", "parallel_tool_calls"}),
    ),
    Dialect(
        name="cohere",
        base_url="https://api.cohere.ai/compatibility/v1",
        hosts=("cohere.ai", "cohere.com"),
        note="no `parallel_tool_calls`, no `stream_options`",
        most_temperature=1,
        thinking="high_or_none",
        thinking_back=None,
        never=frozenset({"stream_options", "user", "parallel_tool_calls"}),
    ),
    Dialect(
        name="github",
        base_url="https://models.github.ai/inference",
        hosts=("models.github.ai", "models.inference.ai.azure.com"),
        also=("github_models", "githubmodels"),
        note="models are named owner/model; the key is a GitHub token with models:read",
        thinking_back=None,
    ),
    Dialect(
        name="huggingface",
        base_url="https://router.huggingface.co/v1",
        hosts=("router.huggingface.co",),
        also=("hf", "hugging_face", "hf_inference"),
        note="models are named owner/model, or owner/model:provider",
    ),
    Dialect(
        name="vercel",
        base_url="https://ai-gateway.vercel.sh/v1",
        hosts=("ai-gateway.vercel.sh",),
        also=("vercel_ai_gateway", "ai_gateway"),
        note="`reasoning_details` go back unchanged",
        thinking="reasoning",
        thinking_back="reasoning",
        details=True,
    ),
    Dialect(
        name="litellm",
        base_url="http://localhost:4000/v1",
        port=4000,
        also=("litellm_proxy",),
        note="reasoning and Claude's `thinking_blocks` go back as they came; long call ids stay",
        details=True,
    ),
    Dialect(name="together", base_url="https://api.together.xyz/v1", hosts=("together.xyz", "together.ai")),
    Dialect(
        name="fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        hosts=("fireworks.ai",),
        thinking_back="reasoning_content",
    ),
    Dialect(
        name="vllm",
        base_url="http://localhost:8000/v1",
        port=8000,
        thinking="template",
    ),
    Dialect(
        name="sglang",
        base_url="http://localhost:30000/v1",
        port=30000,
        thinking="template",
        thinking_back="reasoning_content",
    ),
    Dialect(
        name="llamacpp",
        base_url="http://localhost:8080/v1",
        port=8080,
        named_choice=False,
        also=("llama_cpp", "llama_server"),
        thinking_back="reasoning_content",
    ),
    Dialect(
        name="lmstudio",
        base_url="http://localhost:1234/v1",
        port=1234,
        named_choice=False,
        also=("lm_studio",),
        note="JSON with a schema only",
        json_object=False,
    ),
    Dialect(
        name="ollama",
        base_url="http://localhost:11434/v1",
        port=11434,
        note="kind ollama says more: errors in mid-stream, `num_ctx`",
        never=frozenset({"tool_choice", "parallel_tool_calls"}),
        thinking_back="reasoning",
    ),
    Dialect(
        name="tei",
        base_url="http://localhost:3000",
        port=3000,
        also=("text_embeddings_inference",),
        note="Text Embeddings Inference: makes embeddings and ranks, and answers no chat",
    ),
    Dialect(
        name="generic",
        base_url="{base_url}",
        note="every server of no row",
        details=True,
    ),
)

DIALECTS: Mapping[str, Dialect] = {row.name: row for row in _ROWS}
