"""`signalbox explain`: the engine's decisions, before any call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

import click
import msgspec
from msgspec.structs import replace

from providers.coerce import coerce_request
from providers.embeddings import AnyRequest
from providers.errors import ProviderError
from providers.printable import one_line
from providers.spelling import did_you_mean
from providers.types import CompletionRequest, Usage
from router.balance.balancer import BalanceContext
from router.balance.strategies import make_balancer
from router.cli.cached import cache_of, print_cache, stored_line
from router.cli.call_options import params_of, takes_routing
from router.cli.common import UNREADABLE, Failure, json_option, not_empty, takes_file, valid_plan, without_line_end
from router.cli.supposed import Supposed, told_rules
from router.cli.terminal import echo, echo_json
from router.cli.verb import Verb, completing
from router.config.reach import unreached
from router.config.units import format_duration
from router.engine.embedding import build_embedding, build_rerank, needs_of
from router.engine.facts import NONE_HOLDS, decided
from router.engine.needs import Requirements, why_unfit
from router.engine.request import build_request, requirements_of
from router.engine.routing import as_asked, check_labels_known, required_by, said_by_call
from router.plan.plan import Branch, Chain, Draw, Plan, Step, shares_of
from router.plan.pricing import cost
from router.plan.requirements import restricted
from router.plan.serving import Client
from router.plan.target import Target
from router.router import Router
from router.state.states import States
from router.views.money import UNKNOWN, dollars
from router.views.spans import wait


@click.command(
    "explain",
    cls=Verb,
    examples=[
        "signalbox explain chat                            # who answers",
        'signalbox explain chat -p "Hello" conf/prod.yaml  # of another file',
        "signalbox explain chat request.json               # a request in the shape of OpenAI's",
        "signalbox explain chat --require region=eu        # who is left, and who not and why",
    ],
)
@click.argument("route", shell_complete=completing("routes", "models"))
@click.argument("request_file", metavar="[REQUEST]", required=False, type=click.Path())
@click.option("-p", "--prompt", help="The prompt, in place of a REQUEST.")
@click.option("--tags", multiple=True, metavar="NAME=VALUE", help="A tag of the call; may be given several times.")
@click.option("--prompt-tokens", metavar="N", help="For the route's rules: a prompt of so many tokens.")
@click.option("--needs", multiple=True, metavar="WHAT", help="For the route's rules: what the request needs as well.")
@click.option("--at", metavar="TIME", help="For the route's rules: another time, such as 2026-11-27T23:00 (UTC).")
@takes_routing
@click.option("--client", metavar="NAME", help="Whose key it comes with, of serve.keys: its tags and requirements.")
@json_option
@takes_file(texts=True)
def command(
    route: str,
    request_file: str | None,
    prompt: str | None,
    tags: tuple[str, ...],
    prompt_tokens: str | None,
    needs: tuple[str, ...],
    at: str | None,
    client: str | None,
    as_json: bool,
    path: str,
    **of_call: Any,
) -> int:
    """Say who would answer a request to ROUTE, in which order and with what odds, and who not and why.

    REQUEST (a file, or - for standard input) holds a prompt as plain text, or JSON in the shape of OpenAI's chat
    completions, or of its embeddings; FILE is the routes.yaml. No vendor is asked.
    """
    router = Router(valid_plan(path)[1])
    chain = router.chain(route)
    asked, route = route, chain.route
    request = asked_of(chain, route, request_file, prompt)
    of_key = {} if client is None else _client(router.plan, client).tags
    supposed = Supposed.of(request, tags, prompt_tokens, needs, at, of_key)
    rules = told_rules(chain, supposed)
    chain, rule = decided(chain, supposed) if chain.rules else (chain, "")
    required = requirements_of(request, streaming=True) if isinstance(request, CompletionRequest) else needs_of(request)
    chain, said = _as_called(router.plan, chain, of_call, client)
    required = msgspec.structs.replace(supposed.added_to(required), excluded=chain.excluded)
    balance_context = BalanceContext(
        states=States(Random(0)),  # a router that has just started: nobody is busy, slow or shut out
        now=0.0,
        rng=Random(0),
        prompt=required.prompt_tokens,
        max_tokens=required.max_tokens,
        affinity=required.affinity,
    )
    tiers = [_tier(chain, tier_index, required, request, balance_context) for tier_index in range(len(chain.tiers))]
    odds = partial(_odds, needs=required, balance_context=balance_context)
    if chain.steps is not None:
        shares = shares_of(chain.steps, odds)
        for index, tier in enumerate(tiers):
            tier |= {"chain": chain.tiers[index].chain, "share": round(shares[index], 4)}
    file = router.plan.file
    led = next((told["to"] for told in rules if told["holds"]), route)
    for number, names in (unreached(file, led, chain.max_attempts) if led in file.routes else {}).items():
        for offer in tiers[number]["offered"]:
            offer["unreached"] = offer["target"] in names
    cached = cache_of(router, chain, request)
    budgets = _budgets(router.plan, chain, client)
    if as_json:
        echo_json(
            {
                "route": route,
                "asked": asked,
                "revision": router.revision,
                "rules": rules,
                "of_call": said,
                "tiers": tiers,
                "cache": cached,
                "budgets": budgets,
                "shadow": None if chain.shadow is None else chain.shadow.terms,
            }
        )
    else:
        if (found := router.plan.names.found_by(asked)) is not None and asked != route:
            by = "" if found == asked else f" by {one_line(found)}"
            place = router.plan.loaded.where(("routes", found)) if router.plan.loaded else None
            echo(f"{one_line(asked)} leads to {one_line(route)}{by}  ({':'.join(map(str, place or (path, '?')))})\n")
        echo(f"{route}  revision {router.revision}  (nothing is sent)")
        for told in rules:
            echo(f"  {told['rule']}  " + ("holds" if told["holds"] else told["why"] or "not asked"))
        if rule == NONE_HOLDS:
            echo(f"  → {rule}")
        if said:
            echo(f"  set by the call: {'; '.join(f'{name}: {text}' for name, text in said.items())}")
        _print_steps(chain.steps or range(len(tiers)), tiers, odds, "  ")
        _print_bounds(chain, tiers, budgets)
        if cached is not None:
            print_cache(cached)
            echo(f"    {stored_line(cached)}")
    return 0


def _client(plan: Plan, name: str) -> Client:
    if name not in plan.serving.by_name:
        raise Failure(f'serve.keys has no client "{name}"{did_you_mean(name, plan.serving.by_name)}')
    return plan.serving.by_name[name]


def _as_called(
    plan: Plan, chain: Chain, options: Mapping[str, Any], client: str | None
) -> tuple[Chain, dict[str, str]]:
    """The chain as a call with these parameters and the client's key have it, and what the call has set, in words."""
    try:
        asked = build_request(chain.route, "Hello", params_of(options))
        routing = asked.routing
        required = required_by(plan, routing, client)
        check_labels_known(plan, required)
        chain = restricted(chain, required) if required else chain
        chain = chain if routing is None else as_asked(plan, chain, routing)
    except ProviderError as error:
        raise Failure(error.message) from None
    if asked.timeout is not None:
        total = asked.timeout.get("total", chain.total)
        chain = replace(chain, total=None if total == "off" else total)
    return chain, said_by_call(asked)


def asked_of(chain: Chain, route: str, request_file: str | None, prompt: str | None) -> AnyRequest:
    """The request, of the kind that the route takes."""
    if chain.makes in ("answers", None):
        return read_request(route, request_file, prompt)
    text = _text_of(request_file) if request_file is not None and prompt is None else prompt or "Hello"
    try:
        body = json.loads(text) if text.lstrip().startswith("{") else {}
        if chain.makes == "ranks":
            return build_rerank(route, body.get("query", text), body.get("documents", [text]), {})
        return build_embedding(route, body.get("input", text), {"dimensions": body.get("dimensions")})
    except ValueError as error:
        raise Failure(f"{request_file} is not JSON: {error}", UNREADABLE) from None


def _text_of(request_file: str) -> str:
    try:
        with click.open_file(request_file, encoding="utf-8") as opened:
            return str(opened.read())
    except OSError as error:
        raise Failure(f"{request_file} can't be read: {error.strerror or error}", UNREADABLE) from None
    except UnicodeDecodeError:
        raise Failure(f"{request_file} can't be read: it is not UTF-8 text", UNREADABLE) from None


def read_request(route: str, request_file: str | None, prompt: str | None) -> CompletionRequest:
    """The request of a file (plain text, or JSON of OpenAI's shape), or of a prompt; Failure when it is none."""
    if request_file is not None and prompt is not None:
        raise Failure("give either a file with the request, or a prompt by -p", UNREADABLE)
    if request_file is None:
        return build_request(route, "Hello" if prompt is None else not_empty(prompt, "prompt"), {})
    text = _text_of(request_file)
    if not text.lstrip().startswith("{"):
        return build_request(route, not_empty(without_line_end(text), "prompt"), {})
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        raise Failure(
            f"{request_file} is not JSON: see line {error.lineno}, column {error.colno}", UNREADABLE
        ) from None
    try:
        return msgspec.structs.replace(coerce_request(body), model=route)
    except (TypeError, ValueError) as error:
        raise Failure(f"{request_file}: {error}") from None


def _tier(
    chain: Chain, tier_index: int, needs: Requirements, request: AnyRequest, balance_context: BalanceContext
) -> dict[str, Any]:
    tier = chain.tiers[tier_index]
    eligible = [t for t in tier.targets if t.weight > 0 and why_unfit(t, needs, {}) is None]
    odds = make_balancer(tier.balance).shares(eligible, balance_context) if eligible else []
    offered = [
        {"target": target.name, "provider": target.provider, "model": target.model, "odds": round(share, 4)}
        | _cost_bounds(target, needs, request)
        | {"timeout": msgspec.to_builtins(target.timeout), "prompt_cache": target.prompt_cache or "off"}
        for target, share in odds
    ]
    skipped = []
    for target in tier.targets:
        why = ("weight 0", "") if target.weight <= 0 else why_unfit(target, needs, {})
        if why is not None:
            skipped.append({"target": target.name, "reason": why[0], "message": why[1]})
    on = None if tier.on is None else sorted(tier.on)
    return {"balance": tier.balance, "on": on, "offered": offered, "skipped": skipped}


def _cost_bounds(target: Target, needs: Requirements, request: AnyRequest) -> dict[str, Any]:
    """USD, from the least the prompt can have to a token a byte and `max_tokens`; None is unknown."""
    price = target.capabilities.price
    if not isinstance(request, CompletionRequest):  # which makes no tokens
        bounds = (cost(price, Usage(tokens, 0)) for tokens in (needs.prompt_tokens // 2, needs.prompt_tokens * 4))
        return dict(zip(("cost_least", "cost_most"), bounds, strict=True))
    most_out = request.max_tokens or target.params.get("max_tokens") or target.capabilities.max_output_tokens
    least = cost(price, Usage(input_tokens=needs.least_tokens, output_tokens=0))
    most = None
    if most_out is not None:
        size = len(msgspec.json.encode(request.messages))
        most = cost(price, Usage(input_tokens=size, output_tokens=most_out))
    return {"cost_least": least, "cost_most": most}


def _odds(draw: Draw, needs: Requirements, balance_context: BalanceContext) -> dict[Branch, float]:
    """Say how likely each chain of a draw is the first to be asked."""
    may_serve = [
        branch.weighed
        for branch in draw.branches
        if branch.weight > 0 and any(why_unfit(target, needs, {}) is None for target in branch.targets)
    ]
    shares = dict(make_balancer(draw.balance).shares(may_serve, balance_context)) if may_serve else {}
    return {branch: shares.get(branch.weighed, 0.0) for branch in draw.branches}


def _print_steps(
    steps: Sequence[Step], tiers: list[dict[str, Any]], odds: Callable[[Draw], dict[Branch, float]], indent: str
) -> None:
    for place, step in enumerate(steps):
        on = step.on if isinstance(step, Draw) else tiers[step]["on"]
        when = "first" if place == 0 and on is None else "then" if on is None else f"only on {', '.join(sorted(on))}"
        if isinstance(step, Draw):
            echo(f"{indent}{when}  ({step.balance})" if len(step.branches) > 1 else f"{indent}{when}")
            for branch, share in odds(step).items():
                if isinstance(branch.steps[0], int) and not branch.is_route:
                    _print_offers(tiers[branch.steps[0]], indent, share)
                    continue
                echo(f"{indent}  {share:4.0%}  {one_line(branch.name)}")
                _print_steps(branch.steps, tiers, odds, f"{indent}        ")
            continue
        tier = tiers[step]
        echo(f"{indent}{when}  ({tier['balance']})" if len(tier["offered"]) > 1 else f"{indent}{when}")
        _print_offers(tier, indent)


def _print_offers(tier: dict[str, Any], indent: str, share: float = 1.0) -> None:
    for offer in tier["offered"]:
        where = f"{offer['provider']}/{offer['model']}"
        named = "" if offer["target"] == where else f"  {where}"
        late = "  never reached (max_attempts)" if offer.get("unreached") else ""
        kept = "" if offer["prompt_cache"] == "off" else f"  prompt_cache {offer['prompt_cache']}"
        echo(f"{indent}  {offer['odds'] * share:4.0%}  {offer['target']}{named}{_cost_text(offer)}{kept}{late}")
    for skip in tier["skipped"]:
        echo(f"{indent}   --   {skip['target']}  skipped: {skip['reason']}  {skip['message']}".rstrip())
    if not tier["offered"]:
        echo(f"{indent}   --   nobody here can serve this request")


def _print_bounds(chain: Chain, tiers: list[dict[str, Any]], budgets: list[str]) -> None:
    total = "no limit" if chain.total is None else wait(chain.total)
    echo(f"  at most {chain.max_attempts} attempt{'s' if chain.max_attempts != 1 else ''} within {total}")
    offers = [offer for tier in tiers for offer in tier["offered"]]
    for text in dict.fromkeys(_timeout_text(offer) for offer in offers):
        names = [offer["target"] for offer in offers if _timeout_text(offer) == text]
        echo(f"  timeouts{'' if len(names) == len(offers) else ' of ' + ', '.join(names)}: {text}")
    for budget in budgets:
        echo(f"  budget of {budget}")
    if chain.shadow is not None:
        echo(one_line(f"  shadow: {chain.shadow.terms}"))


def _budgets(plan: Plan, chain: Chain, client: str | None) -> list[str]:
    """The budgets that such a request counts for: of the client, of the route, of the providers."""
    of_client = None if client is None else plan.serving.budgets.get(client)
    found = (of_client, chain.budget, *(target.budget for tier in chain.tiers for target in tier.targets))
    return [one_line(f"{budget.owner}: {budget.terms}") for budget in dict.fromkeys(found) if budget is not None]


def _timeout_text(offer: dict[str, Any]) -> str:
    """Say how long each part of a call may take; `total` is the request's."""
    limits = {name: limit for name, limit in offer["timeout"].items() if name != "total"}
    return ", ".join(f"{name} {'off' if limit is None else format_duration(limit)}" for name, limit in limits.items())


def _cost_text(offer: dict[str, Any]) -> str:
    least, most = offer["cost_least"], offer["cost_most"]
    if least is None:
        return f"  cost {UNKNOWN}"
    return f"  {dollars(least, fine=True)} " + ("or more" if most is None else f"to {dollars(most, fine=True)}")
