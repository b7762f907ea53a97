"""The `alerts` of routes.yaml: who is told of what, by a webhook."""

from typing import Annotated, Any, Literal, NamedTuple, Self, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, SecretStr, WithJsonSchema, model_validator

from providers.addresses import check_url
from router.config import units
from router.config.sections import Section, key
from router.config.values import Duration, Text, Wait

On: TypeAlias = Literal[
    "breaker_open", "held", "error_rate", "p95", "first_token", "budget", "reload_rejected", "shared_away"
]
SHARES = frozenset({"error_rate", "budget"})  # whose `above` is a percentage
TIMES = frozenset({"p95", "first_token"})  # whose `above` is a duration
OF_ROUTES = frozenset({"error_rate", "p95", "first_token", "budget"})  # what may be of one route
OF_PROVIDERS = frozenset({"breaker_open", "held", *OF_ROUTES})
_MOST_SPENT = 0.8  # of a budget


class Threshold(NamedTuple):
    """What is too much: a part from 0 to 1, or seconds."""

    value: float
    is_share: bool

    @property
    def written(self) -> str:
        """As it stands in the file."""
        return units.format_percent(self.value) if self.is_share else units.format_duration(self.value)


def _above(value: Any) -> Threshold:
    if isinstance(value, str) and value.rstrip().endswith("%"):
        return Threshold(units.percent(value), True)
    if isinstance(value, int | float) and not isinstance(value, bool):
        share = f"{value * 100:g}%" if value < 1 else f"{value}%"
        raise ValueError(f"a percentage needs its sign, a duration its unit: write {share} or {value}s")
    return Threshold(units.duration(value), False)


_WEBHOOK = "this must be the https:// address of a webhook (Slack's, or one that takes JSON), best as ${ALERT_URL}"


def _address(value: Any) -> str:
    if not isinstance(value, str) or "://" not in value:  # an address of mail, or a channel's name
        raise ValueError(_WEBHOOK)
    check_url(value)
    return str(value)


Above = Annotated[
    Threshold,
    PlainValidator(_above),
    PlainSerializer(lambda above: Threshold(*above).written),
    WithJsonSchema({"type": "string", "examples": ["80%", "8s"]}),
]
Address = Annotated[
    SecretStr,
    BeforeValidator(_address),
    WithJsonSchema({"type": "string", "examples": ["${ALERT_URL}", "${file:/run/secrets/alert_url}"]}),
]


class AlertConfig(Section):
    """Tells people by a webhook when something is wrong, and when it is well again."""

    on: On = Field(
        description="What is told: breaker_open, held, error_rate, p95 (to the whole answer), first_token (its p95), "
        "budget, reload_rejected, shared_away."
    )
    to: Address = Field(description="The webhook's address; it is a secret.")
    above: Above | None = key("What is too much: a percentage, of times a duration.")
    lasts: Wait = key("How long it has to be so, without a break, before anybody is told.", 0.0, alias="for")
    every: Duration = key("The shortest time between two messages of the same trouble.", 600.0)
    route: Text | None = key("Of this route alone.")
    provider: Text | None = key("Of this provider alone.")
    form: Literal["json", "slack"] | None = key("What is sent: a JSON object, or a message as Slack takes it.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.on in SHARES | TIMES:
            self._check_above()
        elif self.above is not None:
            raise ValueError(f"above goes with {', '.join(sorted(SHARES | TIMES))}; {self.on} either is or is not")
        if self.route is not None and self.provider is not None:
            raise ValueError("this has a route or a provider, not both")
        if self.route is not None and self.on not in OF_ROUTES:
            raise ValueError(f"{self.on} is of no route" + (": name a provider" if self.on in OF_PROVIDERS else ""))
        if self.provider is not None and self.on not in OF_PROVIDERS:
            raise ValueError(f"{self.on} is of no provider")
        return self

    def _check_above(self) -> None:
        if self.above is None:
            if self.on != "budget":
                like = "5%" if self.on in SHARES else "8s"
                raise ValueError(f'"above" is missing: write what is too much, such as above: {like}')
        elif self.above.is_share != (self.on in SHARES):
            what = "a percentage, such as 80%" if self.on in SHARES else "a duration, such as 8s"
            raise ValueError(f"above has to be {what}, for {self.on}")
        elif self.on == "error_rate" and self.above.value >= 1:
            raise ValueError("more than 100% never fail: write less")

    @property
    def limit(self) -> float:
        """What is too much; 0 for what either is or is not."""
        if self.above is not None:
            return self.above.value
        return _MOST_SPENT if self.on == "budget" else 0.0
