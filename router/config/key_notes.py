"""What editors show of a key of routes.yaml beside its description: its default, and examples of what to write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from router.config import units
from router.config.policies import BUILT_IN

_POLICIES = {
    "TimeoutPolicy": "timeout",
    "RetryPolicy": "retry",
    "BreakerPolicy": "breaker",
    "LimitsPolicy": "limits",
    "HedgePolicy": "hedge",
    "CachePolicy": "cache",
    "AcceptPolicy": "accept",
}
_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

_OF_FILE = "as of the file's defaults"

# Where the form of a value has none, or poor ones.
_EXAMPLES: Mapping[str, list[Any]] = {
    "RoutesFile.version": [1],
    "RoutesFile.defaults": [{"timeout": {"first_token": "10s"}, "retry": {"same_target": 1}}],
    "RoutesFile.providers": [{"openai": {"kind": "openai", "api_key": "${OPENAI_API_KEY}"}}],
    "RoutesFile.models": [{"fast": "openai/gpt-6-luna"}, {"fast": {"provider": "openai", "id": "gpt-6-luna"}}],
    "RoutesFile.routes": [{"chat": {"targets": ["openai/gpt-6-luna"], "fallbacks": ["anthropic/claude-haiku-5-5"]}}],
    "RoutesFile.include": ["teams/*.yaml", ["providers.yaml", "teams/*.yaml"]],
    "RoutesFile.alerts": [[{"on": "breaker_open", "for": "1m", "to": "${ALERT_URL}"}]],
    "AlertConfig.above": ["80%", "8s"],
    "AlertConfig.for": ["0s", "1m", "5m"],
    "AlertConfig.every": ["10m", "1h"],
    "AlertConfig.route": ["chat"],
    "AlertConfig.provider": ["openai"],
    "RoutesFile.serve": [{"listen": "127.0.0.1:4180", "keys": {"alice": "${SB_KEY_ALICE}"}}],
    "RoutesFile.shared": [{"url": "${REDIS_URL}", "share": ["limits", "holds", "breakers"]}],
    "BatchPolicy": [{"wait": "5ms", "most": 64}],
    "BatchPolicy.wait": ["5ms"],
    "BatchPolicy.most": [64],
    "BatchPolicy.parallel": [4],
    "EmbedsConfig.dimensions": [1536],
    "EmbedsConfig.max_inputs": [96, 2048],
    "EmbedsConfig.max_tokens": [512, 8192],
    "EmbedsConfig.max_request_tokens": ["300k"],
    "EmbedsConfig.same_as": ["small"],
    "ModelConfig.embeds": [True, {"dimensions": 1536, "max_inputs": 96}, {"same_as": "small"}],
    "ProviderConfig.labels": [{"region": "eu", "retention": "none"}],
    "ModelConfig.labels": [{"region": "eu"}],
    "RouteConfig.require": [{"region": "eu"}, {"region": ["eu", "uk"], "retention": "none"}],
    "ClientKeyConfig.require": [{"region": "eu"}],
    "ClientKeyConfig.own_keys": [["openai"], True],
    "RouteConfig.batch": [{"wait": "5ms", "most": 64}],
    "RouteConfig.when": [[{"if": {"tags": {"tier": "free"}}, "to": "cheap"}]],
    "RuleConfig.if": [{"prompt_tokens": "> 32k"}, {"hours": "22:00-06:00", "timezone": "Europe/Berlin"}],
    "RuleConfig.to": ["cheap", "openai/gpt-6-luna"],
    "Condition.tags": [{"tier": "free"}, {"tier": ["free", "trial"], "team": "search"}],
    "BreakerPolicy": [{"consecutive": 3, "open_for": "30s"}],
    "BreakerPolicy.min_calls": [10, 20],
    "BreakerPolicy.consecutive": [5, 3],
    "BreakerPolicy.probes": [1, 2],
    "BreakerPolicy.slow_call": [{"threshold": "20s", "rate": "50%"}],
    "CachePolicy.fallback_ttl": ["1m", "5m", 0],
    "CachePolicy.stale_if_error": [True, "1h", "1d"],
    "CachePolicy.namespace": ["v2"],
    "BudgetPolicy": ["$20/d", {"usd": "5/d", "by": "user"}],
    "CacheStore.path": ["/var/cache/my-app"],
    "CapabilitiesConfig.max_output_tokens": ["8k", "32k"],
    "ClientCertificateConfig.cert": ["/etc/ssl/client.pem"],
    "ClientCertificateConfig.key": ["/etc/ssl/client.key"],
    "ClientCertificateConfig.password": ["${CLIENT_KEY_PASSWORD}"],
    "ClientKeyConfig.sha256": [_DIGEST],
    "ClientKeyConfig.key": ["${SB_KEY_ALICE}", "${file:/run/secrets/alice}"],
    "ClientKeyConfig.namespace": ["team-a"],
    "ClientKeyConfig.budget": ["$20/d", {"usd": "5/d", "by": "user"}],
    "ClientKeyConfig.tags": [{"tier": "free"}],
    "ClientKeyConfig.limits": [{"requests": "60/min", "in_flight": 8}],
    "Defaults.timeout": ["30s", {"first_token": "10s", "answer": "1m"}],
    "Defaults.hedge": [True, "500ms", {"after": "p95", "budget": "5%"}],
    "Defaults.cache": ["1h", {"ttl": "1h", "stale_if_error": "1d"}],
    "Fallback.to": ["local", "anthropic/claude-haiku-5-5"],
    "Fallback.on": ["rate_limited", ["overloaded", "timeout"]],
    "Fallback.targets": [["fast", "smart"], {"fast": "70%", "smart": "30%"}],
    "HedgePolicy.max": [1, 2],
    "HedgePolicy.budget": ["5%", "10%"],
    "KeyConfig.key": ["${OPENAI_API_KEY}"],
    "KeyConfig.entra": ["default", {"client_id": "${AZURE_CLIENT_ID}"}],
    "KeyConfig.google": ["default", {"file": "/run/secrets/vertex.json"}],
    "KeyConfig.aws": ["default", {"profile": "prod"}],
    "KeyConfig.command": [["gcloud", "auth", "print-access-token"], "vault read -field=key secret/openai"],
    "KeyConfig.ttl": ["10m", "1h"],
    "EntraConfig.scope": ["https://ai.azure.com/.default"],
    "EntraConfig.tenant_id": ["${AZURE_TENANT_ID}"],
    "EntraConfig.client_id": ["${AZURE_CLIENT_ID}"],
    "EntraConfig.client_secret": ["${AZURE_CLIENT_SECRET}"],
    "GoogleConfig.file": ["/run/secrets/vertex.json"],
    "GoogleConfig.scope": ["https://www.googleapis.com/auth/cloud-platform"],
    "AwsConfig.profile": ["prod"],
    "AwsConfig.region": ["eu-central-1"],
    "AwsConfig.service": ["bedrock", "bedrock-mantle"],
    "LimitsPolicy.requests": ["500/min", ["60/min", "1000/d"]],
    "LimitsPolicy.tokens": ["200k/min", ["200k/min", "5M/d"]],
    "LimitsPolicy.in_flight": [8, 64],
    "MetricsConfig.listen": ["127.0.0.1:9180"],
    "Defaults.limits": [{"requests": "500/min", "tokens": "200k/min"}],
    "ModelConfig.limits": [{"requests": "500/min", "tokens": "200k/min"}],
    "ModelConfig.timeout": ["2m", {"first_token": "5m"}],
    "ModelConfig.provider": ["openai"],
    "ModelConfig.id": ["gpt-6-luna"],
    "ModelConfig.params": [{"max_tokens": 1000, "temperature": 0.2}],
    "ModelConfig.context_window": ["128k", "1M"],
    "PriceConfig.input": [0.25],
    "PriceConfig.output": [2],
    "PriceConfig.cache_read": [0.025],
    "PriceConfig.cache_write": [0.3125],
    "PriceConfig.cache_write_1h": [0.5],
    "PriceConfig.like": ["openai/gpt-6-luna"],
    "ModelConfig.price": [{"input": 0.25, "output": 2}, "openai/gpt-6-luna"],
    "ProviderConfig.kind": ["openai", "anthropic", "ollama"],
    "ProviderConfig.base_url": ["https://api.groq.com/openai/v1", "http://localhost:8000/v1"],
    "ProviderConfig.api_key": ["${OPENAI_API_KEY}", "${file:/run/secrets/openai}", {"entra": "default"}],
    "ProviderConfig.api_keys": [["${OPENAI_KEY_1}", "${OPENAI_KEY_2}"]],
    "ProviderConfig.headers": [{"X-Title": "my app"}],
    "ProviderConfig.verify": [True, "/etc/ssl/corporate.pem"],
    "ProviderConfig.client_cert": ["/etc/ssl/client.pem"],
    "ProviderConfig.unix_socket": ["/run/vllm.sock"],
    "ProviderConfig.dialect": ["deepseek", "vllm"],
    "ProviderConfig.version": ["2023-06-01"],
    "ProviderConfig.num_ctx": ["8k", "32k"],
    "ProviderConfig.options": [{"region": "eu"}],
    "ProviderConfig.budget": ["$20/d", {"usd": "300/month", "resets": 15, "timezone": "Europe/Berlin"}],
    "ProviderConfig.timeout": ["2m", {"first_token": "5m"}],
    "ProviderConfig.errors": [[{"status": 409, "code": "overloaded"}, {"text": "queue full", "code": "rate_limited"}]],
    "ProviderConfig.health": ["30s", True, {"every": "1m"}],
    "ProviderConfig.limits": [{"requests": "500/min", "tokens": "200k/min"}],
    "RetryPolicy.max_attempts": [4, 6],
    "RetryPolicy.budget": ["20%", "10%"],
    "RouteConfig.targets": ["fast", ["fast", "smart"], {"fast": 70, "smart": 30}],
    "RouteConfig.fallbacks": [["anthropic/claude-haiku-5-5"], [{"to": "local", "on": "rate_limited"}]],
    "RouteConfig.params": [{"temperature": 0, "max_tokens": 500}],
    "RouteConfig.limits": ["60/min", {"requests": "60/min", "in_flight": 8}],
    "RouteConfig.budget": ["$20/d", {"usd": "5/d", "by": "user"}],
    "RouteConfig.timeout": ["30s", {"first_token": "10s", "answer": "1m"}],
    "RouteConfig.hedge": [True, "500ms", {"after": "p95", "budget": "5%"}],
    "RouteConfig.cache": ["1h", {"ttl": "1h", "stale_if_error": "1d"}],
    "RouteConfig.shadow": ["candidate", {"to": "candidate", "share": "5%", "budget": "$2/d"}],
    "ShadowPolicy.to": ["candidate", "openai/gpt-6-luna"],
    "ShadowPolicy.budget": ["$2/d"],
    "ShadowPolicy.in_flight": [8],
    "ServeConfig.keys": [{"alice": "${SB_KEY_ALICE}"}],
    "ServeConfig.anonymous": [{}, {"routes": ["chat"]}],
    "ServeConfig.names": [{"claude-haiku-*": "fast", "gpt-*": "chat"}],
    "ServeConfig.listed": [["claude-sonnet-5"]],
    "ServeConfig.tags": [["tier", "team"]],
    "ServeConfig.in_flight": [64, 512],
    "ServeConfig.max_connections": [1000],
    "ServeConfig.drain": ["30s", "2m"],
    "ServeConfig.lead": ["0s", "5s"],
    "ServeConfig.workers": [1, 4],
    "SharedConfig.app": ["shop"],
    "SharedConfig.secret": ["${SIGNALBOX_SECRET}"],
    "SharedConfig.share": [["limits"], ["limits", "holds", "breakers", "budgets"]],
    "SharedConfig.host": ["web-1"],
    "SharedConfig.lease": ["2s"],
    "SharedConfig.timeout": ["250ms"],
    "SharedConfig.shards": [1, 16],
    "TargetRef.model": ["fast", "openai/gpt-6-luna"],
    "TargetRef.params": [{"temperature": 0.2}],
    "Telemetry.monitor": ["auto", "off", "/run/my-app/signalbox.sock"],
    "Telemetry.log": [{}, {"path": "/var/log/signalbox", "keep": "30d", "max_size": "2GB"}],
    "HealthPolicy.path": ["/health"],
    "LogConfig.path": ["/var/log/signalbox"],
    "LogConfig.keep": ["7d", "30d"],
    "TlsConfig.cert": ["/etc/ssl/gateway.pem"],
    "TlsConfig.key": ["/etc/ssl/gateway.key"],
}

# What holds where a key is left out, in words: it is no value that could be written.
_ABSENT: Mapping[str, str] = {
    "RoutesFile.cache": "the user's cache folder",
    "RoutesFile.telemetry": "a socket for dashboards, and no prompts",
    "RoutesFile.shared": "each process by itself",
    "RoutesFile.serve": "127.0.0.1:4180, without keys",
    "AlertConfig.above": "80% of a budget; what else has one says it",
    "AlertConfig.route": "of all",
    "AlertConfig.provider": "of all",
    "AlertConfig.form": "slack where the address is Slack's, else json",
    "BatchPolicy.wait": "it waits for nobody",
    "BreakerPolicy.slow_call": "slow calls are no failures",
    "BudgetPolicy.by": "one for all",
    "BudgetPolicy.timezone": "UTC",
    "BudgetPolicy.resets": "at midnight, on Monday, on the 1st",
    "CachePolicy.ttl": "no answer is kept",
    "CachePolicy.stale_if_error": "an expired answer is not served",
    "CachePolicy.namespace": "none, all of a file share their answers",
    "CapabilitiesConfig": "as known of the model, else unknown",
    "ClientCertificateConfig.key": "it is in `cert`",
    "ClientCertificateConfig.password": "the key is not locked",
    "ClientKeyConfig.key": "`sha256` says which",
    "ClientKeyConfig.sha256": "`key` says which",
    "ClientKeyConfig.budget": "no bound",
    "Defaults.hedge": "no second call",
    "EmbedsConfig": "as known of the model, else unknown",
    "EmbedsConfig.max_inputs": "as known of the vendor, else 2048",
    "EmbedsConfig.same_as": "its vectors are those of models of the same id",
    "Defaults.cache": "no answer is kept",
    "Fallback.targets": "`to` says who",
    "Fallback.to": "`targets` says who",
    "Fallback.balance": _OF_FILE,
    "HedgePolicy.after": "no second call",
    "KeyConfig": "another of these is written",
    "KeyConfig.ttl": "until the vendor refuses it",
    "EntraConfig.scope": "https://cognitiveservices.azure.com/.default",
    "EntraConfig.tenant_id": "as azure-identity finds it",
    "EntraConfig.client_id": "as azure-identity finds it",
    "EntraConfig.client_secret": "an identity without a secret of the file",
    "GoogleConfig.file": "Application Default Credentials",
    "GoogleConfig.scope": "https://www.googleapis.com/auth/cloud-platform",
    "AwsConfig.profile": "AWS_PROFILE, or the default one",
    "AwsConfig.region": "that of base_url, else AWS_REGION, else the profile's",
    "AwsConfig.service": "by the host: bedrock, or bedrock-mantle",
    "LimitsPolicy": "no bound",
    "ModelConfig.embeds": "it answers",
    "ModelConfig.reranks": "it answers",
    "ModelConfig.price": "as known of the model, else unknown",
    "ModelConfig.context_window": "as known of the model, else unknown",
    "PriceConfig.input": "unknown",
    "PriceConfig.output": "unknown",
    "PriceConfig.cache_read": "the price of `input`",
    "PriceConfig.cache_write": "the price of `input`",
    "PriceConfig.cache_write_1h": "1.6 times `cache_write`",
    "PriceConfig.like": "as no other model",
    "ProviderConfig.base_url": "the vendor's own",
    "ProviderConfig.api_key": "none is sent",
    "ProviderConfig.api_keys": "`api_key` alone",
    "ProviderConfig.proxy": "as the environment says",
    "ProviderConfig.client_cert": "none",
    "ProviderConfig.unix_socket": "TCP to base_url",
    "ErrorRule.status": "any status",
    "ErrorRule.text": "any text",
    "ProviderConfig.api": "chosen per model",
    "ProviderConfig.dialect": "by the host of base_url",
    "ProviderConfig.version": "2023-06-01",
    "ProviderConfig.num_ctx": "the server's own",
    "ProviderConfig.keep_alive": "the server's own",
    "ProviderConfig.budget": "no bound",
    "ProviderConfig.health": "it is not asked",
    "ProviderConfig.prompt_cache": _OF_FILE,
    "ModelConfig.prompt_cache": "as its provider has it",
    "RouteConfig.prompt_cache": "as its models have it",
    "RouteConfig.balance": _OF_FILE,
    "RouteConfig.hedge": _OF_FILE,
    "RouteConfig.cache": _OF_FILE,
    "RouteConfig.on_stream_break": _OF_FILE,
    "RouteConfig.budget": "no bound",
    "RouteConfig.shadow": "no copies",
    "ShadowPolicy.budget": "no bound",
    "RouteConfig.embeds": "it answers",
    "RouteConfig.reranks": "it answers",
    "RouteConfig.batch": "each request by itself",
    "RuleConfig.if": "it always holds",
    "Condition": "anything",
    "HealthPolicy.path": "its list of models is asked for",
    "LogConfig.path": "a folder of its own in the user's state folder",
    "Telemetry.log": "none",
    "ServeConfig.anonymous": "all routes where there are no `keys`, else nobody is let in",
    "ServeConfig.listed": "none",
    "ServeConfig.tls": "plain HTTP",
    "ServeConfig.metrics": "none",
    "SharedConfig.secret": "none: fleet and cache can't be shared",
}
# Defaults that other places know.
_ELSEWHERE: Mapping[str, Any] = {
    "BatchPolicy.most": 64,
    "BatchPolicy.parallel": 4,
    "CacheStore.max_size": "1GB",
    "ServeConfig.audit": "off",
    "ServeConfig.forward": {},
    "ServeConfig.listen": "127.0.0.1:4180",
    "SharedConfig.single_flight": "off",
    "Telemetry.monitor": "auto",
    "Telemetry.capture": "off",
}


def annotate(schema: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    """Give each key of a schema examples, and a default: a value, or a sentence of its description.

    Args:
        schema: the whole schema; it is changed.
        defaults: what pydantic has as defaults, by `Section.key`.
    """
    sections = {**schema["$defs"], "RoutesFile": schema}
    for section, definition in sections.items():
        for name, node in definition.get("properties", {}).items():
            place = f"{section}.{name}"
            if "description" not in node:  # pydantic leaves out that of a section, where it says the same
                node["description"] = sections[node["$ref"].rpartition("/")[2]]["description"]
            node["examples"] = _examples(place, node, sections)
            if name not in definition.get("required", ()):
                _add_default(section, place, node, defaults.get(place))


def _add_default(section: str, place: str, node: dict[str, Any], default: Any) -> None:
    name = place.rpartition(".")[2]
    if place in _ELSEWHERE:
        node["default"] = _ELSEWHERE[place]
    elif section in _POLICIES and BUILT_IN[_POLICIES[section]][name] is not None:
        node["default"] = _written(BUILT_IN[_POLICIES[section]][name], node)
    elif section == "Defaults" and name in ("balance", "on_stream_break", "prompt_cache"):
        node["default"] = BUILT_IN[name][name]
    elif default is not None and place not in _ABSENT:
        node["default"] = _without_none(_written(default, node))
    if "default:" not in node["description"]:
        node["description"] += f" Default: {_in_words(section, place, node)}."


def _in_words(section: str, place: str, node: dict[str, Any]) -> str:
    """A default for people: editors show descriptions, but not all of them defaults."""
    value = node.get("default")
    if value is None:
        return _ABSENT.get(place) or _ABSENT[section]
    if value in ({}, []):
        of_file = section in ("ProviderConfig", "ModelConfig", "RouteConfig") and place.rpartition(".")[2] in BUILT_IN
        return _OF_FILE if of_file else "what is built in" if section == "Defaults" else "none"
    return value if isinstance(value, str) else json.dumps(value)


def _without_none(value: Any) -> Any:
    """A mapping without what is not written."""
    if not isinstance(value, dict):
        return value
    plain = {name: _without_none(inner) for name, inner in value.items()}
    return {name: inner for name, inner in plain.items() if inner not in (None, {})}


def _written(value: Any, node: dict[str, Any]) -> Any:
    """A value as the file says it."""
    form = str(node)
    value = int(value) if value == 1.0 and "number" in form else value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if "%$" in form:
        return units.format_percent(value)
    if "B$" in form:
        return units.format_size(int(value))
    return units.format_duration(value) if isinstance(value, float) and "number" not in form else value


def _examples(place: str, node: Any, sections: Mapping[str, Any]) -> list[Any]:
    """Those of the table, or of the form, or one made of the section's own keys."""
    if place in _EXAMPLES:
        return _EXAMPLES[place]
    found = _found("examples", node) or _found("enum", node)
    if found:
        return list(found)
    if "boolean" in str(node):
        return [True, False]
    reference = str(_found("$ref", node)).rpartition("/")[2]
    if reference in _EXAMPLES:
        return _EXAMPLES[reference]
    keys = list(sections[reference]["properties"].items())[:2]
    return [{name: _examples(f"{reference}.{name}", inner, sections)[0] for name, inner in keys}]


def _found(word: str, node: Any) -> Any:
    """What the node, or one of its alternatives, says by this word."""
    if word in node:
        return node[word]
    return next((value for choice in node.get("anyOf", ()) if (value := _found(word, choice))), None)
