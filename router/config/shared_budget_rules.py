"""What `shared` asks of the budgets of a file: that there are some, and that the server can count them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from router.config.diagnostics import Findings, Path_
from router.config.schema import RoutesFile
from router.config.sections import BudgetPolicy
from router.config.shared_schema import MOST_SHARED
from router.config.shared_url import LOCAL
from router.config.yaml_reader import Place


def check_shared_budgets(file: RoutesFile, origins: Mapping[Path_, Place], findings: Findings) -> None:
    """Add an error for each shared budget that is too large to be counted, and a warning where none is shared."""
    if file.shared is None:
        return
    share, away = ("shared", "share"), ("shared", "budgets_away")
    if "budgets" not in file.shared.share:
        if away in origins:
            text = f"this has no effect: budgets are not shared; write share: [{', '.join(file.shared.share)}, budgets]"
            findings.add(origins[away], away, text, severity="warning")
        return
    if file.shared.url.get_secret_value() == LOCAL:
        text = "the processes of one machine spend their budgets together anyhow: take budgets out"
        findings.add(origins.get(share, (1, 1)), share, text, severity="warning")
        return
    budgets = dict(_budgets(file))
    if not budgets:
        text = "no budget is shared: neither a provider, a route nor a key of serve has one"
        findings.add(origins.get(share, (1, 1)), share, text, severity="warning")
    for path, amount in budgets.items():
        if amount.usd[0] > MOST_SHARED:
            text = (
                f"a budget that machines share is at most ${MOST_SHARED:,.0f}, which is as far as the server counts "
                f"exactly: write less, or less for a shorter period, or take budgets out of shared.share"
            )
            findings.add(origins.get(path, (1, 1)), path, text)


def _budgets(file: RoutesFile) -> Iterator[tuple[Path_, BudgetPolicy]]:
    """Yield the budgets that are shared, with where they stand."""
    owners: list[tuple[Path_, BudgetPolicy | None]] = [
        (("providers", name), provider.budget) for name, provider in file.providers.items() if provider.shared
    ]
    owners += [(("routes", name), route.budget) for name, route in file.routes.items()]
    if file.serve is not None:
        owners += [(("serve", "keys", name), client.budget) for name, client in file.serve.keys.items()]
    for path, budget in owners:
        if budget is not None:
            yield (*path, "budget"), budget
