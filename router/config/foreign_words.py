"""The words that other tools have for what routes.yaml says, and what they are called in it."""

from __future__ import annotations

from collections.abc import Mapping

# The words of LiteLLM, Portkey, OpenRouter, nginx, the SDKs and plain habit: what they are called here. In <> is
# an example, for the number that was written.
FOREIGN: Mapping[str, str] = {
    **dict.fromkeys(("rpm", "requests_per_minute", "rate_limit", "max_rpm"), "limits: {requests: <500>/min}"),
    **dict.fromkeys(("tpm", "tokens_per_minute", "max_tpm"), "limits: {tokens: <200k>/min}"),
    **dict.fromkeys(("rpd", "requests_per_day"), "limits: {requests: <10k>/d}"),
    **dict.fromkeys(
        ("max_parallel_requests", "max_connections", "concurrency", "max_concurrency", "max_concurrent", "parallel"),
        "limits: {in_flight: <16>}",
    ),
    **dict.fromkeys(
        ("strategy", "routing_strategy", "load_balancing", "load_balancer", "lb", "algorithm", "policy", "mode"),
        "balance: weighted (or least_latency, least_busy, cheapest, ordered, affinity)",
    ),
    **dict.fromkeys(
        ("prompt_caching", "cache_prompt", "cache_prompts", "cache_control", "cache_control_injection_points"),
        "prompt_cache: auto",
    ),
    "weights": "the weights beside the targets: targets: {a/model: 70, b/model: 30}",
    **dict.fromkeys(("num_retries", "retries", "max_retries", "retry_count"), "retry: {same_target: <2>}"),
    **dict.fromkeys(("attempts", "tries", "max_tries"), "retry: {max_attempts: <3>}"),
    **dict.fromkeys(("cooldown_time", "cooldown", "recovery_time"), "breaker: {open_for: <30>s}"),
    **dict.fromkeys(("allowed_fails", "failure_threshold", "max_fails"), "breaker: {consecutive: <3>}"),
    **dict.fromkeys(("circuit_breaker", "cb"), "breaker: {consecutive: 5, open_for: 10s}"),
    **dict.fromkeys(("request_timeout", "timeout_s", "timeout_ms", "deadline", "max_time"), "timeout: {total: <30>s}"),
    **dict.fromkeys(("stream_timeout", "ttft_timeout"), "timeout: {first_token: <30>s}"),
    **dict.fromkeys(("read_timeout", "read"), "timeout: {answer: <30>s, idle: <30>s}"),
    **dict.fromkeys(("connect_timeout", "connection_timeout"), "timeout: {connect: <5>s}"),
    **dict.fromkeys(("max_budget", "spend_limit", "cost_limit", "budget_limit", "budget_duration"), "budget: $<20>/d"),
    **dict.fromkeys(
        ("api_base", "base", "url", "endpoint", "baseURL", "baseUrl", "api_url", "host", "server", "azure_endpoint"),
        "base_url: https://…",
    ),
    **dict.fromkeys(
        ("apiKey", "apikey", "key", "token", "api_token", "secret", "auth", "password", "API_KEY", "api-key", "keys"),
        "api_key: ${NAME}, or api_keys: [${ONE}, ${TWO}]",
    ),
    **dict.fromkeys(
        ("type", "provider_type", "vendor", "custom_llm_provider", "protocol"), "kind: openai (or anthropic, ollama)"
    ),
    **dict.fromkeys(("organization", "org", "openai_organization"), "headers: {OpenAI-Organization: …}"),
    "project": "headers: {OpenAI-Project: …}",
    **dict.fromkeys(("extra_headers", "default_headers", "custom_headers"), "headers: {name: value}"),
    **dict.fromkeys(
        ("api_version", "deployment", "deployment_name", "azure_deployment", "api_type"),
        "base_url: https://RESOURCE.openai.azure.com/openai/v1, with the deployment as the model",
    ),
    **dict.fromkeys(
        ("region", "aws_region", "aws_region_name", "location", "vertex_location", "vertex_project"),
        "the base_url of the region",
    ),
    **dict.fromkeys(
        ("ssl_verify", "verify_ssl", "tls_verify", "insecure", "ca_bundle", "cafile"),
        "verify: /path/of/ca.pem (or false)",
    ),
    **dict.fromkeys(
        ("mirror", "mirroring", "traffic_mirror", "shadowing"), "shadow: {to: PROVIDER/MODEL, share: <5>%}"
    ),
    **dict.fromkeys(("canary", "split", "ab_test", "traffic_split"), "targets: {stable: 90, candidate: 10}"),
    **dict.fromkeys(
        ("condition", "conditions", "if", "rules", "match", "conditional"), "when: [{if: {tags: {plan: pro}}, to: …}]"
    ),
    **dict.fromkeys(
        ("webhook", "webhooks", "slack", "notify", "alerting"), "alerts: [{on: breaker_open, to: https://…}]"
    ),
    **dict.fromkeys(("imports", "extends", "files"), "include: [teams/*.yaml]"),
    **dict.fromkeys(("health_check", "healthcheck", "probe", "background_health_checks"), "health: {every: 30s}"),
    **dict.fromkeys(("http_proxy", "https_proxy", "proxies"), "proxy: http://localhost:3128"),
    **dict.fromkeys(
        ("max_input_tokens", "context_length", "context", "context_size", "max_context"), "context_window: <128k>"
    ),
    **dict.fromkeys(
        ("input_cost_per_token", "output_cost_per_token", "input_price", "output_price", "cost", "pricing"),
        "price: {input: 1.25, output: 10} (US dollars per million tokens)",
    ),
    **dict.fromkeys(("supports_vision", "image", "images", "multimodal"), "capabilities: {vision: true}"),
    **dict.fromkeys(("supports_function_calling", "function_calling", "supports_tools"), "capabilities: {tools: true}"),
    **dict.fromkeys(("top_k", "min_p", "repetition_penalty"), "params: {extra_body: {… : <40>}}"),
    **dict.fromkeys(("reasoning_effort", "reasoning", "effort"), "params: {thinking: medium}"),
    **dict.fromkeys(("max_completion_tokens", "max_output", "max_new_tokens"), "params: {max_tokens: <1000>}"),
    "model_name": "the name as a key: routes: {NAME: {targets: […]}}",
    **dict.fromkeys(("models", "primary", "backends", "deployments", "upstreams", "providers", "pool"), "targets: […]"),
    **dict.fromkeys(
        ("backup", "secondary", "failover", "fallback_models", "default_fallbacks", "context_window_fallbacks"),
        "fallbacks: [provider/model]",
    ),
    **dict.fromkeys(("priority", "order"), "balance: ordered with the targets in order, or fallbacks"),
    **dict.fromkeys(("redis", "redis_url", "redis_host", "cache_params"), "shared: {url: ${REDIS_URL}}"),
    **dict.fromkeys(("port", "listen_port", "bind", "address", "http"), "serve: {listen: 127.0.0.1:<8080>}"),
    **dict.fromkeys(("master_key", "virtual_keys", "users", "clients"), "serve: {keys: {NAME: ${KEY}}}"),
    **dict.fromkeys(
        ("logging", "log_level", "debug", "verbose", "set_verbose"),
        "nothing of it: an app sets up the logger `signalbox` of Python's logging",
    ),
    **dict.fromkeys(
        ("stream", "streaming"), "nothing of it: who calls says whether it is streamed, by stream() or complete()"
    ),
    **dict.fromkeys(
        ("system", "system_prompt", "prompt", "messages"), "nothing of it: prompts and instructions come with each call"
    ),
    **dict.fromkeys(("description", "comment", "notes", "name", "title", "tags", "id"), "it as a comment: # …"),
    **dict.fromkeys(("enabled", "disabled", "active"), "a # before its lines, or drain it while it runs"),
}
