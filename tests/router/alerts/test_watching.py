"""A router in trouble tells people by webhooks: in which form, once for all its processes, whatever they answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from providers import FakeProvider, ProviderSettings
from providers.errors import ErrorCode
from providers.fake import Fail, Reply, Step
from providers.types import Usage
from router import Router, SignalboxError
from router.alerts import outbox, watcher
from tests.support.moved_clock import MovedClock
from tests.support.waiting import until
from tests.support.webhook import Webhook, webhook

FILE = """
providers: {{a: {{kind: fake, budget: $0.05/month}}}}
models: {{paid: {{provider: a, id: m, price: {{input: 5, output: 5}}, breaker: {{consecutive: 2, open_for: 5m}}}}}}
routes: {{chat: {{targets: [paid], retry: {{max_attempts: 1}}}}}}
telemetry: {{monitor: "{socket}"}}
alerts:
{alerts}
"""
CENT = Reply("x", usage=Usage(input_tokens=1000, output_tokens=1000))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(watcher, "EVERY", 0.02)
    monkeypatch.setattr(outbox, "BACKOFF", 0.01)
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Awaitable[None]]:
    """Wait until all who watch have looked some times more."""
    looks = 0
    look = watcher.Watcher.look

    async def counted(self: watcher.Watcher) -> bool:
        nonlocal looks
        goes_on = await look(self)
        looks += 1
        return goes_on

    async def some() -> None:
        enough = looks + 10
        await until(lambda: looks >= enough)

    monkeypatch.setattr(watcher.Watcher, "look", counted)
    return some


class Shop:
    def __init__(self, folder: Path, *alerts: str, monitor: str = "off") -> None:
        self.path = folder / "routes.yaml"
        self.monitor = monitor
        self.write(*alerts)
        self.step: Step = CENT

    def write(self, *alerts: str) -> None:
        lines = "\n".join(f"  - {{{alert}}}" for alert in alerts) or "  []"
        self.path.write_text(FILE.format(alerts=lines, socket=self.monitor))

    def router(self, url: str) -> Router:
        settings = ProviderSettings(name="a", kind="fake", options={"script": lambda _: self.step})
        return Router.from_yaml(self.path, env={"ALERT_URL": url}, watch=False, providers={"a": FakeProvider(settings)})


async def ask(router: Router, times: int = 1) -> None:
    for _ in range(times):
        with suppress(SignalboxError):
            await router.complete("chat", "hi")


async def test_an_open_breaker_is_told_and_nothing_else_of_the_request(tmp_path: Path) -> None:
    shop = Shop(tmp_path, 'on: breaker_open, to: "${ALERT_URL}"')
    async with webhook() as hook, shop.router(hook.url) as router:
        shop.step = Fail(ErrorCode.SERVER_ERROR)
        await ask(router, 3)
        await hook.until(lambda: hook.got)
    (body,) = hook.got
    assert (body["alert"], body["state"], body["app"]) == ("breaker_open", "firing", tmp_path.name)
    assert any(each["who"] == "paid" for each in body["troubles"])
    assert "SECRET-PATH" not in str(body)


async def test_a_budget_is_told_in_slacks_form(tmp_path: Path, looked: Callable[[], Awaitable[None]]) -> None:
    shop = Shop(tmp_path, 'on: budget, above: 50%, to: "${ALERT_URL}", form: slack')
    async with webhook() as hook, shop.router(hook.url) as router:
        await ask(router, 2)
        await looked()
        assert not hook.got
        await ask(router, 2)
        await hook.until(lambda: hook.got)
    (body,) = hook.got
    assert list(body) == ["text"]
    assert "the budget of provider a: $0.04 of $0.05 spent (80%)" in body["text"]


async def test_error_rates_and_slow_answers_need_some_requests(
    tmp_path: Path, looked: Callable[[], Awaitable[None]]
) -> None:
    shop = Shop(tmp_path, 'on: error_rate, above: 20%, route: chat, to: "${ALERT_URL}"')
    async with webhook() as hook, shop.router(hook.url) as router:
        shop.step = Fail(ErrorCode.CONTENT_FILTERED)
        await ask(router, 3)
        await looked()
        assert not hook.got, "three say nothing"
        await ask(router, 20)
        await hook.until(lambda: hook.got)
    assert "route chat: 100% failed in the last minute" in hook.got[0]["text"]


async def test_two_processes_of_a_file_have_one_sender_and_another_goes_on(
    tmp_path: Path, looked: Callable[[], Awaitable[None]]
) -> None:
    shop = Shop(tmp_path, 'on: breaker_open, to: "${ALERT_URL}"', 'on: budget, above: 50%, to: "${ALERT_URL}"')
    shop.step = Fail(ErrorCode.SERVER_ERROR)
    async with webhook() as hook:
        one, other = shop.router(hook.url), shop.router(hook.url)
        async with other:
            async with one:
                await asyncio.gather(ask(one, 3), ask(other, 3))
                await hook.until(lambda: hook.got)
                await looked()
            assert len(hook.got) == 1
            await looked()
            assert len(hook.got) == 1, "what was told is told"
            shop.step = CENT
            other.breaker("paid", "close")
            await ask(other, 4)
            await hook.until(lambda: len(hook.got) > 1)
        assert [body["alert"] for body in hook.got] == ["breaker_open", "budget"]


async def test_what_another_process_sees_is_told_too(tmp_path: Path, looked: Callable[[], Awaitable[None]]) -> None:
    shop = Shop(tmp_path, 'on: breaker_open, to: "${ALERT_URL}"', monitor=str(tmp_path / "s"))
    async with webhook() as hook, shop.router(hook.url) as one:
        await ask(one)
        await looked()
        async with shop.router(hook.url) as other:
            shop.step = Fail(ErrorCode.SERVER_ERROR)
            await ask(other, 3)
            await hook.until(lambda: hook.got)
        assert len(hook.got) == 1


async def test_an_edit_takes_effect_at_once(tmp_path: Path, looked: Callable[[], Awaitable[None]]) -> None:
    shop = Shop(tmp_path, 'on: held, to: "${ALERT_URL}"')
    async with webhook() as hook, shop.router(hook.url) as router:
        shop.step = Fail(ErrorCode.SERVER_ERROR)
        await ask(router, 3)
        await looked()
        assert not hook.got
        shop.write('on: breaker_open, to: "${ALERT_URL}"')
        result = await router.reload()
        assert result.changes == ("alert held removed", "alert breaker_open added")
        await hook.until(lambda: hook.got)
        shop.write('on: shared_away, to: "${ALERT_URL}"')
        assert not (await router.reload()).accepted
        shop.write()
        await router.reload()
        assert router.plan.alerts == ()


async def test_a_rejected_edit_is_told(tmp_path: Path) -> None:
    shop = Shop(tmp_path, 'on: reload_rejected, to: "${ALERT_URL}"')
    async with webhook() as hook, shop.router(hook.url) as router:
        await ask(router)
        shop.path.write_text(shop.path.read_text().replace("[paid]", "[padi]"))
        await router.reload()
        await hook.until(lambda: hook.got)
    assert 'no model is named "padi"' in hook.got[0]["text"] or "padi" in hook.got[0]["text"]


# --- webhooks that fail


async def send(hook: Webhook, count: int = 1, url: str | None = None) -> outbox.Outbox:
    box = outbox.Outbox()
    for number in range(count):
        box.put(url or hook.url, {"number": number}, "http://127.0.0.1/…")
    await hook.until(lambda: box.sent + box.lost == count)
    await box.aclose()
    return box


@pytest.mark.parametrize("statuses", [[500, 503], [None, None], [429], [408, 502, 504, None]])
async def test_what_may_pass_is_tried_again(statuses: list[int | None]) -> None:
    async with webhook() as hook:
        hook.statuses = list(statuses)
        box = await send(hook)
    assert (box.sent, len(hook.got), hook.tries) == (1, 1, len(statuses) + 1)


@pytest.mark.parametrize("status", [301, 307, 400, 403, 404, 410])
async def test_a_refusal_or_a_redirect_is_not(status: int, caplog: pytest.LogCaptureFixture) -> None:
    """A redirect may lead anywhere: it is not followed."""
    async with webhook() as hook, webhook() as elsewhere:
        hook.statuses, hook.headers = [status], {"location": elsewhere.url}
        with caplog.at_level(logging.WARNING, "signalbox.alerts"):
            box = await send(hook)
    assert (box.lost, hook.tries, elsewhere.tries) == (1, 1, 0)
    assert f"an alert could not be sent to http://127.0.0.1/…: it answers {status}" in caplog.text
    assert "SECRET-PATH" not in caplog.text


async def test_one_that_is_down_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async with webhook() as hook:
        gone = hook.url
    with caplog.at_level(logging.WARNING, "signalbox.alerts"):
        box = await send(hook, url=gone)
    assert box.lost == 1
    assert "no connection" in caplog.text
    assert "SECRET-PATH" not in caplog.text


async def test_a_slow_one_holds_up_no_other_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "ENDING", 0.05)
    async with webhook() as hook, webhook() as other:
        hook.slow = True
        box = outbox.Outbox()
        for _ in range(outbox.WAITING + 10):
            box.put(hook.url, {}, "slow")
        box.put(other.url, {}, "other")
        await hook.until(lambda: other.got and hook.tries)
        assert box.lost >= 9, "those that wait are bounded"
        async with asyncio.timeout(30):
            await box.aclose()


async def test_no_answer_within_a_time_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "TIMEOUT", 5.0)
    async with webhook() as hook:
        hook.slow = True
        clock = MovedClock()
        sending = asyncio.create_task(send(hook))
        for tries in range(1, outbox.TRIES + 1):
            await hook.until(lambda tries=tries: hook.tries == tries)
            clock.move_on(outbox.TIMEOUT)
        box = await sending
        assert (box.lost, hook.tries) == (1, outbox.TRIES)
