"""What LiteLLM has and Signalbox has not, or has of itself: what is said of such a key."""

from __future__ import annotations

from collections.abc import Mapping

_ITSELF = "nothing to do"
_LOGS = (
    "Signalbox calls no loggers: `signalbox status`, router.prometheus() and router.exporters.otel tell what happens"
)
_DATABASE = "no database: what is spent is kept in the user's state folder"
_KEYS = "clients' keys stand in the file: serve.keys (`signalbox key NAME`)"
_EACH_CODE = "what an error leads to is one table here, by its code (docs/errors.md)"
_COST_ONLY = "of no effect here: nothing depends on it"
_CHECKS = "`health: 30s` of a provider asks it for its list of models, which is free, or a path of its server"
_TAGS = "tags of a call lead by a route's rules, when: [{if: {tags: {tier: free}}, to: ROUTE}]; a model has labels"
_WORDS = "no guardrails here"

WITHOUT: Mapping[str, str] = {
    **dict.fromkeys(
        ("drop_params", "additional_drop_params", "allowed_openai_params", "modify_params"),
        f"{_ITSELF}: sampling hints that a model refuses are left out, what carries meaning is an error",
    ),
    **dict.fromkeys(
        ("callbacks", "success_callback", "failure_callback", "service_callbacks", "audit_log_callbacks", "otel"),
        _LOGS,
    ),
    **dict.fromkeys(("callback_settings", "langfuse_default_tags", "turn_off_message_logging", "json_logs"), _LOGS),
    **dict.fromkeys(
        ("set_verbose", "debug_level", "detailed_debug", "verbose"), "the logger `signalbox` of Python's logging"
    ),
    **dict.fromkeys(
        ("database_url", "database_connection_pool_limit", "database_connection_timeout", "store_model_in_db"),
        _DATABASE,
    ),
    **dict.fromkeys(("disable_spend_logs", "store_prompts_in_spend_logs", "proxy_batch_write_at"), _DATABASE),
    **dict.fromkeys(
        ("key_generation_settings", "custom_auth", "enable_jwt_auth", "litellm_jwtauth", "default_team_settings"), _KEYS
    ),
    **dict.fromkeys(
        ("default_internal_user_params", "upperbound_key_generate_params", "max_internal_user_budget"), _KEYS
    ),
    **dict.fromkeys(
        ("internal_user_budget_duration", "max_user_budget", "max_end_user_budget", "max_end_user_budget_id"),
        "a route or provider may have a budget for each user: budget: {usd: 5/d, by: user}",
    ),
    **dict.fromkeys(
        ("ui_access_mode", "ui_username", "ui_password"), "the dashboard is `signalbox dash`, without a login"
    ),
    **dict.fromkeys(("retry_policy", "model_group_retry_policy", "allowed_fails_policy"), _EACH_CODE),
    **dict.fromkeys(("base_model", "litellm_provider", "max_file_size_mb"), _COST_ONLY),
    **dict.fromkeys(
        ("background_health_checks", "health_check_interval", "health_check_model", "health_check_timeout"), _CHECKS
    ),
    **dict.fromkeys(("enable_health_check_routing", "disable_background_health_check"), _CHECKS),
    **dict.fromkeys(("guardrails", "prompt_guard", "policies"), _WORDS),
    **dict.fromkeys(
        ("mcp_servers", "mcp_aliases", "search_tools", "agents"), "Signalbox routes chat, embeddings and ranks"
    ),
    **dict.fromkeys(
        ("files_settings", "finetune_settings", "vector_store_registry", "pass_through_endpoints", "assistants_config"),
        "Signalbox routes chat, embeddings and ranks",
    ),
    **dict.fromkeys(
        ("alerting", "alerting_threshold", "alerting_args", "alert_types", "alert_to_webhook_url"),
        "alerts: go to webhooks, in Slack's form or as JSON (docs/howto/alerts.md)",
    ),
    **dict.fromkeys(
        ("enable_pre_call_checks", "optional_pre_call_checks"),
        f"{_ITSELF}: a prompt that is longer than a target's window goes to the next one",
    ),
    **dict.fromkeys(
        (
            "access_groups",
            "model_access_group",
            "team_id",
        ),
        "a client's `routes` under serve.keys say what it may ask for",
    ),
    **dict.fromkeys(("tags", "enable_tag_filtering", "tag_filtering_match_any"), _TAGS),
    "tag_budget_config": "a budget may be one for each value of a tag: budget: {usd: 5/d, by: tag.NAME}",
    **dict.fromkeys(
        ("max_fallbacks", "polling_interval", "client_ttl", "routing_strategy_args", "default_priority"),
        "no such bound here: a chain is tried to its end, within timeout.total and retry.max_attempts",
    ),
    **dict.fromkeys(
        ("max_budget", "budget_limit", "budget_duration", "time_period", "provider_budget_config"),
        "a budget here has a period, and is a provider's, a route's or a client's: budget: $20/d under one of them",
    ),
    **dict.fromkeys(("supported_call_types", "type", "max_connections", "redis_flush_size"), "of no effect here"),
    **dict.fromkeys(
        ("similarity_threshold", "redis_semantic_cache_embedding_model", "qdrant_semantic_cache_embedding_model"),
        "no cache by similarity: identical requests alone are answered from it",
    ),
    **dict.fromkeys(
        ("redis_startup_nodes", "sentinel_nodes", "service_name", "sentinel_password"),
        "write redis+cluster://… or redis+sentinel://… as shared.url (docs/shared.md)",
    ),
    **dict.fromkeys(("cache_responses", "caching_groups"), "the cache is a policy of routes: cache: {ttl: 1h}"),
    "enable_json_schema_validation": f"{_ITSELF}: an answer that its response_format does not admit is invalid_output",
    "disable_cooldowns": "breaker: {consecutive: 1000, min_calls: 1000} hardly ever opens",
    "custom_llm_provider": "the provider's kind says it",
    "mock_response": "kind: fake answers by script, in tests",
    "use_in_pass_through": "Signalbox routes chat, embeddings and ranks",
    "completion_model": 'a model that is not said is an error; serve: {names: {"*": ROUTE}} takes all names',
    "infer_model_from_keys": "providers are those of the file",
    "forward_client_headers_to_llm_api": "serve: {forward: {headers: [NAME]}} names those that go on",
    "max_request_size_mb": "serve: {max_body: 32MB}",
    "max_response_size_mb": "answers are bounded by cache.max_entry in the cache alone",
    "enforce_user_param": "no such rule here",
    "disable_end_user_cost_tracking": "of no effect here",
    "redact_user_api_key_info": f"{_ITSELF}: a key never shows",
    "cache_control_injection_points": "prompt_cache: auto sets the marks",
    "logit_bias": "params: {extra_body: {…}}",
    "tool_choice": "it comes with each call, or under params",
    "credential_list": "of no effect here: no model uses it",
    "force_ipv4": "of no effect here",
    "telemetry": "Signalbox sends none",
}
_UNKNOWN = "it has no counterpart here that the import knows"
# Keys that are mapped, where their value is understood.
_MAPPED = frozenset(
    (
        *(
            "rpm",
            "tpm",
            "max_parallel_requests",
            "global_max_parallel_requests",
            "weight",
            "order",
            "ttl",
            "routing_strategy",
        ),
        *("timeout", "stream_timeout", "request_timeout", "num_retries", "max_retries", "retry_after", "allowed_fails"),
        *("cooldown_time", "temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "presence_penalty"),
        *(
            "frequency_penalty",
            "reasoning_effort",
            "thinking",
            "response_format",
            "max_input_tokens",
            "parallel_tool_calls",
        ),
        *("max_output_tokens", "input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"),
        *("cache_creation_input_token_cost", "supports_function_calling", "supports_parallel_function_calling"),
        *("supports_vision", "supports_response_schema", "supports_native_streaming", "supports_reasoning"),
        *(
            "cache_creation_input_token_cost_above_1hr",
            "supports_prompt_caching",
            "redis_ssl",
            "ssl",
            "api_key",
            "api_base",
        ),
    )
)


def why(key: str) -> str:
    """What is said of a key that was not mapped."""
    return WITHOUT.get(key) or ("its value is not understood: write it by hand" if key in _MAPPED else _UNKNOWN)
