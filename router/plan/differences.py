"""Says in words what a new plan changes, for the log, the dashboard and `Router.last_reload`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from router.config.labels import shown_labels
from router.config.units import format_duration
from router.plan.budget import Budget
from router.plan.plan import Branch, Chain, Draw, Plan, Step, Tier
from router.plan.serving import Serving
from router.plan.target import Target

_Way: TypeAlias = tuple[tuple[int, str], ...]  # to a chain: each draw on the way, by its tier, and who was drawn
_OF_TARGETS = {  # what is told of each, with the words for it
    "breaker": "breaker",
    "limits": "limits",
    "key_limits": "limits of its keys",
    "capabilities": "price, context window or capabilities",
}
_OF_CLIENTS = ("routes", "limits", "namespace", "cache", "tags", "own_keys")
_AT_THE_START = {  # what a server does but once, by the key of the file
    "serve.listen": "listen",
    "serve.tls": "tls",
    "serve.workers": "workers",
    "serve.metrics.listen": "metrics",
    "serve.audit": "audit",
}
_FOLLOWED = (
    "names",
    "listed",
    "direct",
    "max_body",
    "in_flight",
    "origins",
    "forward_headers",
    "tags",
    "expose_errors",
)


def differences(old: Plan, new: Plan, under_way: Mapping[str, int]) -> tuple[str, ...]:
    """Say what a new plan changes, one phrase each, such as `chat: mini 70→50, llama 30→50`.

    Args:
        under_way: calls in flight by the name of the provider.
    """
    served = (*_alerts(old, new), *_clients(old.serving, new.serving), *_serving(old.serving, new.serving))
    called = (*_providers(old, new, under_way), *_routes(old, new), *_models(old, new))
    return (*called, *_whole(old, new), *_shared(old, new), *served)


def _alerts(old: Plan, new: Plan) -> Iterator[str]:
    yield from (f"alert {rule.terms} removed" for rule in old.alerts if rule not in new.alerts)
    yield from (f"alert {rule.terms} added" for rule in new.alerts if rule not in old.alerts)


def _providers(old: Plan, new: Plan, under_way: Mapping[str, int]) -> Iterator[str]:
    for name in old.providers:
        if name not in new.providers:
            draining = f", draining {under_way[name]}" if under_way.get(name) else ""
            yield f"provider {name} removed{draining}"
        elif old.catalogue.account(name) != new.catalogue.account(name):
            draining = f", draining {under_way[name]}" if under_way.get(name) else ""
            keys, more = len(old.catalogue.keys[name]), len(new.catalogue.keys[name])
            change = "reconnects" if keys == more else f"keys {keys}→{more}"
            yield f"provider {name} {change}{draining}"
    for name, config in new.file.providers.items():
        if name not in old.providers:
            yield f"provider {name} added"
            continue
        budgets = [plan.budget_of(name) for plan in (old, new)]
        if budgets[0] != budgets[1]:
            yield f"provider {name} budget {_dollars(budgets[0])}→{_dollars(budgets[1])}"
        for what in ("errors", "health"):
            if getattr(config, what) != getattr(old.file.providers[name], what):
                yield f"provider {name} {what}"
        if config.disabled != old.file.providers[name].disabled:
            yield f"provider {name} {'left out' if config.disabled else 'is back'}"


def _routes(old: Plan, new: Plan) -> Iterator[str]:
    for name in old.file.routes:
        if name not in new.file.routes:
            yield f"route {name} removed"
    for name in new.file.routes:
        if name not in old.file.routes:
            yield f"route {name} added"
            continue
        changed = list(_chain(old.chains[name], new.chains[name]))
        if old.file.routes[name].breaker != new.file.routes[name].breaker:
            changed = [each for each in changed if not each.endswith(" breaker")]  # of all its targets at once
            changed.append("breaker changed")
        before, after = (shown_labels(plan.file.routes[name].require, "or") for plan in (old, new))
        if before != after:
            changed.append(f"require {before or 'nothing'}→{after or 'nothing'}")
        if changed:
            yield f"{name}: {', '.join(changed)}"
    gone, names = old.names.aliases, new.names.aliases
    yield from (f"name {name} removed" for name in gone if name not in names)
    yield from (f"name {name} leads to {route}" for name, route in names.items() if gone.get(name) != route)


def _tiers(old: Chain, new: Chain) -> Iterator[str]:
    """Say what is new of each chain of a route, its own and those that it draws, tier by tier."""
    before, after = _lines(old), _lines(new)
    for way, tiers in after.items():
        former, where = before.get(way), "".join(f"{name} " for _, name in way[-1:])
        if former is None:
            continue  # the whole chain is told as added
        for number, pair in enumerate(zip(former, tiers, strict=False)):
            yield from _tier(*pair, f"{where}tier {number + 1} " if number else where)
        if len(former) != len(tiers):
            yield f"{where}{len(former)}→{len(tiers)} tiers"


def _lines(chain: Chain) -> dict[_Way, list[Tier | Draw]]:
    """The tiers and draws of a route, and of each chain that it draws, by the way there."""
    found: dict[_Way, list[Tier | Draw]] = {}

    def walk(steps: Sequence[Step], way: _Way) -> None:
        found[way] = [chain.tiers[step] if isinstance(step, int) else step for step in steps]
        for number, step in enumerate(steps):
            for branch in () if isinstance(step, int) else step.branches:
                if branch.is_route:
                    walk(branch.steps, (*way, (number, branch.name)))

    walk(range(len(chain.tiers)) if chain.steps is None else chain.steps, ())
    return found


def _chain(old: Chain, new: Chain) -> Iterator[str]:
    yield from _tiers(old, new)
    if old.total != new.total:
        yield f"timeout.total {_seconds(old.total)}→{_seconds(new.total)}"
    for policy in ("retry", "hedge", "cache", "accept", "limits", "on_stream_break", "batch"):
        if getattr(old, policy) != getattr(new, policy):
            yield f"{policy} changed"
    rules = [[rule.words_to for rule, _ in chain.rules] for chain in (old, new)]
    if rules[0] != rules[1]:
        yield "when changed"
    if old.budget != new.budget:
        yield f"budget {_dollars(old.budget)}→{_dollars(new.budget)}"
    if old.shadow != new.shadow:
        terms = ["none" if shadow is None else shadow.terms for shadow in (old.shadow, new.shadow)]
        yield f"shadow {terms[0]}→{terms[1]}"
    kept = {target.name: target for target in old.targets}
    for target in new.targets:
        yield from _target(kept.get(target.name, target), target)


def _target(previous: Target, target: Target) -> Iterator[str]:
    if (previous.timeout, previous.retry, previous.params) != (target.timeout, target.retry, target.params):
        yield f"{target.name} timeouts, retries or params"
    if previous.prompt_cache != target.prompt_cache:
        yield f"{target.name} prompt_cache {previous.prompt_cache or 'off'}→{target.prompt_cache or 'off'}"
    yield from (f"{target.name} {words}" for name, words in _OF_TARGETS.items() if _differ(name, previous, target))
    if (previous.provider, previous.model) != (target.provider, target.model):
        yield f"{target.name} is {target.provider}/{target.model}"
    if previous.labels != target.labels:
        yield f"{target.name} labels {shown_labels(previous.labels)}→{shown_labels(target.labels)}"


def _differ(name: str, *both: object) -> bool:
    before, after = (getattr(each, name) for each in both)
    return bool(before != after)


def _tier(old: Tier | Draw, new: Tier | Draw, where: str) -> Iterator[str]:
    before, after = (each.targets if isinstance(each, Tier) else each.branches for each in (old, new))
    yield from _weights(before, after, where)
    names = [[each.name for each in group] for group in (before, after)]
    if new.balance == "ordered" and names[0] != names[1] and sorted(names[0]) == sorted(names[1]):
        yield f"{where}now in the order {', '.join(names[1])}"
    if old.balance != new.balance:
        yield f"{where}{old.balance}→{new.balance}"
    if old.on != new.on:
        yield f"{where}serves after other errors"


def _weights(old: Sequence[Target | Branch], new: Sequence[Target | Branch], where: str) -> Iterator[str]:
    weights = {each.name: each.weight for each in old}
    for each in new:
        weight = weights.pop(each.name, None)
        if weight is None:
            yield f"{where}{each.name} added"
        elif weight != each.weight:
            yield f"{where}{each.name} {weight:g}→{each.weight:g}"
    yield from (f"{where}{name} removed" for name in weights)


def _models(old: Plan, new: Plan) -> Iterator[str]:
    for name in old.file.models.keys() - new.file.models.keys():
        yield f"model {name} removed"
    for name in new.file.models.keys() - old.file.models.keys():
        yield f"model {name} added"


def _whole(old: Plan, new: Plan) -> Iterator[str]:
    yield from (f"{name} changed" for name in ("telemetry", "cache") if _differ(name, old.file, new.file))


def _shared(old: Plan, new: Plan) -> Iterator[str]:
    before, after = old.shared, new.shared
    if after is None or before is None:
        if before is not after:
            yield f"shared {'removed' if after is None else 'added'}"
        return
    if before.connection != after.connection:
        yield "shared reconnects"
    names = [name for name in after.__struct_fields__ if name not in ("url", "app", "secret", "shards")]
    changed = [name for name in names if getattr(before, name) != getattr(after, name)]
    if changed:
        yield f"shared.{', shared.'.join(changed)} changed"


def _clients(old: Serving, new: Serving) -> Iterator[str]:
    keys = [{client.name: key for key, client in serving.clients.items()} for serving in (old, new)]
    yield from (f"key {name} removed" for name in keys[0] if name not in keys[1])
    for name, key in keys[1].items():
        if name not in keys[0]:
            yield f"key {name} added"
            continue
        before, after = old.by_name[name], new.by_name[name]
        changed = ["another key"] if keys[0][name] != key else []
        if before.budget != after.budget:
            changed.append(f"budget {_dollars(before.budget)}→{_dollars(after.budget)}")
        required = [[each.labels for each in client.require] for client in (before, after)]
        changed += ["require"] if required[0] != required[1] else []
        changed += [what for what in _OF_CLIENTS if getattr(before, what) != getattr(after, what)]
        if changed:
            yield f"key {name}: {', '.join(changed)}"
    if old.anonymous != new.anonymous:
        yield f"callers without a key are {_let_in(old, new)}"


def _let_in(old: Serving, new: Serving) -> str:
    if new.anonymous is None:
        return "no longer let in"
    if old.anonymous is not None:
        return "given other routes"
    # A server whose keys are taken out lets nobody in by itself.
    return "let in" if new.is_anonymous_written else "let in from the next start on"


def _serving(old: Serving, new: Serving) -> Iterator[str]:
    fixed = [what for what, name in _AT_THE_START.items() if getattr(old, name) != getattr(new, name)]
    if fixed:
        yield f"{', '.join(fixed)} changed, for the next start of `signalbox serve`"
    followed = [f"serve.{name}" for name in _FOLLOWED if getattr(old, name) != getattr(new, name)]
    if followed:
        yield f"{', '.join(followed)} changed"


def _dollars(budget: Budget | None) -> str:
    return "none" if budget is None else budget.terms


def _seconds(value: float | None) -> str:
    return "off" if value is None else format_duration(value)
