"""The lists of models and the small questions of each protocol, answered out of the plan: no vendor is asked."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from providers.types import ModelCapabilities
from providers.wire import ollama_lists
from providers.wire.ollama_chat import plain_name
from providers.wire.reading import decode_body
from router.gateway.completion import Call
from router.gateway.errors import UnknownModel
from router.gateway.exchange import Answered, Asked, json_answer
from router.gateway.paths import What
from router.plan.requirements import can_be_met

_NUMBER = re.compile("[0-9]{1,9}")
_STARTED = time.time()  # what "created" says: nothing older is known of a route


async def answer_about_models(call: Call, what: What, path: str, asked: Asked) -> Answered:
    """Answer everything but questions to a model."""
    headers = dict(call.face.id_headers(call.ident))
    if what == "running":
        return Answered(200, ollama_lists.ROOT.encode(), {"content-type": "text/plain; charset=utf-8", **headers})
    if what == "manage":
        return json_answer(
            {"error": "this is a router: its models are those of its file, and it loads none"}, 501, headers
        )
    if what == "models":
        return json_answer(_models(call, path, asked), headers=headers)
    names = _listed(call)
    if what == "tags":
        return json_answer(ollama_lists.render_tags(names, _STARTED), headers=headers)
    if what == "ps":
        return json_answer(ollama_lists.render_ps(), headers=headers)
    if what == "version":
        return json_answer(ollama_lists.render_version(), headers=headers)
    return json_answer(_shown(call, decode_body(await asked.read(call.serving.max_body))), headers=headers)


def _listed(call: Call) -> tuple[str, ...]:
    """The names that a client is told of, but for those where its key's requirement leaves nobody."""
    names = call.serving.listed_for(call.client)
    return tuple(name for name in names if _is_there(call, name)) if call.client.require else names


def _is_there(call: Call, name: str) -> bool:
    route = call.serving.route_of(name, call.client)
    return route is not None and (not call.client.require or can_be_met(call.router.chain(route), call.client.require))


def _models(call: Call, path: str, asked: Asked) -> dict[str, Any]:
    names = _listed(call)
    is_anthropic = bool(asked.headers.get("anthropic-version"))
    _, _, one = path.partition("models/")
    if one:
        if one not in names and not _is_there(call, one):
            raise UnknownModel(one)
        return _anthropic(one) if is_anthropic else _openai(one)
    query = parse_qs(asked.query)
    if is_anthropic:
        return _page(names, query)
    listed: dict[str, Any] = {"object": "list", "data": [_openai(name) for name in names]}
    if "client_version" in query:  # Codex: it fails without this list, and keeps its own data where it is empty
        listed["models"] = []
    return listed


def _openai(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": int(_STARTED), "owned_by": "signalbox"}


def _anthropic(name: str) -> dict[str, Any]:
    created = datetime.fromtimestamp(_STARTED, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": name, "display_name": name, "created_at": created}


def _page(names: tuple[str, ...], query: dict[str, list[str]]) -> dict[str, Any]:
    after, limit = query.get("after_id", [""])[0], query.get("limit", ["20"])[0]
    start = names.index(after) + 1 if after in names else 0
    size = min(1000, max(1, int(limit))) if _NUMBER.fullmatch(limit) else 20
    shown = names[start : start + size]
    ends = {"first_id": shown[0] if shown else None, "last_id": shown[-1] if shown else None}
    return {"data": [_anthropic(name) for name in shown], "has_more": start + size < len(names), **ends}


def _shown(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    name = body.get("model") or body.get("name")
    route = call.route_of(plain_name(name) if isinstance(name, str) else "")
    chain = call.router.chain(route)
    if chain.makes == "embeddings":
        rules = chain.targets[0].embeds
        window, width = (None, None) if rules is None else (rules.max_tokens, rules.dimensions)
        return ollama_lists.render_show(
            ModelCapabilities(context_window=window), _STARTED, can=("embedding",), dimensions=width
        )
    if chain.makes == "ranks":
        return ollama_lists.render_show(ModelCapabilities(), _STARTED, can=("rerank",))
    first = [target.capabilities for tier in chain.tiers if tier.level == 0 for target in tier.targets]
    windows = [one.context_window for one in first if one.context_window]
    joint = ModelCapabilities(
        tools=_all(one.tools for one in first),
        vision=_all(one.vision for one in first),
        thinking=_all(one.thinking for one in first),
        context_window=min(windows, default=None),
    )
    return ollama_lists.render_show(joint, _STARTED)


def _all(can: Iterable[bool | None]) -> bool | None:
    """Whether all can; None where that is not known of some, and of none that it cannot."""
    known = set(can)
    return False if False in known else None if None in known else True
