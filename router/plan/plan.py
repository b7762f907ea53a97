"""The compiled file: immutable chains of tiers of targets, which every request, the monitor and the exporters read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import TypeAlias

import msgspec
from msgspec.structs import force_setattr

from providers.credentials.function import CredentialFunction
from providers.errors import ErrorCode
from providers.settings import ProviderSettings
from providers.types import Requirement
from router.config import LoadResult, RoutesFile
from router.config.embed_rules import Makes
from router.config.schema import OnStreamBreak
from router.plan.alerts import AlertRule
from router.plan.budget import Budget, budget_of
from router.plan.catalogue import ProviderCatalogue
from router.plan.pricing import is_known
from router.plan.route_names import RouteNames
from router.plan.rules import (
    AcceptRules,
    BatchRules,
    CacheRules,
    HedgeRules,
    Limits,
    LogRules,
    RetryRules,
    ShadowRules,
    SharedRules,
)
from router.plan.serving import Serving
from router.plan.target import Target
from router.plan.when import Rule

_LEAST_ATTEMPTS = 4  # of a request, where the file says nothing


class Tier(msgspec.Struct, frozen=True, eq=False):
    """Targets that share load. A fallback tier serves only after the codes in `on` (None: after those of the
    table that fall back). `gate` is the index of the tier that must have been entered before, or the mark of a draw.

    `level` says how many tiers have to fail before it, those of other branches of a draw not counted. `chains` are the
    routes among the targets that lead to it, the outermost first; `chain` is that in words, such as "eu > candidate".
    `required` is what all routes on the way to it require of its targets.
    """

    targets: tuple[Target, ...]
    balance: str
    on: frozenset[ErrorCode] | None = None
    gate: int | None = None
    level: int = 0
    chains: tuple[str, ...] = ()
    required: tuple[Requirement, ...] = ()
    chain: str = ""  # made of `chains`

    def __post_init__(self) -> None:
        force_setattr(self, "chain", " > ".join(self.chains))


class Branch(msgspec.Struct, frozen=True, eq=False):
    """One of those that share load in a draw: a route's whole chain, or one model.

    `steps` are what of the chain serves in its place, in order; `tiers` (their indexes) and `targets` all that it has.
    `weighed` stands for it where a balancer picks.
    """

    name: str
    weight: float
    steps: tuple[Step, ...]
    tiers: range
    targets: tuple[Target, ...]
    is_route: bool
    weighed: Target


class Draw(msgspec.Struct, frozen=True, eq=False):
    """Whole chains that share load; `on` and `gate` are as in `Tier`. `mark` is its number, below 0, so that it is no
    tier's.
    """

    branches: tuple[Branch, ...]
    balance: str
    on: frozenset[ErrorCode] | None
    gate: int | None
    mark: int
    weighed: tuple[Target, ...] = ()  # those of its branches

    def __post_init__(self) -> None:
        force_setattr(self, "weighed", tuple(branch.weighed for branch in self.branches))


Step: TypeAlias = int | Draw  # the index of a tier, or a draw


class Chain(msgspec.Struct, frozen=True, eq=False):
    """What a route compiled to. `total` is the request's deadline in seconds. None: no limit, hedge, budget, cache, and
    every answer is taken.

    `makes` is what it may be asked for; None for a `provider/model-id`, of which nothing is said. `excluded` are the
    targets that one call may not ask, by name, each with the reason and the message of its skip. `required` is what the
    route, and where it is restricted the key and the call, require of all who get the request.
    """

    route: str
    tiers: tuple[Tier, ...]
    retry: RetryRules
    total: float | None
    on_stream_break: OnStreamBreak = "error"
    hedge: HedgeRules | None = None
    budget: Budget | None = None
    cache: CacheRules | None = None
    makes: Makes | None = "answers"
    batch: BatchRules = BatchRules()
    answers: str = ""  # what its targets are, as far as it can change an answer; a hash
    accept: AcceptRules | None = None
    limits: Limits | None = None  # of the route's own, across its targets
    shadow: ShadowRules | None = None
    is_copy: bool = False  # of a request, which counts in its own budget alone
    steps: tuple[Step, ...] | None = None  # in which its tiers serve; None where that is as they stand
    draws: tuple[Draw, ...] = ()
    rules: tuple[tuple[Rule, Chain], ...] = ()  # in order, each with the chain that it leads to
    line: str = ""  # what its balancers are kept by: the route, and of a chain that a rule leads to which
    excluded: Mapping[str, tuple[str, str]] = {}
    required: tuple[Requirement, ...] = ()

    # Made of the others.
    places: tuple[tuple[str, int, str], ...] = ()  # of each tier: what its balancer is kept by
    within: float = inf  # seconds that a request has: its `total`, infinity where there is none
    names_refusals: bool = False  # whether a tier takes over after refusals
    max_attempts: int = 0  # of one request
    input_tokens: int | None = None  # of an input of embeddings, at the target that takes the most

    def __post_init__(self) -> None:
        line = self.line or self.route
        force_setattr(self, "line", line)
        force_setattr(self, "places", tuple((line, index, tier.balance) for index, tier in enumerate(self.tiers)))
        named = any(tier.on is not None and ErrorCode.CONTENT_FILTERED in tier.on for tier in self.tiers)
        force_setattr(self, "names_refusals", named)
        force_setattr(self, "within", inf if self.total is None else self.total)
        force_setattr(self, "max_attempts", self.retry.max_attempts or self._enough())
        force_setattr(self, "input_tokens", self._input_tokens() if self.makes == "embeddings" else None)

    def _input_tokens(self) -> int | None:
        """Return the tokens that an input may have; None where a target has no known limit."""
        usable = [target for target in self.targets if not target.disabled and not target.barred]
        rules = [target.embeds for target in usable if target.embeds is not None]
        known = [each.max_tokens for each in rules if each.max_tokens is not None]
        return max(known) if known and len(known) == len(rules) else None

    def _enough(self) -> int:
        """Count the attempts that reach every target, with all further tries that its policy allows."""
        tries = {target.identity: 1 + target.retry.same_target for target in self.targets}
        return max(_LEAST_ATTEMPTS, sum(tries.values()))

    @property
    def variants(self) -> tuple[Chain, ...]:
        """Itself, and the chains that its rules lead to."""
        return (self, *(led for _, led in self.rules if led is not self))

    @property
    def everybody(self) -> tuple[Target, ...]:
        """All targets that its requests may be led to, by its rules too."""
        return tuple(target for chain in self.variants for target in chain.targets)

    @property
    def shares(self) -> dict[int, float]:
        """The share of the load that each tier's chain has by weight, by the tier's index."""
        return shares_of(range(len(self.tiers)) if self.steps is None else self.steps, by_weight)

    @property
    def targets(self) -> tuple[Target, ...]:
        """All targets of its tiers, in their order."""
        return tuple(target for tier in self.tiers for target in tier.targets)


def shares_of(
    steps: Sequence[Step], odds: Callable[[Draw], Mapping[Branch, float]], whole: float = 1.0
) -> dict[int, float]:
    """Return the share of the load that each tier's chain has, by the tier's index.

    Args:
        odds: the share of each branch of a draw, 0 to 1.
        whole: the share of these steps.
    """
    shares: dict[int, float] = {}
    for step in steps:
        if isinstance(step, int):
            shares[step] = whole
            continue
        for branch, part in odds(step).items():
            shares |= shares_of(branch.steps, odds, whole * part)
    return shares


def by_weight(draw: Draw) -> dict[Branch, float]:
    """Return the share that its weight gives each branch of a draw."""
    total = sum(branch.weight for branch in draw.branches)
    return {branch: branch.weight / total for branch in draw.branches}


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All chains of one accepted revision, and the settings of the providers they need (of a pool's first key).

    `credentials` are the app's own functions that give keys, by provider.
    """

    revision: str
    file: RoutesFile
    chains: Mapping[str, Chain]
    providers: Mapping[str, ProviderSettings]
    catalogue: ProviderCatalogue
    compile_direct: Callable[[str], Chain]  # of a model of the file, or of `provider/model-id`
    serving: Serving
    names: RouteNames
    loaded: LoadResult | None = None
    shared: SharedRules | None = None
    log: LogRules | None = None
    credentials: Mapping[str, CredentialFunction] = field(default_factory=dict, repr=False)
    alerts: tuple[AlertRule, ...] = ()

    @property
    def shares_answers(self) -> bool:
        """Whether cached answers are those of all machines."""
        return self.shared is not None and self.shared.shares("cache")

    @property
    def targets(self) -> list[Target]:
        """All targets of all chains."""
        return [target for chain in self.chains.values() for target in chain.everybody]

    @property
    def keys(self) -> frozenset[str]:
        """The identities of all keys of all providers, those that no target uses included."""
        return frozenset(key.identity for keys in self.catalogue.keys.values() for key in keys)

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """All budgets of the file."""
        budgets = [self.budget_of(name) for name in self.file.providers]
        budgets += [chain.budget for chain in self.chains.values()]
        budgets += [chain.shadow.budget for chain in self.chains.values() if chain.shadow is not None]
        budgets += self.serving.budgets.values()
        return tuple(budget for budget in budgets if budget is not None)

    def budget_of(self, provider: str) -> Budget | None:
        """Return the budget of a provider; None when it has none."""
        return budget_of("provider", provider, self.file.providers[provider].budget)

    def is_shared(self, budget: Budget) -> bool:
        """Say whether machines spend a budget together."""
        if self.shared is None or not self.shared.shares("budgets") or self.shared.is_local:
            return False
        scope, name = budget.whose
        provider = self.file.providers.get(name) if scope == "provider" else None
        return provider is None or provider.shared

    @property
    def uncounted(self) -> tuple[str, ...]:
        """One sentence for each budget that can't count all of its calls, since a price is not known."""
        return tuple(
            f"the budget of {owner} does not count {', '.join(sorted(names))}: the price is not known; "
            "write it as `price: {input: …, output: …}` (USD per million tokens) under models"
            for owner, names in self._unpriced.items()
        )

    def called(self, name: str) -> tuple[str, str] | None:
        """Return provider and model id of a target's name; None when nothing has it any more."""
        chain = None if name in self.file.routes else self.chains.get(name)
        if chain is not None:
            return chain.targets[0].provider, chain.targets[0].model
        resolved = self.file.resolve_target(name)
        return None if resolved is None else resolved[:2]

    @property
    def uncounted_owners(self) -> frozenset[str]:
        """The owners of budgets that can't count all of their calls."""
        return frozenset(self._unpriced)

    @property
    def _unpriced(self) -> dict[str, set[str]]:
        """The targets of each budget whose price is not known, by the budget's owner."""
        lacking: dict[str, set[str]] = {}
        unknown: dict[str, set[str]] = {}  # by the chain's name
        for name, chain in self.chains.items():
            for target in chain.everybody:
                if not is_known(target.capabilities.price) and not target.disabled:
                    unknown.setdefault(name, set()).add(target.name)
                    for budget in filter(None, (chain.budget, target.budget)):
                        lacking.setdefault(budget.owner, set()).add(target.name)
        for chain in self.chains.values():
            if chain.shadow is not None and chain.shadow.budget is not None:
                copied = self.chain(chain.shadow.to)
                targets = [] if copied is None else copied.targets
                names = {t.name for t in targets if not is_known(t.capabilities.price) and not t.disabled}
                lacking.update({chain.shadow.budget.owner: names} if names else {})
        for budget, routes in self.serving.budgets_with_routes(unknown):
            if names := {name for route in routes for name in unknown.get(route, ())}:
                lacking[budget.owner] = names
        return lacking

    def named_chain(self, name: str) -> Chain | None:
        """Return the chain of the route that has this further name, or whose pattern fits it; None for others."""
        route = self.names.route_of(name)
        return None if route is None else self.chains[route]

    def chain(self, name: str) -> Chain | None:
        """Return the chain of a route, of a model of the file, of a route by another name or by a pattern, or of
        `provider/model-id`; None when nothing has the name.
        """
        chain = self.chains.get(name) or self.named_chain(name)
        if chain is not None:
            return chain
        if self.file.resolve_target(name) is None:
            return None
        return self.compile_direct(name)
