"""The alerts of a file, as compiled."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from router.config import RoutesFile
from router.config.alert_schema import On
from router.config.units import format_duration, format_percent

_SLACK = ("hooks.slack.com", "hooks.slack-gov.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """What is told, and to whom: the webhook `to` is a secret. Times are in seconds; `above` is a part (0 to 1) or
    seconds, 0 for what either is or is not. It is of one route or provider, or of all.
    """

    on: On
    to: str = field(repr=False)
    above: float = 0.0
    lasts: float = 0.0
    every: float = 600.0
    route: str | None = None
    provider: str | None = None
    form: str = "json"

    @property
    def host(self) -> str:
        """Where it goes, without what is secret of the address."""
        parts = urlsplit(self.to)
        return f"{parts.scheme}://{parts.hostname}/…"

    @property
    def terms(self) -> str:
        """What it tells, in words."""
        words: str = self.on
        if self.on in ("error_rate", "budget"):
            words += f" above {format_percent(self.above)}"
        elif self.above:
            words += f" above {format_duration(self.above)}"
        words += f" of {self.route or self.provider}" if self.route or self.provider else ""
        return words + (f" for {format_duration(self.lasts)}" if self.lasts else "")


def alert_rules(file: RoutesFile) -> tuple[AlertRule, ...]:
    """Compile the alerts of a file; what is written twice is one."""
    rules = []
    for alert in file.alerts:
        address = alert.to.get_secret_value()
        is_slack = urlsplit(address).hostname in _SLACK
        rules.append(
            AlertRule(
                on=alert.on,
                to=address,
                above=alert.limit,
                lasts=alert.lasts,
                every=alert.every,
                route=alert.route,
                provider=alert.provider,
                form=alert.form or ("slack" if is_slack else "json"),
            )
        )
    return tuple(dict.fromkeys(rules))
