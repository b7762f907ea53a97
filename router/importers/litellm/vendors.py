"""LiteLLM's vendors, by the prefix of a model: which kind, address and key each is here. One row of data each.

From LiteLLM's documentation of its providers (https://docs.litellm.ai/docs/providers) and of its proxy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from providers.openai.dialects import DIALECTS


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """One row.

    `prefix` is what stands before the model's name. `dialect` is its row among the servers of kind openai, which has
    the address too, where `base_url` does not say another. `key` is the variable that LiteLLM reads a key from where
    the file has none; "" where none is needed. `base` is the variable of the address, for servers of one's own.
    `example` is a model to begin with.
    """

    prefix: str
    kind: str = "openai"
    dialect: str | None = None
    base_url: str | None = None
    key: str = ""
    base: str = ""
    example: str = ""

    @property
    def address(self) -> str | None:
        """Its usual address; None is the kind's own, or there is none."""
        if self.base_url is not None or self.dialect is None or self.base:
            return self.base_url
        return DIALECTS[self.dialect].base_url


def _hosted(prefix: str, dialect: str, key: str, example: str = "") -> Vendor:
    return Vendor(prefix=prefix, dialect=dialect, key=key, example=example)


def _compatible(prefix: str, base_url: str, key: str) -> Vendor:
    return Vendor(prefix=prefix, base_url=base_url, key=key)


def _server(prefix: str, base: str, dialect: str | None = None) -> Vendor:
    return Vendor(prefix=prefix, base=base, dialect=dialect)


_ROWS = (
    Vendor(prefix="openai", key="OPENAI_API_KEY", example="gpt-6-luna"),
    Vendor(prefix="anthropic", kind="anthropic", key="ANTHROPIC_API_KEY", example="claude-haiku-5-5"),
    Vendor(prefix="ollama", kind="ollama"),
    Vendor(prefix="ollama_chat", kind="ollama"),
    # Those of rules of their own (`connections`).
    Vendor(prefix="azure", dialect="azure", key="AZURE_API_KEY", base="AZURE_API_BASE"),
    Vendor(prefix="azure_ai", dialect="azure", key="AZURE_AI_API_KEY", base="AZURE_AI_API_BASE"),
    Vendor(prefix="bedrock", dialect="bedrock", key="AWS_BEARER_TOKEN_BEDROCK"),
    Vendor(prefix="bedrock_converse", dialect="bedrock", key="AWS_BEARER_TOKEN_BEDROCK"),
    Vendor(prefix="vertex_ai", dialect="vertex", key="VERTEX_AI_ACCESS_TOKEN"),
    Vendor(prefix="vertex_ai_beta", dialect="vertex", key="VERTEX_AI_ACCESS_TOKEN"),
    _hosted("gemini", "gemini", "GEMINI_API_KEY", "gemini-3-flash-preview"),
    _hosted("groq", "groq", "GROQ_API_KEY", "llama-3.3-70b-versatile"),
    _hosted("mistral", "mistral", "MISTRAL_API_KEY", "mistral-small-latest"),
    _hosted("deepseek", "deepseek", "DEEPSEEK_API_KEY", "deepseek-chat"),
    _hosted("openrouter", "openrouter", "OPENROUTER_API_KEY", "openai/gpt-6-luna"),
    _hosted("xai", "xai", "XAI_API_KEY", "grok-4-fast"),
    _hosted("together_ai", "together", "TOGETHERAI_API_KEY"),
    _hosted("fireworks_ai", "fireworks", "FIREWORKS_API_KEY"),
    _hosted("cohere", "cohere", "COHERE_API_KEY"),
    _hosted("cohere_chat", "cohere", "COHERE_API_KEY"),
    _hosted("cerebras", "cerebras", "CEREBRAS_API_KEY", "gpt-oss-120b"),
    _hosted("nvidia_nim", "nvidia", "NVIDIA_NIM_API_KEY"),
    _hosted("huggingface", "huggingface", "HUGGINGFACE_API_KEY"),
    _hosted("github", "github", "GITHUB_API_KEY"),
    _hosted("moonshot", "moonshot", "MOONSHOT_API_KEY"),
    _hosted("dashscope", "dashscope", "DASHSCOPE_API_KEY"),
    _hosted("zai", "zai", "ZAI_API_KEY"),
    _hosted("minimax", "minimax", "MINIMAX_API_KEY"),
    _hosted("vercel_ai_gateway", "vercel", "VERCEL_AI_GATEWAY_API_KEY"),
    _compatible("voyage", "https://api.voyageai.com/v1", "VOYAGE_API_KEY"),
    _compatible("jina_ai", "https://api.jina.ai/v1", "JINA_AI_API_KEY"),
    _compatible("perplexity", "https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"),
    _compatible("deepinfra", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    _compatible("sambanova", "https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    _compatible("nebius", "https://api.studio.nebius.ai/v1", "NEBIUS_API_KEY"),
    _compatible("novita", "https://api.novita.ai/v3/openai", "NOVITA_API_KEY"),
    _compatible("lambda_ai", "https://api.lambda.ai/v1", "LAMBDA_API_KEY"),
    _compatible("hyperbolic", "https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY"),
    _compatible("friendliai", "https://api.friendli.ai/serverless/v1", "FRIENDLIAI_API_KEY"),
    _compatible("featherless_ai", "https://api.featherless.ai/v1", "FEATHERLESS_AI_API_KEY"),
    _compatible("baseten", "https://inference.baseten.co/v1", "BASETEN_API_KEY"),
    _compatible("volcengine", "https://ark.cn-beijing.volces.com/api/v3", "VOLCENGINE_API_KEY"),
    _compatible("meta_llama", "https://api.llama.com/compat/v1", "LLAMA_API_KEY"),
    _compatible("wandb", "https://api.inference.wandb.ai/v1", "WANDB_API_KEY"),
    _compatible("codestral", "https://codestral.mistral.ai/v1", "CODESTRAL_API_KEY"),
    _compatible("ai21", "https://api.ai21.com/studio/v1", "AI21_API_KEY"),
    _compatible("ai21_chat", "https://api.ai21.com/studio/v1", "AI21_API_KEY"),
    _compatible("nscale", "https://inference.api.nscale.com/v1", "NSCALE_API_KEY"),
    _compatible("v0", "https://api.v0.dev/v1", "V0_API_KEY"),
    _compatible("morph", "https://api.morphllm.com/v1", "MORPH_API_KEY"),
    _compatible("aiml", "https://api.aimlapi.com/v1", "AIML_API_KEY"),
    _compatible("poe", "https://api.poe.com/v1", "POE_API_KEY"),
    _compatible("helicone", "https://ai-gateway.helicone.ai/v1", "HELICONE_API_KEY"),
    Vendor(prefix="databricks", key="DATABRICKS_API_KEY", base="DATABRICKS_API_BASE"),
    _server("infinity", "INFINITY_API_BASE"),
    _server("hosted_vllm", "HOSTED_VLLM_API_BASE", "vllm"),
    _server("vllm", "VLLM_API_BASE", "vllm"),
    _server("lm_studio", "LM_STUDIO_API_BASE", "lmstudio"),
    _server("llamafile", "LLAMAFILE_API_BASE", "llamacpp"),
    _server("litellm_proxy", "LITELLM_PROXY_API_BASE", "litellm"),
    _server("openai_like", "OPENAI_LIKE_API_BASE"),
    _server("custom_openai", "OPENAI_LIKE_API_BASE"),
    _server("custom", "OPENAI_LIKE_API_BASE"),
    _server("xinference", "XINFERENCE_API_BASE"),
    _server("docker_model_runner", "DOCKER_MODEL_RUNNER_API_BASE"),
    _server("lemonade", "LEMONADE_API_BASE"),
)

VENDORS: Mapping[str, Vendor] = {row.prefix: row for row in _ROWS}

# Those that speak a protocol of their own, or no chat at all.
UNSUPPORTED = frozenset(
    (
        *("watsonx", "watsonx_text", "sagemaker", "sagemaker_chat", "replicate", "clarifai", "predibase", "triton"),
        *("petals", "nlp_cloud", "oci", "snowflake", "gigachat", "cloudflare", "github_copilot", "chatgpt", "sap"),
        *("text-completion-openai", "text-completion-codestral", "azure_text", "anthropic_text", "maritalk", "bytez"),
        *("datarobot", "galadriel", "gradient_ai", "heroku", "empower", "oobabooga", "ragflow", "langgraph", "manus"),
        *("deepgram", "elevenlabs", "assemblyai", "stability", "recraft", "fal_ai"),
        *("topaz", "runwayml", "aws_polly", "auto_router", "dotprompt", "a2a", "a2a_agent", "amazon_nova", "palm"),
        *("anyscale", "aleph_alpha", "litellm_agent", "lemonade_embed", "milvus", "pg_vector", "s3_vectors"),
    )
)

# Models without a prefix, as LiteLLM takes them; the first that fits decides.
_BARE = (
    (re.compile(r"(gpt|o[1-9]|chatgpt|ft:gpt|codex|computer-use)"), "openai"),
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"gemini"), "vertex_ai"),
    (re.compile(r"command"), "cohere"),
    (re.compile(r"deepseek-(chat|coder|reasoner)"), "deepseek"),
    (re.compile(r"(mistral|codestral|magistral|ministral|pixtral|devstral)-"), "mistral"),
    (re.compile(r"grok"), "xai"),
    (re.compile(r"([a-z]{2,6}\.)?(anthropic|amazon|meta|cohere|mistral|ai21|deepseek|openai|qwen)\."), "bedrock"),
)


def split_model(model: str, provider: str | None) -> tuple[str, str]:
    """The vendor's prefix and its own name for a model; the prefix is "" where neither tells it.

    Args:
        provider: `custom_llm_provider`, where the file has one.
    """
    prefix, slash, rest = model.partition("/")
    if provider:
        return provider, rest if slash and prefix == provider else model
    if slash and (prefix in VENDORS or prefix in UNSUPPORTED):
        return prefix, rest
    return next((vendor for form, vendor in _BARE if form.match(model)), ""), model
