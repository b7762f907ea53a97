"""The `shared` section of routes.yaml: what may be written, where errors point, and what never shows."""

from __future__ import annotations

import pytest

from router.config import load_text
from router.plan.compile import compile_plan
from router.plan.differences import differences
from router.plan.plan import Plan

BEFORE = "providers: {a: {kind: fake, limits: {requests: 5/min}}}\nroutes: {chat: a/m}\n"


def errors(shared: str) -> list[tuple[int, int, str]]:
    found = load_text(BEFORE + shared, env={}).diagnostics
    return [(one.line, one.column, one.message) for one in found if one.severity == "error"]


def plan(text: str, name: str = "routes.yaml", **env: str) -> Plan:
    return compile_plan(load_text(text, name=name, env=env))


def test_the_shortest() -> None:
    shared = plan(BEFORE + "shared: {url: '${REDIS_URL}'}", "/etc/shop.yaml", REDIS_URL="redis://:pw@cache/1").shared
    assert shared is not None
    assert (shared.url, shared.app, shared.away, shared.lease) == ("redis://:pw@cache/1", "shop", "share", 2.0)
    assert plan(BEFORE).shared is None


@pytest.mark.parametrize(
    ("shared", "column", "told"),
    [
        ("shared: {url: redis://x, share: [limits, money]}", 26, '"money" can\'t be shared; what can: limits'),
        (
            "shared: {url: redis://x, share: cache}",
            26,
            "shared answers are sealed with a secret, and there is none: add",
        ),
        ("shared: {url: redis://x, share: [limits, cache]}", 26, "shared answers are sealed with a secret"),
        ("shared: {url: local, share: cache, secret: s}", 22, "url: local has no server that could keep answers"),
        ("shared: {url: redis://x, single_flight: maybe}", 41, "this must be on or off"),
        ("shared: {url: redis://x, share: []}", 26, "this is empty; it needs at least one entry"),
        ("shared: {url: http://x}", 15, "this must be redis://host:6379/0; an address for HTTP"),
        ("shared: {url: 'redis://'}", 15, "the host is missing"),
        ("shared: {url: unix://}", 15, "the path is missing"),
        ("shared: {url: 'redis://x:99999'}", 15, "a host or port can't be read"),
        ("shared: {url: redis+sentinel://x}", 15, "the name by which the Sentinels know the server is missing"),
        ("shared: {app: shop}", 1, '"url" is missing'),
        ("shared: {url: redis://x, away: never}", 32, "this must be one of 'share', 'local' or 'refuse'"),
        ("shared: {url: redis://x, lease: 1m}", 33, "this must not be more than 10s"),
        ("shared: {url: redis://x, timeout: 3s}", 35, "this must not be more than 2s"),
        ("shared: {url: redis://x, shards: 65}", 34, "this must not be more than 64"),
        ("shared: {url: redis://x, shards: 0}", 34, "this must be"),
    ],
)
def test_errors_say_where_and_what(shared: str, column: int, told: str) -> None:
    ((line, at, message),) = errors(shared)
    assert (line, at) == (3, column)
    assert message.startswith(told)


def test_a_provider_says_that_it_is_not_shared() -> None:
    text = BEFORE + "shared: {url: redis://x}"
    assert plan(text).targets[0].share_id
    assert plan(text).targets[0].keys[0].share_id
    own = plan(text.replace("kind: fake", "kind: fake, shared: false"))
    assert own.targets[0].share_id == own.targets[0].keys[0].share_id == ""


def test_passwords_and_secrets_never_show() -> None:
    text = BEFORE + "shared: {url: redis://me:planted-1@x, secret: planted-2, passwort: planted-3}"
    loaded = load_text(text, env={})
    assert loaded.file is None
    assert "planted" not in loaded.shown + "".join(one.render() for one in loaded.diagnostics)
    loaded = load_text(text.replace(", passwort: planted-3", ""), env={})
    assert "planted" not in repr(loaded.file) + str(loaded.require().model_dump()) + loaded.shown
    bad = load_text(BEFORE + "shared: {url: redi://me:planted-1@x}", env={})
    assert "planted" not in "".join(one.render() for one in bad.diagnostics)


def _ids(provider: str, key: str = "k") -> str:
    text = f"providers: {{a: {{{provider}}}}}\nroutes: {{chat: a/m}}\nshared: {{url: redis://x}}"
    return plan(text, K=key).targets[0].keys[0].share_id


def test_what_stands_for_a_key_is_the_same_whatever_the_way_there() -> None:
    plain = _ids("kind: openai, api_key: '${K}'")
    assert plain == _ids("kind: openai, api_key: '${K}', proxy: 'http://proxy:3128', verify: false")
    assert plain == _ids("kind: openai, api_key: '${K}', headers: {x-team: a}")
    assert plain != _ids("kind: openai, api_key: '${K}'", key="another")
    assert plain != _ids("kind: openai, api_key: '${K}', headers: {OpenAI-Organization: other}")
    assert plain != _ids("kind: openai, api_key: '${K}', base_url: https://other.example/v1")
    assert _ids("kind: openai, headers: {api-key: one}") != _ids("kind: openai, headers: {api-key: two}")


def test_a_server_of_this_machine_is_no_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    for local in (
        "kind: ollama",
        "kind: ollama, base_url: http://127.0.0.1:11434",
        "kind: ollama, base_url: 'http://[::1]'",
    ):
        here = _ids(local)
        assert here == _ids(local)
        with monkeypatch.context() as patch:
            patch.setattr("platform.node", lambda: "elsewhere")
            assert here != _ids(local)
            assert _ids("kind: openai, api_key: '${K}'") == _ids("kind: openai, api_key: '${K}'")


def test_a_reload_says_what_changes() -> None:
    text = BEFORE + "shared: {url: redis://x}"
    changes = [
        (BEFORE, text, "shared added"),
        (text, BEFORE, "shared removed"),
        (text, text.replace("//x", "//y"), "shared reconnects"),
        (text, text.replace("//x", "//x, away: refuse, lease: 1s"), "shared.away, shared.lease changed"),
        (text, text.replace("//x", "//x, secret: s, share: [limits, cache]"), "shared.share changed"),
        (text, text.replace("//x", "//x, single_flight: on"), "shared.single_flight changed"),
    ]
    for before, after, told in changes:
        assert told in differences(plan(before), plan(after), {})


def test_the_client_has_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.config.shared_rules.find_spec", lambda name: None)
    ((line, _, message),) = errors("shared: {url: redis://x}")
    assert line == 3
    assert 'pip install "llm-signalbox[redis]"' in message


CACHED = BEFORE.replace("chat: a/m", "chat: {targets: [a/m], cache: {ttl: 1h}}")


def test_answers_are_shared_by_those_with_a_secret() -> None:
    loaded = load_text(CACHED + "shared: {url: redis://x, share: [limits, cache], secret: '${S}'}", env={"S": "s"})
    assert not loaded.diagnostics
    assert compile_plan(loaded).shares_answers
    assert not plan(CACHED + "shared: {url: redis://x, secret: s}").shares_answers


@pytest.mark.parametrize("written", ["on", "true", "off", "false"])
def test_one_call_for_all_machines_is_on_or_off(written: str) -> None:
    text = CACHED + f"shared: {{url: redis://x, share: [cache], secret: s, single_flight: {written}}}"
    shared = plan(text).shared
    assert shared is not None
    assert shared.single_flight is (written in ("on", "true"))


@pytest.mark.parametrize(
    ("file", "shared", "told"),
    [
        (BEFORE, "share: [limits, cache], secret: s", "no answers are shared: no route keeps any"),
        (CACHED, "single_flight: on", "it has no effect: answers are not shared"),
    ],
)
def test_what_has_no_effect_is_told(file: str, shared: str, told: str) -> None:
    (one,) = load_text(f"{file}shared: {{url: redis://x, {shared}}}", env={}).diagnostics
    assert (one.severity, one.line, one.column) == ("warning", 3, 26)
    assert one.message.startswith(told)


def test_answers_alone_need_no_limits() -> None:
    text = "providers: {a: {kind: fake}}\nroutes: {chat: {targets: [a/m], cache: {ttl: 1h}}}\n"
    loaded = load_text(text + "shared: {url: redis://x, share: cache, secret: s}", env={})
    assert not loaded.diagnostics
    assert (rules := compile_plan(loaded).shared) is not None
    assert not rules.exchanged


def test_a_file_without_limits_is_told_that_nothing_is_shared() -> None:
    text = "providers: {a: {kind: fake}}\nroutes: {chat: a/m}\nshared: {url: redis://x}"
    assert ["nothing is shared" in one.message for one in load_text(text, env={}).diagnostics] == [True]
    assert not load_text(BEFORE + "shared: {url: redis://x}", env={}).diagnostics
    defaults = text + "\ndefaults: {limits: {tokens: 5k/min}}"
    assert not load_text(defaults, env={}).diagnostics
