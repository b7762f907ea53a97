"""What routes, clients' keys and calls require of whom they ask, as compiled, and what that makes of a chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from providers.types import Requirement
from router.config import LoadResult, RoutesFile
from router.config.labels import Labels, requirement, why_not_met
from router.plan.plan import Chain
from router.plan.target import Target, digest, sorted_params


def required_by_routes(loaded: LoadResult, file: RoutesFile) -> dict[str, Requirement]:
    """What each route requires that requires anything."""
    written = {name: route.require for name, route in file.routes.items()}
    return _required(loaded, "route", ("routes",), written)


def required_of_clients(loaded: LoadResult, file: RoutesFile) -> dict[str, Requirement]:
    """What each client's key requires that requires anything, by the client's name."""
    keys = {} if file.serve is None else file.serve.keys
    return _required(loaded, "key", ("serve", "keys"), {name: client.require for name, client in keys.items()})


def _required(
    loaded: LoadResult, kind: str, path: tuple[str, ...], written: Mapping[str, Labels]
) -> dict[str, Requirement]:
    found = {}
    for name, labels in written.items():
        if labels:
            place = loaded.where((*path, name, "require"))
            where = f" ({place[0]}:{place[1]})" if place else ""
            found[name] = requirement(f"{kind} {name}{where}", labels)
    return found


def answers_within(answers: str, allowed: Iterable[Target]) -> str:
    """Hash what can change the answers of a chain of which only these targets may be asked.

    Their names and labels are part of it: what another one has answered, or the same under other labels, is not given
    to who requires something, also where both are one model at one server.
    """
    shapes = sorted(
        repr((target.provider, target.model, sorted_params(target.params), sorted(target.labels.items())))
        for target in allowed
    )
    return digest([answers, shapes])


def can_be_met(chain: Chain, required: tuple[Requirement, ...]) -> bool:
    """Say whether a chain, or one to which its rules lead, has anybody who meets this and what its route requires."""
    targets = (target for each in (chain, *(led for _, led in chain.rules)) for target in each.targets)
    return any(not target.barred and not why_not_met(target.labels, required) for target in targets)


def restricted(chain: Chain, required: tuple[Requirement, ...]) -> Chain:
    """Return a chain of which only those targets may be asked that meet all of this, besides what its route requires.

    Where nobody is left, all tiers are open: so that each target is told, with what it lacks.
    """
    excluded, allowed = dict(chain.excluded), []
    for target in chain.targets:
        why = why_not_met(target.labels, required)
        if why:
            excluded[target.name] = "requirement", why
        if not why and not target.barred:
            allowed.append(target)
    answers = chain.answers and answers_within(chain.answers, allowed)
    chain = replace(chain, excluded=excluded, answers=answers, required=(*chain.required, *required))
    if allowed:
        return chain
    tiers = tuple(replace(tier, on=None, gate=None) for tier in chain.tiers)
    return replace(chain, tiers=tiers, steps=None, draws=())
