"""What every section of routes.yaml is, and those that stand in several: limits and budgets."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from router.config.values import Allowances, Count, read_budget

REQUIRES = "Labels that whoever is asked must have; of a list of texts, one of them. What is required adds up."


class Section(BaseModel):
    """Base of all models: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def key(description: str, default: Any = None, **more: Any) -> Any:
    """A key that may be left out."""
    return Field(default, description=description, **more)


class LimitsPolicy(Section):
    """What the vendor allows. Several rates side by side all hold, each in any window of its own period."""

    requests: Allowances | None = key("Requests in a period, such as 500/min, or a list such as [60/min, 1000/d].")
    tokens: Allowances | None = key("Tokens in a period, such as 200k/min, or a list of such rates.")
    in_flight: Count | None = key("Requests at the same time.")


class BudgetAmount(Section):
    """An amount of US dollars for a number of seconds."""

    usd: float
    per: float


Budget = Annotated[
    BudgetAmount,
    BeforeValidator(read_budget),
    WithJsonSchema({"type": ["string", "object"], "examples": ["$20/d", "$1.50/h", {"usd": "20/day"}]}),
]
