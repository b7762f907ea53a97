"""`signalbox explain`: the engine's decisions, before any call."""

from __future__ import annotations

import json
from math import inf
from random import Random
from typing import Any

import click
import msgspec

from providers.coerce import coerce_request
from providers.errors import SignalboxError
from providers.types import CompletionRequest, Usage
from router.balance.balancer import BalanceContext
from router.balance.strategies import make_balancer
from router.cli.common import Failure, file_option, not_empty, valid_file, without_line_end
from router.cli.terminal import echo, echo_json
from router.config.reach import unreached
from router.config.units import format_duration
from router.engine.needs import Requirements, why_unfit
from router.engine.request import build_request, requirements_of
from router.plan.compile import compile_plan
from router.plan.plan import Chain, Plan
from router.plan.pricing import cost
from router.plan.target import Target
from router.router import Router
from router.state.states import States
from router.views.money import UNKNOWN, dollars

_WIDTH = 80  # characters of a part of the key that are shown


@click.command("explain")
@click.argument("route")
@click.argument("request_file", metavar="[FILE]", required=False)
@click.option("-p", "--prompt", help="The prompt, in place of a FILE.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@file_option
def command(route: str, request_file: str | None, prompt: str | None, as_json: bool, path: str) -> int:
    """Say who would answer a request to ROUTE, in which order and with what odds, and who not and why.

    FILE (or - for standard input) holds the request: a prompt as plain text, or JSON in the shape of OpenAI's
    chat completions. Nothing is sent.
    """
    router = Router(compile_plan(valid_file(path)))
    try:
        chain = router.chain(route)
        request = read_request(route, request_file, prompt)
    except (SignalboxError, TypeError) as error:
        raise Failure(str(error)) from None
    needs = requirements_of(request, streaming=True)
    balance_context = BalanceContext(
        states=States(Random(0)),  # a router that has just started: nobody is busy, slow or shut out
        now=0.0,
        rng=Random(0),
        prompt=needs.prompt_tokens,
        max_tokens=needs.max_tokens,
        affinity=needs.affinity,
    )
    tiers = [_tier(chain, tier_index, needs, request, balance_context) for tier_index in range(len(chain.tiers))]
    file = router.plan.file
    for number, names in (unreached(file, route, chain.max_attempts) if route in file.routes else {}).items():
        for offer in tiers[number]["offered"]:
            offer["unreached"] = offer["target"] in names
    cached = cache_of(chain, request, router.plan)
    if as_json:
        echo_json({"route": route, "revision": router.revision, "tiers": tiers, "cache": cached})
    else:
        _print_plan(route, router.revision, chain, tiers)
        if cached is not None:
            print_cache(cached)
    return 0


def cache_of(chain: Chain, request: CompletionRequest, plan: Plan) -> dict[str, Any] | None:
    """The route's cache policy and the parts of the request's key; None for a route that keeps no answers."""
    from router.cache.key import NotCacheable, cache_key, parts

    rules = chain.cache
    if rules is None:
        return None
    values: dict[str, Any] = {
        "ttl": rules.ttl,
        "fallback_ttl": rules.lasts(by_fallback=True) if len(chain.tiers) > 1 else None,
        "stale_for": rules.stale_for if rules.stale_for < inf else None,
        "shared": plan.shares_answers,
    }
    try:
        key = cache_key(request, chain.route, chain.answers, rules.namespace)
    except NotCacheable as error:
        return values | {"key": None, "why": str(error)}
    shown = {name: _short(value) for name, value in parts(request, chain.answers).items()}
    return values | {"key": key.digest, "namespace": json.loads(key.namespace), "parts": shown}


def _short(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def print_cache(cached: dict[str, Any]) -> None:
    """What `cache_of` found, for people."""
    kept, by_fallback = cached["ttl"], cached["fallback_ttl"]
    shorter = "" if by_fallback in (None, kept) else f"; {format_duration(by_fallback)} where a fallback stood in"
    echo(f"  cache: {format_duration(kept)}{shorter}{', shared by all machines' if cached['shared'] else ''}")
    if cached["key"] is None:
        echo(f"    no key: {cached['why']}")
        return
    echo(f"    key {cached['key'][:16]}… of")
    for name, value in cached["parts"].items():
        echo(f"      {name:<14} {value}")
    namespaces = [name for name in cached["namespace"] if name is not None]
    if namespaces:
        echo(f"      {'namespace':<14} {', '.join(namespaces)}")


def read_request(route: str, request_file: str | None, prompt: str | None) -> CompletionRequest:
    """The request of a file (plain text, or JSON of OpenAI's shape), or of a prompt; Failure when it is none."""
    if request_file is None:
        return build_request(route, prompt or "Hello", {})
    try:
        with click.open_file(request_file, encoding="utf-8") as opened:
            text = opened.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{request_file} can't be read: {error}", 2) from None
    if not text.lstrip().startswith("{"):
        return build_request(route, not_empty(without_line_end(text), "prompt"), {})
    try:
        body = json.loads(text)
    except ValueError as error:
        raise Failure(f"{request_file} is not JSON: {error}", 2) from None
    return msgspec.structs.replace(coerce_request(body), model=route)


def _tier(
    chain: Chain, tier_index: int, needs: Requirements, request: CompletionRequest, balance_context: BalanceContext
) -> dict[str, Any]:
    tier = chain.tiers[tier_index]
    eligible = [t for t in tier.targets if t.weight > 0 and why_unfit(t, needs, {}) is None]
    odds = make_balancer(tier.balance).shares(eligible, balance_context) if eligible else []
    offered = [
        {"target": target.name, "provider": target.provider, "model": target.model, "odds": round(share, 4)}
        | _cost_bounds(target, needs, request)
        | {"timeout": msgspec.to_builtins(target.timeout)}
        for target, share in odds
    ]
    skipped = []
    for target in tier.targets:
        why = ("weight 0", "") if target.weight <= 0 else why_unfit(target, needs, {})
        if why is not None:
            skipped.append({"target": target.name, "reason": why[0], "message": why[1]})
    on = None if tier.on is None else sorted(tier.on)
    return {"balance": tier.balance, "on": on, "offered": offered, "skipped": skipped}


def _cost_bounds(target: Target, needs: Requirements, request: CompletionRequest) -> dict[str, Any]:
    """USD, from the least the prompt can have to a token a byte and `max_tokens`; None is unknown."""
    price = target.capabilities.price
    most_out = request.max_tokens or target.params.get("max_tokens") or target.capabilities.max_output_tokens
    least = cost(price, Usage(input_tokens=needs.least_tokens, output_tokens=0))
    most = None
    if most_out is not None:
        size = len(msgspec.json.encode(request.messages))
        most = cost(price, Usage(input_tokens=size, output_tokens=most_out))
    return {"cost_least": least, "cost_most": most}


def _print_plan(route: str, revision: str, chain: Chain, tiers: list[dict[str, Any]]) -> None:
    echo(f"{route}  revision {revision}  (nothing is sent)")
    for number, tier in enumerate(tiers):
        when = "first" if number == 0 else "then" if tier["on"] is None else f"only on {', '.join(tier['on'])}"
        echo(f"  {when}  ({tier['balance']})" if len(tier["offered"]) > 1 else f"  {when}")
        for offer in tier["offered"]:
            where = f"{offer['provider']}/{offer['model']}"
            named = "" if offer["target"] == where else f"  {where}"
            late = "  never reached (retry.max_attempts)" if offer.get("unreached") else ""
            echo(f"    {offer['odds']:4.0%}  {offer['target']}{named}{_cost_text(offer)}{late}")
        for skip in tier["skipped"]:
            echo(f"     --   {skip['target']}  skipped: {skip['reason']}  {skip['message']}".rstrip())
        if not tier["offered"]:
            echo("     --   nobody here can serve this request")
    total = "no limit" if chain.total is None else f"{chain.total:g} s"
    echo(f"  at most {chain.max_attempts} attempts within {total}")
    offers = [offer for tier in tiers for offer in tier["offered"]]
    for text in dict.fromkeys(_timeout_text(offer) for offer in offers):
        names = [offer["target"] for offer in offers if _timeout_text(offer) == text]
        echo(f"  timeouts{'' if len(names) == len(offers) else ' of ' + ', '.join(names)}: {text}")


def _timeout_text(offer: dict[str, Any]) -> str:
    """Say how long each part of a call may take; `total` is the request's."""
    limits = {name: limit for name, limit in offer["timeout"].items() if name != "total"}
    return ", ".join(f"{name} {'off' if limit is None else format_duration(limit)}" for name, limit in limits.items())


def _cost_text(offer: dict[str, Any]) -> str:
    least, most = offer["cost_least"], offer["cost_most"]
    if least is None:
        return f"  cost {UNKNOWN}"
    return f"  {dollars(least, fine=True)} " + ("or more" if most is None else f"to {dollars(most, fine=True)}")
