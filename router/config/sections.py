"""What every section of routes.yaml is, and those that stand in several: limits and budgets.

In the modules with sections annotations are no texts: pydantic would have to read each, which takes 6 ms in all.
"""

from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializationInfo,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from router.config import units
from router.config.calendar_values import By, Resets, TimeZone
from router.config.values import Allowances, Count, Dollars

REQUIRES = "Labels that whoever is asked must have; of a list of texts, one of them. What is required adds up."


class Section(BaseModel):
    """Base of all models: immutable, and an unknown key is an error. Its validator is built when a file first has it:
    most files have few of them, and the others would be a twentieth of the work of a process's first call.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if handler.field_name is None:
            return handler(source)
        # Within another section: what is in it is looked at by its own validator, and written by its own serializer.
        written = core_schema.plain_serializer_function_ser_schema(_dump, info_arg=True)
        return core_schema.no_info_plain_validator_function(
            lambda value: cls.model_validate(value),
            ref=f"{cls.__module__}.{cls.__name__}:{id(cls)}",
            serialization=written,
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        if schema["type"] != "function-plain":
            return handler(schema)
        cls.model_rebuild()
        return handler(cls.__pydantic_core_schema__)


def _dump(section: Section, info: SerializationInfo) -> dict[str, Any]:
    return section.model_dump(mode=info.mode, by_alias=info.by_alias, warnings=False)


def key(description: str, default: Any = None, **more: Any) -> Any:
    """A key that may be left out."""
    return Field(default, description=description, **more)


class LimitsPolicy(Section):
    """What the vendor allows. Several rates side by side all hold, each in any window of its own period."""

    requests: Allowances | None = key("Requests in a period, such as 500/min, or a list such as [60/min, 1000/d].")
    tokens: Allowances | None = key("Tokens in a period, such as 200k/min, or a list of such rates.")
    in_flight: Count | None = key("Requests at the same time.")


class BudgetPolicy(Section):
    """What may be spent in a period."""

    usd: Dollars = Field(description="US dollars in a period, such as 20/d or 300/month.")
    by: By | None = key("One budget for each user, namespace, key (of a client) or tag.NAME.")
    timezone: TimeZone | None = key("Whose days, weeks and months these are.")
    resets: Resets | None = key("When a period begins.")

    @model_validator(mode="before")
    @classmethod
    def _is_one(cls, value: Any) -> Any:
        return value if isinstance(value, dict | BudgetPolicy) else units.budget(value)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        period = next(name for name, seconds in units.BUDGET_PERIODS.items() if float(seconds) == self.usd[1])
        if period not in ("d", "w", "month") and (self.timezone or self.resets):
            what = "timezone" if self.timezone else "resets"
            raise ValueError(f"{what} goes with a budget of d, w or month: {period} begins alike everywhere")
        if self.resets is not None:
            self.resets.check(period)
        return self
