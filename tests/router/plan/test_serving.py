"""What the `serve` section compiles to: who a key belongs to, and what each client gets for a model's name."""

from __future__ import annotations

import hashlib
import time

import pytest

from router.config import load_text
from router.config.units import Allowance
from router.plan.budget import Budget
from router.plan.compile import compile_plan
from router.plan.differences import differences
from router.plan.plan import Plan
from router.plan.rules import Limits
from router.plan.serving import Client, Serving

HEAD = """\
providers: {a: {kind: fake}, b: {kind: fake}}
models: {mini: {provider: a, id: m}}
routes: {chat: mini, code: b/m, own: b/n}
"""
ALICE, BOB, CI = "key-of-alice-0123456789", "key-of-bob-0123456789ab", "key-of-ci-0123456789abc"
SERVE = f"""\
serve:
  keys:
    alice: {{key: {ALICE}, budget: $20/d, limits: {{requests: 6/min}}}}
    bob: {{key: {BOB}, routes: [code, b/x]}}
    ci: {{sha256: {hashlib.sha256(CI.encode()).hexdigest().upper()}, routes: chat, namespace: all, cache: only}}
  names: {{"claude-haiku-*": chat, "claude-*": code, "gpt-?[1m]": mini}}
  listed: [claude-5, claude-haiku-5, "gpt-6[1m]"]
"""


def plan_of(serve: str = "", head: str = HEAD) -> Plan:
    return compile_plan(load_text(head + serve, env={}))


def serving(serve: str = SERVE) -> Serving:
    return plan_of(serve).serving


def client(served: Serving, key: str) -> Client:
    found = served.client_of(key)
    assert found is not None
    return found


def test_without_a_section_this_machine_alone_gets_all_routes() -> None:
    for served in (serving(""), serving("serve: {}\n"), serving("serve: {max_body: 1MB}\n")):
        assert [str(address) for address in served.listen] == ["127.0.0.1:4180"]
        assert served.clients == {}
        assert served.anonymous == Client("anonymous")
        assert served.listed_for(served.anonymous) == ("chat", "code", "own")


def test_a_key_tells_whose_it_is() -> None:
    served = serving()
    limits = Limits(requests=(Allowance(6, 60),))
    assert client(served, ALICE) == Client("alice", None, Budget("key alice", 20, 86_400), limits, "alice")
    assert client(served, CI) == Client("ci", frozenset({"chat"}), None, Limits(), "all", "only")
    assert served.anonymous is None
    for wrong in ("", ALICE[:-1], ALICE.upper(), next(iter(served.clients)), "\udc80", "\ud800"):
        assert served.client_of(wrong) is None


def test_what_a_client_gets_for_a_name() -> None:
    """The first pattern that fits decides, then routes by their own names; brackets are no pattern."""
    served = serving()
    alice, bob, ci = (client(served, key) for key in (ALICE, BOB, CI))
    gets = {
        "chat": ("chat", None, "chat"),
        "code": ("code", "code", None),
        "claude-haiku-5": ("chat", None, "chat"),
        "claude-haiku": ("code", "code", None),
        "claude-": ("code", "code", None),
        "claude": (None, None, None),
        "Claude-5": (None, None, None),
        "gpt-6[1m]": ("mini", None, None),
        "gpt-61": (None, None, None),
        "mini": (None, None, None),
        "b/x": (None, "b/x", None),
        "a/m": (None, None, None),
        "": (None, None, None),
        "claude-5\n": ("code", "code", None),
    }
    for name, routes in gets.items():
        assert tuple(served.route_of(name, each) for each in (alice, bob, ci)) == routes, name


@pytest.mark.parametrize(
    ("direct", "gets"),
    [
        ("false", [None, None, None]),
        ("true", ["mini", "a/x/y", "b/x"]),
        ("[a]", ["mini", "a/x/y", None]),
        ("[b]", [None, None, "b/x"]),
        ("[]", [None, None, None]),
    ],
)
def test_models_by_their_own_names_are_a_grant(direct: str, gets: list[str | None]) -> None:
    """To clients whose routes are not written out; the others get those alone."""
    served = serving(SERVE + f"  direct: {direct}\n")
    assert [served.route_of(name, client(served, ALICE)) for name in ("mini", "a/x/y", "b/x")] == gets
    assert [served.route_of(name, client(served, CI)) for name in ("mini", "a/x/y", "b/x")] == [None] * 3
    for nothing in ("c/x", "a/", "/x", "a", "nope"):
        assert served.route_of(nothing, client(served, ALICE)) is None


def test_what_a_client_is_told_of() -> None:
    served = serving()
    assert served.listed_for(client(served, ALICE)) == (
        "chat",
        "code",
        "own",
        "claude-5",
        "claude-haiku-5",
        "gpt-6[1m]",
    )
    assert served.listed_for(client(served, BOB)) == ("code", "b/x", "claude-5")
    assert served.listed_for(client(served, CI)) == ("chat", "claude-haiku-5")


def test_no_name_takes_long() -> None:
    """Patterns with many stars, against a name that nearly fits."""
    served = serving('serve: {names: {"*a*a*a*a*a*a*a*a*b": chat}}\n')
    assert served.anonymous is not None
    began = time.process_time()
    assert served.route_of("a" * 512, served.anonymous) is None
    assert served.route_of("a" * 1_000_000, served.anonymous) is None
    assert time.process_time() - began < 1  # backtracking would take years


def test_each_of_several_workers_gets_its_part() -> None:
    limits = "limits: {requests: [60/min, 2/h], tokens: 100k/min, in_flight: 3}"
    served = serving(f"serve: {{workers: 4, in_flight: 10, keys: {{alice: {{key: {ALICE}, {limits}}}}}}}\n")
    alice = client(served, ALICE)
    assert alice.limits.requests == ((15.0, 60.0), (1.0, 7200.0))
    assert alice.limits.tokens == ((25_000.0, 60.0),)
    assert (alice.limits.in_flight, served.in_flight) == (1, 2)


def test_another_address_is_held_to_the_same_rules() -> None:
    """`--listen` opens nothing that the file would not."""
    served = serving()
    assert [str(at) for at in served.listening_at(["0.0.0.0:80", "unix:/run/x"]).listen] == [
        "0.0.0.0:80",
        "unix:/run/x",
    ]
    assert served.listening_at([":80"]).client_of(ALICE) is not None
    with pytest.raises(ValueError, match="nobody needs a key"):
        serving("").listening_at(["127.0.0.1:1", "0.0.0.0:80"])
    with pytest.raises(ValueError, match="even without a key"):
        serving(SERVE + "  anonymous: {}\n").listening_at(["[::]:80"])
    with pytest.raises(ValueError, match="the port is missing"):
        served.listening_at(["0.0.0.0"])


def test_budgets_of_clients_are_among_the_plans() -> None:
    """And those that can't count a model of unknown price say so, as far as the client can get it."""
    plan = plan_of(SERVE.replace("bob: {", "bob: {budget: $1/h, "))
    assert [budget.owner for budget in plan.budgets] == ["key alice", "key bob"]
    told = dict(sentence.split(" does not count ") for sentence in plan.uncounted)
    assert told["the budget of key alice"].startswith("b/m, b/n, mini:")
    assert told["the budget of key bob"].startswith("b/m:")


def test_a_reload_says_what_follows_and_what_needs_a_restart() -> None:
    old = plan_of(SERVE)
    edited = (
        SERVE.replace("$20/d", "$5/d").replace("6/min", "7/min").replace(BOB, BOB + "x").replace(", cache: only", "")
    )
    new = plan_of(
        edited.replace("    bob:", "    dan: {key: key-of-dan-0123456789abcd}\n    bob:") + "  direct: true\n"
    )
    assert differences(old, new, {}) == (
        "key alice: budget $20 a day→$5 a day, limits",
        "key dan added",
        "key bob: another key",
        "key ci: cache",
        "serve.direct changed",
    )
    assert differences(new, old, {})[0] == "key dan removed"
    moved = "serve: {listen: 127.0.0.1:9, workers: 2, metrics: {listen: 127.0.0.1:10}, tls: {cert: a, key: b}}\n"
    assert differences(plan_of(), plan_of(moved), {})[0] == (
        "serve.listen, serve.tls, serve.workers, serve.metrics.listen changed, for the next start of `signalbox serve`"
    )
    assert differences(plan_of(), plan_of("serve: {listen: 127.0.0.1:9}\n"), {}) == (
        "serve.listen changed, for the next start of `signalbox serve`",
    )
    assert differences(old, plan_of(SERVE + "# a comment\n"), {}) == ()
    key = "serve: {keys: {a: {key: sb-aaaaaaaaaaaaaaaaaaaa}}}\n"
    assert differences(plan_of(key), plan_of(), {}) == (
        "key a removed",
        "callers without a key are let in from the next start on",
    )
    assert differences(plan_of(key), plan_of("serve: {anonymous: {}}\n"), {})[1] == "callers without a key are let in"
    assert differences(plan_of(), plan_of(key), {})[1] == "callers without a key are no longer let in"
