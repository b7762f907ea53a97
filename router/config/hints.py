"""What to write in place of a key that the language has not, or not there: the words of other tools, wrong places."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import PurePath
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from router.config.foreign_words import FOREIGN
from router.config.param_forms import known_params
from router.config.schema import RoutesFile
from router.config.when_schema import NEEDED
from router.config.yaml_reader import Node

# Where the keys of a section stand, for people; "*" is a name or a number.
_PLACES = {
    "": "the top of the file",
    "defaults": "defaults",
    "providers.*": "a provider",
    "models.*": "a model (under models)",
    "models.*.capabilities": "capabilities of a model",
    "models.*.price": "price of a model",
    "routes.*": "a route",
    "routes.*.targets.*": "a target, as targets: [{model: …}]",
    "routes.*.fallbacks.*": "a fallback, as fallbacks: [{to: …}]",
    "cache": "cache at the top of the file",
    "telemetry": "telemetry",
    "shared": "shared",
    "serve": "serve",
    "serve.keys.*": "a client's key under serve",
}

_USUAL = ("", "providers.*", "models.*", "routes.*", "routes.*.targets.*")  # where a remedy is best written
_NAMED = ("providers", "models", "routes", "keys")
_EXAMPLE = r"<([^<>]+)>"

_OTHER_CACHES = ("type", "kind", "backend", "host", "port", "url", "redis", "redis_url", "password", "db")

# The same, in one section only: its whole place, or its last part.
_RESIDENCE = ("region", "regions", "data_region", "residency", "data_residency", "location", "zone", "retention")
_HERE: Mapping[tuple[str, str], str] = {
    **{
        (owner, name): "labels: {region: eu}" for owner in ("providers.*", "models.*") for name in (*_RESIDENCE, "tags")
    },
    **{
        (owner, name): "require: {region: eu}"
        for owner in ("routes.*", "serve.keys.*")
        for name in (*_RESIDENCE, "labels", "requires", "constraints", "must")
    },
    ("providers.*", "region"): "labels: {region: eu}, or the base_url of the region",
    ("providers.*", "model"): "it in a route, as PROVIDER/MODEL: routes: {chat: openai/gpt-6-luna}",
    ("providers.*", "models"): "them in routes, as PROVIDER/MODEL: routes: {chat: openai/gpt-6-luna}",
    ("providers.*", "key"): FOREIGN["key"],
    ("providers.*", "name"): "it as the key: providers: {NAME: {kind: …}}",
    ("providers.*", "provider"): "kind: openai (or anthropic, ollama)",
    ("models.*", "model"): "id: …",
    ("models.*", "name"): "id: …",
    ("models.*", "max_tokens"): "params: {max_tokens: <1000>}, or capabilities: {max_output_tokens: <1000>}",
    ("routes.*", "model"): "targets: [PROVIDER/MODEL]",
    ("routes.*", "target"): "targets: [PROVIDER/MODEL]",
    ("routes.*", "routes"): "targets: {NAME: 70, OTHER: 30}; a target may be a route",
    ("routes.*.targets.*", "route"): "model: NAME, which may be a route's too",
    ("routes.*.targets.*", "provider"): "model: PROVIDER/MODEL",
    ("routes.*.targets.*", "name"): "model: PROVIDER/MODEL",
    ("routes.*.targets.*", "id"): "model: PROVIDER/MODEL",
    ("routes.*.fallbacks.*", "model"): "to: PROVIDER/MODEL",
    **dict.fromkeys((("routes.*.when.*", name) for name in ("match", "condition", "where")), "if: {…}"),
    **dict.fromkeys(
        (("routes.*.when.*", name) for name in ("then", "target", "targets", "route", "model", "use")),
        "to: the name of a route or model",
    ),
    ("if", "to"): "it beside if: {if: {…}, to: …}",
    **dict.fromkeys((("if", name) for name in ("time", "at", "hour", "clock")), "hours: 22:00-06:00"),
    **dict.fromkeys((("if", name) for name in ("day", "weekday", "weekdays")), "days: mon-fri"),
    **dict.fromkeys((("if", name) for name in ("tz", "zone")), "timezone: Europe/Berlin"),
    **dict.fromkeys(
        (("if", name) for name in ("tokens", "prompt", "input_tokens", "length", "size")), 'prompt_tokens: "> 32k"'
    ),
    **dict.fromkeys((("if", name) for name in ("capabilities", "need", "requires", *NEEDED)), "needs: [tools, vision]"),
    **dict.fromkeys(
        (("if", name) for name in ("user", "end_user", "key", "client", "caller", "team", "metadata", "headers")),
        "tags: {tier: free}, which calls and clients' keys say",
    ),
    **dict.fromkeys(
        (
            ("alerts.*", name)
            for name in ("url", "webhook", "webhook_url", "address", "endpoint", "hook", "slack", "target")
        ),
        'to: "${ALERT_URL}"',
    ),
    **dict.fromkeys((("alerts.*", name) for name in ("event", "when", "if", "type", "trigger")), "on: breaker_open"),
    **dict.fromkeys((("alerts.*", name) for name in ("threshold", "over", "more_than", "limit")), "above: <5>%"),
    **dict.fromkeys((("health", name) for name in ("interval", "period", "frequency")), "every: <30>s"),
    **dict.fromkeys(
        (("health", name) for name in ("url", "endpoint", "uri", "route")), "path: /health, at the base_url's host"
    ),
    **dict.fromkeys((("shadow", name) for name in ("target", "targets", "model", "route")), "to: PROVIDER/MODEL"),
    **dict.fromkeys(
        (("shadow", name) for name in ("percent", "percentage", "rate", "weight", "sample", "sample_rate")),
        "share: <5>%",
    ),
    **dict.fromkeys((("budget", name) for name in ("amount", "limit", "max", "daily", "cost")), "usd: <20>/d"),
    **dict.fromkeys(
        (("budget", name) for name in ("per", "for", "each", "scope")), "by: user (a period stands in usd: 20/d)"
    ),
    **dict.fromkeys(
        (("budget", name) for name in ("period", "window", "interval", "every", "duration")), "it in usd, as usd: 20/d"
    ),
    **dict.fromkeys((("log", name) for name in ("retention", "days", "max_age", "keep_days")), "keep: <30>d"),
    **dict.fromkeys((("log", name) for name in ("folder", "dir", "directory", "file")), "path: /var/log/signalbox"),
    ("timeout", "request"): "total: <30>s",
    ("timeout", "stream"): "first_token: <30>s",
    ("retry", "max"): "max_attempts: <3>",
    ("retry", "delay"): "backoff: 250ms",
    ("breaker", "threshold"): "consecutive: <5>",
    ("breaker", "timeout"): "open_for: <10>s",
    ("breaker", "failures"): "consecutive: <5>",
    ("", "host"): "serve: {listen: 127.0.0.1:8080}",
    **{
        ("serve", name): "listen: 127.0.0.1:8080" for name in ("host", "hostname", "ip", "interface", "url", "base_url")
    },
    **{("cache", name): "the cache that all share as shared: {url: ${REDIS_URL}}" for name in _OTHER_CACHES},
    **{
        ("", name): f"x-{name}, where it is there for its anchor (&name)"
        for name in ("base", "common", "shared_config")
    },
    ("", "targets"): "them under a route: routes: {chat: {targets: […]}}",
    ("", "model"): "it in a route: routes: {chat: openai/gpt-6-luna}",
    ("", "fallbacks"): "them under a route: routes: {chat: {targets: […], fallbacks: […]}}",
}

# What a mapping looks like, for those who wrote something else.
_LOOKS_LIKE: Mapping[str, str] = {
    "providers": '{openai: {kind: openai, api_key: "${OPENAI_API_KEY}"}}',
    "providers.*": '{kind: openai, api_key: "${OPENAI_API_KEY}"}',
    "models": "{mini: {provider: openai, id: gpt-6-luna}}",
    "models.*": "{provider: openai, id: gpt-6-luna}",
    "routes": "{chat: openai/gpt-6-luna}",
    "routes.*": "{targets: [openai/gpt-6-luna]}",
    "retry": "{max_attempts: <3>}",
    "breaker": "{consecutive: <3>, open_for: 10s}",
    "routes.*.cache": "{ttl: 1h}",
    "defaults.cache": "{ttl: 1h}",
    "cache": "{path: /var/cache/signalbox}",
    "if": "{tags: {tier: free}}",
    "tls": "{cert: server.pem, key: server.key}",
    "hedge": "{after: 2s}",
    "limits": "{requests: <500>/min}",
    "labels": "{region: eu}",
    "require": "{region: eu}",
    "log": "{path: logs, keep: 7d}",
    "shadow": "{to: PROVIDER/MODEL, share: 5%}",
    "price": "{input: 1.25, output: 10}, in US dollars per million tokens",
    "capabilities": "{vision: true}",
    "params": "{max_tokens: 1000}",
    "headers": "{X-Team: search}",
    "telemetry": "{monitor: off}",
    "serve": "{listen: 127.0.0.1:8080}",
    "shared": '{url: "${REDIS_URL}"}',
    "defaults": "{timeout: 30s}",
    "routes.*.targets.*": "{model: PROVIDER/MODEL, weight: 70}",
    "routes.*.fallbacks.*": "{targets: [PROVIDER/MODEL, PROVIDER/MODEL]} where several share load",
    "serve.keys": '{alice: "${SB_KEY_ALICE}"}',
    "serve.keys.*": '{key: "${SB_KEY}", routes: [chat]}; its key alone, "${SB_KEY}", will do too',
    "serve.names": '{"claude-*": chat}',
    "serve.anonymous": "{routes: [chat]}",
    "tags": "{tier: free}",
    "accept": "{not_empty: true}",
    "batch": "{wait: 5ms, most: 64}",
    "timeout": "{total: 30s}",
    "health": "{every: 30s, path: /health}",
    "embeds": "{dimensions: 1536}",
    "metrics": "{listen: 127.0.0.1:9180}",
    "forward": "{headers: [x-request-id]}",
    "client_cert": "{cert: client.pem, key: client.key}",
    "alerts": '[{on: breaker_open, for: 1m, to: "${ALERT_URL}"}]',
    "alerts.*": '{on: breaker_open, for: 1m, to: "${ALERT_URL}"}',
    "alerts.*.on": "breaker_open",
    "alerts.*.to": '"${ALERT_URL}"',
    "providers.*.kind": "openai (or anthropic, ollama)",
    "models.*.provider": "the name of one, as under providers",
    "models.*.id": "gpt-6-luna",
    "to": "PROVIDER/MODEL",
    "usd": "20/d",
}

# What others call the ways to balance.
BALANCES: Mapping[str, str] = {
    **dict.fromkeys(("round_robin", "round-robin", "random", "simple-shuffle", "shuffle"), "weighted"),
    **dict.fromkeys(
        ("latency", "fastest", "lowest_latency", "latency-based-routing", "least-latency"), "least_latency"
    ),
    **dict.fromkeys(("least-busy", "least_conn", "least_connections", "usage-based-routing"), "least_busy"),
    **dict.fromkeys(("cost", "price", "lowest_cost", "cost-based-routing", "cheap"), "cheapest"),
    **dict.fromkeys(("priority", "failover", "sequential", "order", "first", "fallback"), "ordered"),
    **dict.fromkeys(("sticky", "hash", "session", "consistent_hash", "ip_hash"), "affinity"),
}


# Files of other tools: keys of their top level, and what makes a routes.yaml of one. {file} and {made} are names.
_FILES: Mapping[str, tuple[frozenset[str], str]] = {
    "LiteLLM": (
        frozenset(("model_list", "litellm_settings", "router_settings", "general_settings")),
        "signalbox import litellm {file} -o {made}",
    ),
}


def whose_file(root: Node, name: str) -> str:
    """Return what a file of another tool is, and what makes a routes.yaml of it; "" for any other file.

    Args:
        name: of the file.
    """
    keys = root.value.keys() if isinstance(root.value, dict) else ()
    if "providers" in keys or "routes" in keys:
        return ""
    tool = next((tool for tool, (its_own, _) in _FILES.items() if not its_own.isdisjoint(keys)), None)
    if tool is None:
        return ""
    made = "routes.yaml" if PurePath(name).name != "routes.yaml" else "signalbox.yaml"
    command = _FILES[tool][1].format(file=shlex.quote(name), made=made)
    return f"this is a {tool} config; `{command}` makes a routes.yaml of it"


def hint(path: tuple[str | int, ...], name: str, value: Node) -> str:
    """Return what to write in place of a key that is not known here; "" where that can't be told.

    Args:
        path: of the section that has it.
        value: what stands there; only a number of it is repeated.
    """
    here, known = _place(path), _sections()
    if here not in known and f"{here}.*" in known:  # one alone, of what is a list
        here += ".*"
    words = _HERE.get((here, name)) or _HERE.get((here.rpartition(".")[2], name))
    if words:
        return f": write {_filled(words, value)}"
    if name in known_params() and not here.endswith(".if"):
        where = "" if here in ("models.*", "routes.*", "routes.*.targets.*") else "it at a model or route, as "
        return f": write {where}params: {{{name}: {_number(value) or '…'}}}"
    for key in known.get(here, ()):  # in a section of this one
        if name in known.get(f"{here}.{key}".lstrip("."), ()):
            return f": it belongs under {key}, as {key}: {{{name}: …}}"
    places = [
        words
        for section, words in _PLACES.items()
        if name in known.get(section, ()) and (section != "serve.keys.*" or here.startswith("serve"))
    ]
    if places and (name not in FOREIGN or here == ""):
        return f": it belongs to {_either(places)}"
    return _translated(_filled(FOREIGN[name], value), here) if name in FOREIGN else ""


def example(path: tuple[str | int, ...], value: Node) -> str:
    """Return what the mapping at a place looks like, for one who wrote something else; "" where that is not known."""
    here = _place(path)
    name = here.rpartition(".")[2]
    words = _LOOKS_LIKE.get(here) or _LOOKS_LIKE.get(name)
    return f", such as {'' if name == '*' else name + ': '}{_filled(words, value)}" if words else ""


def _translated(words: str, here: str) -> str:
    """The sentence, with where its key belongs if that is not here."""
    key, known = words.partition(":")[0], _sections()
    if here.rpartition(".")[2] == key:
        return f": write {words.removeprefix(f'{key}: {{').removesuffix('}')}"
    if key in known.get(here, ()):
        return f": write {words}"
    if here in known and here not in _PLACES:
        return ""  # it has few keys of its own, which say more
    places = [where for section, where in _PLACES.items() if key in known.get(section, ()) and section in _USUAL]
    return f": write {words}" + (f", at {_either(places)}" if places else "")


def _either(places: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(places[:-1][:3]), places[-1])))


def _place(path: tuple[str | int, ...]) -> str:
    return ".".join("*" if _is_name(path, number) else str(part) for number, part in enumerate(path))


def _filled(words: str, value: Node) -> str:
    """The words with the number that was written, or else with their example."""
    return re.sub(_EXAMPLE, lambda example: _number(value) or example[1], words)


def _number(value: Node) -> str:
    """The number that was written, which may be dollars; "" for anything else."""
    found = re.fullmatch(r"\$?([0-9]+(?:\.[0-9]+)?)", str(value.value))
    return found[1] if found else ""


def _is_name(path: tuple[str | int, ...], place: int) -> bool:
    """Whether a part of a path is a name or a number that the file's author chose."""
    if isinstance(path[place], int):
        return True
    return place > 0 and path[place - 1] in _NAMED and (place == 1 or path[:place] == ("serve", "keys"))


@cache
def _sections() -> Mapping[str, tuple[str, ...]]:
    """The keys of every section of the language, by its place."""
    return dict(_walk(RoutesFile, ""))


def _walk(model: type[BaseModel], place: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    keys = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    yield place, tuple(keys)
    for name, annotation in keys.items():
        for inner, is_named in _models_in(annotation):
            yield from _walk(inner, f"{place}.{name}{'.*' if is_named else ''}".lstrip("."))


def _models_in(annotation: Any) -> Iterator[tuple[type[BaseModel], bool]]:
    """The sections that a key may have, and whether they are in a mapping of names or a list."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, False
    elif origin is dict:
        yield from ((model, True) for model, _ in _models_in(arguments[1]))
    elif origin is tuple:
        yield from ((model, True) for model, _ in _models_in(arguments[0]))
    elif origin in (Annotated, Union, UnionType):
        yield from (found for argument in arguments for found in _models_in(argument))
