"""The `serve` section: what may be written, what it means, and that no key of a client shows anywhere."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml

from router.config import LoadResult, load_text
from router.config.json_schema import json_schema
from router.config.listen import Address, read_address
from router.config.serve_schema import ServeConfig
from router.plan.compile import compile_plan

HEAD = """\
providers: {a: {kind: fake}, b: {kind: fake}}
models: {mini: {provider: a, id: m}}
routes: {chat: mini, code: b/m}
"""
FULL = """\
defaults: {cache: {ttl: 1h}}
serve:
  listen: [127.0.0.1:4180, unix:/run/sb.sock]
  keys:
    alice: {key: "${SB_KEY_ALICE}", routes: [chat, b/x], budget: $20/d, limits: {requests: 60/min, in_flight: 8}}
    bob: "${SB_KEY_BOB}"
    ci: {sha256: 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08, namespace: all, cache: only}
  anonymous: {routes: chat}
  names: {"claude-haiku-*": chat, "claude-*": code, gpt-6: mini}
  listed: claude-sonnet-5
  direct: [a]
  max_body: 8MB
  in_flight: 64
  max_connections: 100
  keepalive: 5s
  drain: 1m
  lead: 5s
  origins: [https://App.example:443, "http://localhost:3000", "app://obsidian.md"]
  forward: {headers: Anthropic-Beta, user: true}
  tags: [tier, team]
  expose_errors: true
  workers: 1
  audit: /var/log/audit.jsonl
  metrics: {listen: "[::1]:9180"}
"""
KEYS = {"SB_KEY_ALICE": "key-of-alice-0123456789", "SB_KEY_BOB": "key-of-bob-0123456789ab"}


def read(serve: str, **env: str) -> LoadResult:
    return load_text(HEAD + serve, env=env)


def said(serve: str, **env: str) -> list[str]:
    return [found.message for found in read(serve, **env).diagnostics]


def test_a_full_section_is_read_without_a_word() -> None:
    loaded = read(FULL, **KEYS)
    assert loaded.diagnostics == ()
    serve = loaded.require().serve
    assert serve is not None
    assert serve.listen == (Address("127.0.0.1", 4180), Address(path="/run/sb.sock"))
    assert (serve.max_body, serve.keepalive, serve.drain, serve.lead) == (8_000_000, 5.0, 60.0, 5.0)
    assert serve.keys["ci"].sha256 == "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    assert serve.origins == ("https://app.example", "http://localhost:3000", "app://obsidian.md")
    assert (serve.forward.headers, serve.forward.user, serve.listed) == (
        ("anthropic-beta",),
        True,
        ("claude-sonnet-5",),
    )
    assert serve.metrics is not None
    assert str(serve.metrics.listen) == "[::1]:9180"


def test_the_schema_has_every_key_and_takes_what_the_loader_takes() -> None:
    check = jsonschema.Draft202012Validator(json_schema())
    check.validate(yaml.safe_load(HEAD + FULL))
    assert set(yaml.safe_load(FULL)["serve"]) == ServeConfig.model_fields.keys() - {"tls"}
    assert not check.is_valid(yaml.safe_load(HEAD + "serve: {keys: {alice: {kee: x}}}"))
    assert not check.is_valid(yaml.safe_load(HEAD + "serve: {keys: {alice: {sha256: abc}}}"))


def test_no_key_of_a_client_shows() -> None:
    """Neither in messages, nor in the shown text, nor in what the file or the plan prints and dumps."""
    written = "literal-key-of-gina-0123"
    loaded = read(FULL + f"  nonsense: {written}\n", **KEYS)
    broken = FULL.replace("bob:", f"gina: {written}\n    hal: {{kee: {written}2, key: short-secret}}\n    bob:")
    # The name itself is wrong, and the YAML is.
    others = [read(broken.replace("keys:", name, 1), **KEYS) for name in ("keys:", "kyes:")]
    others.append(read(broken + "  - [", **KEYS))
    good = read(FULL.replace("bob:", f"gina: {written}\n    bob:"), **KEYS)
    file = good.require()
    texts = [good.shown, repr(file), file.model_dump_json(warnings=False), repr(compile_plan(good).serving)]
    for each in (loaded, *others):
        texts += [each.shown, *(found.render() for found in each.diagnostics)]
    for secret in (written, "short-secret", *KEYS.values()):
        assert secret not in "\n".join(texts)


def test_of_a_client_all_but_its_key_is_shown() -> None:
    """A finding shows its line; what may hold a key in another form than it is read, is blank."""
    text = """\
serve:
  keys:
    alice: {key: "${SB_KEY_ALICE}", routes: [chta], budget: $2/d}
    bob:
      key: literal-key-of-bob-0123
      limits:
        requests: 5/min
      routes: [chat]  # was literal-key-of-old
    gina: literal-key-of-gina-012
    escaped: "literal\\"key-0123456789"
    number: 1234567890123456789012
    folded: >
      literal-key-of-folded-01
    short: abc
"""
    loaded = read(text, **KEYS)
    assert 'no route or model is named "chta"' in loaded.diagnostics[0].message
    assert loaded.diagnostics[0].source.strip() == text.splitlines()[2].strip()
    shown = loaded.shown.removeprefix(HEAD).splitlines()
    for line in (0, 1, 2, 3, 5, 6):
        assert shown[line] == text.splitlines()[line]
    assert shown[8] == "    gina: " + "*" * 23
    assert not any(word in "".join(shown) for word in ("literal", "0123456789", "abc", "old"))


def test_a_key_in_place_of_a_name_shows_nowhere() -> None:
    key = "sb-hS6iANX5QlTs34fni5mcvhopHJW2SHoULSi0Z43sYpQ"
    loaded = read(f"serve: {{keys: {{{key}: {{routs: chat}}}}}}\n")
    first, *others = (found.render() for found in loaded.diagnostics)
    assert "a client's name stands here, not its key: write `alice: ${SB_KEY_ALICE}`" in first
    assert not any(key in text for text in (first, *others, loaded.shown))


def test_an_unset_variable_leaves_out_the_client_that_says_so() -> None:
    """And nothing else: no other client, and none of the callers without a key comes in for it."""
    serve = 'serve: {keys: {alice: {key: "${UNSET}", when_unset: disable}, bob: "${SB_KEY_BOB}"}}\n'
    serving = compile_plan(read(serve, **KEYS)).serving
    assert (list(serving.by_name), serving.left_out) == (["bob"], ("alice",))
    alone = compile_plan(read('serve: {keys: {alice: {key: "${UNSET}", when_unset: disable}}}\n')).serving
    assert (alone.clients, alone.anonymous) == ({}, None)
    assert said('serve: {keys: {alice: {key: "${UNSET}"}}}\n') == [
        "the variable UNSET is not set (set it, or give a default: ${UNSET:-…})"
    ]
    (told,) = said(
        'serve: {keys: {alice: {key: "${SB_KEY_BOB}", namespace: "${UNSET}", when_unset: disable}}}\n', **KEYS
    )
    assert told.startswith("the variable UNSET is not set")


@pytest.mark.parametrize(
    ("text", "is_loopback"),
    [
        ("127.0.0.1:4180", True),
        ("127.9.9.9:1", True),
        ("localhost:80", True),
        ("LOCALHOST:80", True),
        ("[::1]:80", True),
        ("[::ffff:127.0.0.1]:80", True),
        ("unix:/run/sb.sock", True),
        ("0.0.0.0:80", False),
        (":80", False),
        ("[::]:80", False),
        ("[::ffff:10.0.0.1]:80", False),
        ("10.0.0.1:80", False),
        ("localhost.example:80", False),
        ("127.0.0.1.example:80", False),
    ],
)
def test_who_can_reach_an_address(text: str, is_loopback: bool) -> None:
    address = read_address(text)
    assert str(address) == text
    assert address.is_loopback is is_loopback


@pytest.mark.parametrize(
    ("one", "other", "clashes"),
    [
        ("127.0.0.1:80", "127.0.0.1:81", False),
        ("127.0.0.1:80", "127.0.0.2:80", False),
        ("127.0.0.1:80", "[::1]:80", False),
        ("127.0.0.1:80", "0.0.0.0:80", True),
        ("127.0.0.1:80", ":80", True),
        ("[::1]:80", ":80", True),
        ("[::1]:80", "0.0.0.0:80", False),
        ("localhost:80", "[::1]:80", True),
        ("localhost:80", "10.0.0.1:80", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
        ("unix:/a", "unix:/b", False),
        ("unix:/a", "unix:///a", True),
    ],
)
def test_what_cannot_be_listened_to_at_once(one: str, other: str, clashes: bool) -> None:
    addresses = read_address(one), read_address(other)
    assert addresses[0].clashes(addresses[1]) is addresses[1].clashes(addresses[0]) is clashes


def test_an_address_from_a_variable_is_read_like_a_written_one() -> None:
    serve = read('serve: {listen: "${AT}"}\n', AT="127.0.0.1:99").require().serve
    assert serve is not None
    assert serve.listen == (Address("127.0.0.1", 99),)
    assert said("serve:\n  listen: ${AT}\n", AT="99") == [
        "a port needs an address: write 127.0.0.1:99 for this machine alone, or :99 for all"
    ]
    assert said("serve: {listen: 99999}\n") == ["a port is a number from 0 to 65535; 0 takes any that is free"]
    (told,) = said("serve:\n  listen: ${AT}\n", AT="0.0.0.0:99")
    assert "nobody needs a key" in told


def test_a_name_that_leads_to_nothing_is_not_listed() -> None:
    (told,) = said("serve: {names: {'claude-*': code}, listed: [chat, claude-5, clade-6, b/x, mini]}\n")[:1]
    assert told.startswith('"clade-6" leads to nothing: add it to names')
    assert len(said("serve: {listed: [b/x, mini]}\n")) == 2
    assert said("serve: {listed: [b/x, mini], direct: true}\n") == []


def test_a_pattern_that_hides_a_route_is_warned_of() -> None:
    (told,) = said("serve: {names: {'c*': chat}}\n")
    assert told == '"c*" takes the route "code" too: clients can\'t get it by its own name; put `code: code` before it'
    assert said("serve: {names: {code: code, 'c*': chat}}\n") == []
    assert said("serve: {names: {'co*': code, 'c*': chat}}\n") == []


@pytest.mark.parametrize(
    ("first", "second", "hidden"),
    [
        ("*", "x", True),
        ("a*", "a*b", True),
        ("a*", "ab*", True),
        ("a?", "ab", True),
        ("a?", "a*", False),
        ("a?*", "a*", False),
        ("*a*", "xax", True),
        ("**", "*", True),
        ("?", "*", False),
        ("a[1m]", "a1", False),
        ("a.", "ab", False),
        ("A*", "ab", False),
    ],
)
def test_a_pattern_that_is_never_reached_is_told(first: str, second: str, hidden: bool) -> None:
    told = said(f"serve: {{names: {{{json.dumps(first)}: chat, {json.dumps(second)}: chat}}}}\n")
    assert any("never reached" in each for each in told) is hidden


def test_workers_share_limits_and_say_so() -> None:
    keys = 'keys: {bob: {key: "${SB_KEY_BOB}", limits: {requests: 60/min}}}'
    (told,) = said(f"serve: {{workers: 4, {keys}}}\n", **KEYS)
    assert told == "workers know nothing of each other's requests: each of 4 gets one part in 4 of the limits of bob"
    assert read(f"serve: {{workers: 4, {keys}}}\n", **KEYS).file is not None
    assert len(said("serve: {workers: 2, in_flight: 100}\n")) == 1
    assert said("serve: {workers: 2}\n") == []
    assert said("serve: {workers: 2, listen: 127.0.0.1:0}\n") == [
        "each of 2 workers would take another port: write one, or one worker"
    ]


def test_a_vendors_key_is_no_clients_key() -> None:
    """Whoever has it can ask the vendor itself, past every limit."""
    text = HEAD.replace("fake}, b", 'fake, api_key: "${SB_KEY_BOB}"}, b') + 'serve: {keys: {bob: "${SB_KEY_BOB}"}}\n'
    (told,) = load_text(text, env=KEYS).diagnostics
    assert (told.severity, told.path) == ("warning", "serve.keys.bob")
    assert told.message == "it is the key of the provider a as well: who knows it needs no gateway"


def test_cached_answers_alone_where_there_are_none() -> None:
    serve = 'serve: {keys: {bob: {key: "${SB_KEY_BOB}", cache: only, routes: [code]}}}\n'
    (told,) = said(serve, **KEYS)
    assert told.startswith("none of its routes keeps answers (cache.ttl)")
    assert said("defaults: {cache: {ttl: 1h}}\n" + serve, **KEYS) == []


def test_figures_of_several_workers_need_ports_of_their_own() -> None:
    serve = "serve: {{workers: {}, listen: 127.0.0.1:9182, metrics: {{listen: 127.0.0.1:9180}}}}\n"
    assert said(serve.format(2)) == []
    assert said(serve.format(3)) == ["the address 127.0.0.1:9182 is here twice (line 4)"]


def test_what_names_lead_to_is_in_use() -> None:
    """`check` warns of models and providers that nothing uses: a pattern and a client's routes are a use."""
    head = "providers: {a: {kind: fake}, b: {kind: fake}}\nmodels: {mini: {provider: b, id: m}}\nroutes: {chat: a/m}\n"
    assert len(load_text(head, env={}).diagnostics) == 1
    assert load_text(head + "serve: {names: {x: mini}}\n", env={}).diagnostics == ()
    assert load_text(head + "serve: {anonymous: {routes: [mini]}}\n", env={}).diagnostics == ()


JUNK: list[Any] = [None, True, 0, -1, 3.5, "", "x", "*", "${UNSET}", [], [None], [[1]], {}, {"x": 1}, {"": None}]


@pytest.mark.parametrize("name", sorted(ServeConfig.model_fields))
def test_whatever_stands_under_a_key_is_told_and_nothing_breaks(name: str) -> None:
    for junk in JUNK:
        for value in (
            junk,
            {"alice": junk},
            {"alice": {"key": junk, "sha256": junk, "routes": junk}},
            {"listen": junk},
        ):
            loaded = load_text(HEAD + yaml.safe_dump({"serve": {name: value, "workers": 2}}), env={})
            assert loaded.file is not None or loaded.diagnostics
            assert loaded.file is None or compile_plan(loaded).serving.routes == ("chat", "code")
    assert load_text(HEAD + "serve: 3\n", env={}).file is None


def test_bytes_that_are_no_text_are_no_key() -> None:
    """A variable may hold any; Python has them as lone surrogates."""
    (told,) = said('serve: {keys: {bob: "${KEY}"}}\n', KEY="\udc80" * 30)
    assert told.startswith("no client could send this key")
