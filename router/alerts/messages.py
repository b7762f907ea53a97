"""What a webhook is sent: a JSON object, or a message in Slack's form. Nothing of prompts, answers or keys is in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from providers.printable import one_line
from router.alerts.states import Notice

_LISTED = 10  # troubles of one message


def message(notice: Notice, *, app: str, host: str, now: float) -> dict[str, Any]:
    """Make the body of a notice, by its rule's form.

    Args:
        app: the router's name; `host` is the machine's.
        now: seconds since 1970.
    """
    rule, shown = notice.rule, notice.troubles[:_LISTED]
    left = len(notice.troubles) - len(shown)
    sentences = [one_line(trouble.says) for trouble in shown] + ([f"and {left:,} more"] if left else [])
    if rule.form == "slack":
        return _slack(notice, sentences, app, host)
    return {
        "alert": rule.on,
        "state": notice.state,
        "rule": rule.terms,
        "app": app,
        "host": host,
        "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "text": ("over: " if notice.state == "resolved" else "") + "; ".join(sentences),
        "troubles": [
            {"who": one_line(trouble.who), "says": one_line(trouble.says), "value": trouble.value} for trouble in shown
        ],
        "more": left,
    }


def test_message(form: str, *, app: str, host: str, terms: str, now: float) -> dict[str, Any]:
    """Make the body of a message that only tries whether it arrives."""
    text = f"a test of the alert “{terms}”: nothing is wrong"
    if form == "slack":
        return {"text": f":white_check_mark: *{_escaped(app)}* on {_escaped(host)}: {_escaped(text)}"}
    time = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"alert": "test", "state": "test", "rule": terms, "app": app, "host": host, "time": time, "text": text}


def _slack(notice: Notice, sentences: list[str], app: str, host: str) -> dict[str, Any]:
    """Of an incoming webhook. https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"""
    is_over = notice.state == "resolved"
    sign, word = (":large_green_circle:", "over: ") if is_over else (":red_circle:", "")
    lines = [f"• {_escaped(sentence)}" for sentence in sentences] if len(sentences) > 1 else []
    first = f"{len(notice.troubles)} {notice.rule.on}" if lines else _escaped(sentences[0])
    return {"text": "\n".join([f"{sign} *{_escaped(app)}* on {_escaped(host)}: {word}{first}", *lines])}


def _escaped(text: str) -> str:
    """Three characters have a meaning there. https://docs.slack.dev/messaging/formatting-message-text"""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
