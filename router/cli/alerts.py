"""`signalbox alerts`: whether the messages of a file arrive."""

from __future__ import annotations

import asyncio
import platform
import time
from pathlib import Path

import click

from router.cli.common import Failure, json_option, takes_file, valid_plan
from router.cli.terminal import echo, echo_json, style
from router.cli.verb import Verbs
from router.plan.alerts import AlertRule


@click.group(
    "alerts",
    cls=Verbs,
    examples=["signalbox alerts test", "signalbox alerts test conf/prod.yaml"],
)
def command() -> None:
    """The alerts of a file: who is told of what."""


@command.command("test", examples=["signalbox alerts test", "signalbox alerts test conf/prod.yaml --json"])
@json_option
@takes_file()
def test(as_json: bool, path: str) -> int:
    """Send a message to each webhook of FILE, which says that it is a test; exit 1 when one is not taken."""
    _, plan = valid_plan(path)
    if not plan.alerts:
        raise Failure(f'{path} has no alerts: write alerts: [{{on: breaker_open, for: 1m, to: "${{ALERT_URL}}"}}]')
    from router.monitor.report import app_name  # here: --help needs none of it

    tried = {rule.to: rule for rule in reversed(plan.alerts)}  # each address once, by its first rule
    results = asyncio.run(_send(list(reversed(tried.values())), app_name(Path(path).absolute())))
    if as_json:
        echo_json({"alerts": [{"to": rule.host, "rule": rule.terms, "problem": why} for rule, why in results]})
    for rule, why in () if as_json else results:
        mark = style("✗", fg="red") if why else style("✓", fg="green")
        echo(f"{mark} {rule.host}  {why or 'taken'}  ({rule.terms})")
    return 1 if any(why for _, why in results) else 0


async def _send(rules: list[AlertRule], app: str) -> list[tuple[AlertRule, str]]:
    from router.alerts.messages import test_message
    from router.alerts.outbox import Refused, new_session, post

    results = []
    async with new_session() as session:
        for rule in rules:
            body = test_message(rule.form, app=app, host=platform.node(), terms=rule.terms, now=time.time())
            try:
                await post(session, rule.to, body)
            except Refused as error:
                results.append((rule, str(error)))
            else:
                results.append((rule, ""))
    return results
