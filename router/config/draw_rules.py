"""What holds where targets are routes: how their chains can share load, and which names are models all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from router.config.diagnostics import Findings, Path_
from router.config.policies import effective
from router.config.schema import RoutesFile, TargetRef
from router.config.yaml_reader import Place

DRAWN = ("weighted", "ordered", "affinity")  # the strategies that compare no targets
_FEW = ("balance", "targets")


def check_draws(file: RoutesFile, origins: Mapping[Path_, Place], findings: Findings) -> None:
    """Add an error for each strategy that compares targets where one is a route, and a warning for each name that is
    a route's and a model's.
    """
    for name in file.routes:
        for owner, refs, balance in _tiers(file, name):
            _check_tier(file, owner, refs, balance, origins, findings)
    for name, path in _models_named_as_routes(file):
        text = (
            f'"{name}" is the model here, as provider/model-id is in targets: the route of that name can share no load '
            "unless it gets another one"
        )
        findings.add(_place(path, origins), path, text, severity="warning")


def _check_tier(
    file: RoutesFile,
    owner: Path_,
    refs: tuple[TargetRef, ...],
    balance: str,
    origins: Mapping[Path_, Place],
    findings: Findings,
) -> None:
    route = next((ref.model for ref in refs if file.is_route(ref.model)), None)
    if route is None or balance in DRAWN or len(refs) < 2:
        return
    path = next(path for path in (*((*owner, key) for key in _FEW), owner) if path in origins or path == owner)
    text = (
        f'balance: {balance} compares models, and "{route}" is a route: write balance: weighted, ordered or affinity '
        "here, or the models themselves"
    )
    findings.add(_place(path, origins), path, text)


def _models_named_as_routes(file: RoutesFile) -> Iterator[tuple[str, Path_]]:
    for name in file.routes:
        for owner, refs, _ in _tiers(file, name):
            for index, ref in enumerate(refs):
                if ref.model in file.routes and ref.model != name and not file.is_route(ref.model):
                    yield ref.model, (*owner, "targets", index)


def _tiers(file: RoutesFile, name: str) -> Iterator[tuple[Path_, tuple[TargetRef, ...], str]]:
    """The tiers of a route, with what they stand in and how they share load."""
    config, balance = file.routes[name], effective(file, "balance", route=name)["balance"].value
    yield ("routes", name), config.targets, balance
    for index, fallback in enumerate(config.fallbacks):
        yield ("routes", name, "fallbacks", index), fallback.tier, fallback.balance or balance


def _place(path: Path_, origins: Mapping[Path_, Place]) -> Place:
    """Where a path stands, or what it is in."""
    return next(origins[path[:end]] for end in range(len(path), -1, -1) if path[:end] in origins)
