"""A routes.yaml explains its own mistakes: all of them at once, to the line and column."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from router.config import ConfigError, LoadResult, UnreadableFile, effective, load, load_text
from router.config.diagnostics import Findings
from router.config.json_schema import json_schema
from router.config.yaml_reader import read_yaml
from tests.support.paths import ROOT

BAD = sorted((ROOT / "tests" / "router" / "config" / "bad_routes").glob("*.yaml"))
EXAMPLE = ROOT / "routes.example.yaml"

PROVIDERS = """\
providers:
  a: {kind: openai, base_url: "http://127.0.0.1:1/v1"}
  b: {kind: ollama}
"""


def read(text: str, **env: str) -> LoadResult:
    return load_text(text, env=env)


def valid(text: str, **env: str) -> Any:
    loaded = read(text, **env)
    assert loaded.file is not None, [found.render() for found in loaded.diagnostics]
    return loaded.file


# --- mistakes


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_every_mistake_of_a_bad_file_is_told(path: Path) -> None:
    """Exactly the findings that the file's `# expect:` lines name, at their line and column, in one go."""
    marker = "# expect: "
    wanted = [line.removeprefix(marker) for line in path.read_text().splitlines() if line.startswith(marker)]
    loaded = load(path, env={})
    found = [
        f"{each.line}:{each.column}: {each.path + ': ' if each.path else ''}{each.message}"
        for each in loaded.diagnostics
    ]
    assert wanted
    assert loaded.file is None
    assert len(found) == len(wanted), found
    for said, expected in zip(found, wanted, strict=True):
        assert said.startswith(expected)


def test_a_finding_shows_its_line_with_a_caret() -> None:
    """File, place, path, what is wrong, and how to mend it; then the line itself."""
    with pytest.raises(ConfigError) as caught:
        read(PROVIDERS + "models: {llama: {provider: a, id: m}}\nroutes:\n  chat: lama\n").require()
    assert str(caught.value).splitlines() == [
        'routes.yaml:6:9: routes.chat: no model or route is named "lama" (did you mean "llama"?)',
        "    chat: lama",
        "          ^",
    ]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "a directory"),
        (lambda path: path.write_bytes(b"# " + b"x" * 2 * 1024 * 1024), "larger than 1 MiB"),
        (lambda path: path.write_bytes(b"\x7fELF\x00\x01\x02"), "a binary file"),
        (lambda path: path.write_bytes(b"a: \xff\xfe"), "not UTF-8"),
        (lambda path: path.symlink_to(path), "can't be read"),
    ],
)
def test_what_cannot_be_read_says_so_in_one_line(tmp_path: Path, make: Any, reason: str) -> None:
    """A missing file, a directory, a huge one, a binary one: the path, and what to do."""
    path = tmp_path / "routes.yaml"
    make(path)
    with pytest.raises(UnreadableFile) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_secrets_are_in_no_message() -> None:
    """Neither literal keys nor what a variable held, wherever the mistake is."""
    text = """\
providers:
  a: {kind: openia, api_key: sk-literal-1234, headers: {x-key: literal-5678}, base_url: "http://u:pass-9@h/${SECRET}"}
  b: {kind: "${SECRET}", api_key: "${SECRET}", proxy: "${SECRET}"}
models:
  m: {provider: "${SECRET}", id: "${SECRET}", context_window: "${SECRET}"}
routes:
  chat: ["${SECRET}", m]
"""
    loaded = read(text, SECRET="hush-0000")
    said = "\n".join(found.render() for found in loaded.diagnostics)
    assert len(loaded.diagnostics) >= 5
    for secret in ("sk-literal-1234", "literal-5678", "pass-9", "hush-0000"):
        assert secret not in said
        assert secret not in repr(loaded)


def test_variables_in_a_list_and_what_follows_it_are_told() -> None:
    loaded = read(
        'providers:\n  a: {kind: openia, api_keys: ["${A}", "${B}"], limits: {requests: 5/min}}\n', A="x", B="y"
    )
    found = next(each for each in loaded.diagnostics if each.line == 2)
    assert found.source == '  a: {kind: openia, api_keys: ["${A}", "${B}"], limits: {requests: 5/min}}'


KEY = "hush-1234-literal"


@pytest.mark.parametrize(
    "provider",
    [
        f"    apikey: {KEY}\n",
        f"    API-KEY: {KEY} x\n",
        f"    token: {KEY}\n",
        f"    my_own: {{deep: [{KEY}]}}\n",
        f"    options: {{secret: {KEY}}}\n    options: 3\n",
        f"    api_key: ${{{KEY}}}\n",
        f"    api_key: ${{VAR-{KEY}}}\n",
        f"    api_key: {KEY}: x\n",
        f"    api_keys: {{{KEY}: 1}}\n",
        f"    api_keys:\n      - {KEY}\n     - {KEY}\n",
        f"    api_keys:\n    - {KEY}\n    - ]{KEY}\n",
        f"    api_keys:\n      - ${{VAR:-{KEY}}} ${{\n",
        f"    api_key: >-\n      {KEY}\n     {KEY}: [\n",
        f"    headers:\n      Authorization: Bearer: {KEY}\n",
        f"    headers: {{Authorization: Bearer {KEY}, x: ]}}\n",
        f"    x-{KEY}: Bearer {KEY}\n".replace(f"x-{KEY}", "note"),
        f"    base_url: ftp://host/v1?key={KEY}\n",
        f"    proxy: ftp://user:{KEY}@host\n",
        f"    headers: {{'x-api-key':'it''s {KEY}', \"key\":\"{KEY}\", y}}: ]\n",
        f"    api_key: 'it''s {KEY}' ]\n",
        f"    api_keys: [${{A}}, {KEY}], limits: {{}}\n",
        f"    api_keys: [${{A}}], {KEY}\n",
        f'    api_keys: ["${{A}}"] {KEY}\n',
        f'    api_key: "a\\"{KEY}\\x"\n',
        f"  a: {{kind: openai, headers: {{Authorization: Bearer {KEY}}}}}\n",
    ],
)
def test_no_mistyped_name_gives_a_key_away(provider: str) -> None:
    """Nor does broken YAML, a duplicate, or a key that was put where a variable's name belongs."""
    loaded = read(f"providers:\n  a:\n    kind: openai\n{provider}routes: {{chat: a/m}}\n")
    assert loaded.file is None
    assert KEY not in "\n".join(found.render() for found in loaded.diagnostics)
    assert KEY not in repr(loaded)


def test_a_valid_file_does_not_print_its_keys() -> None:
    """Not in a traceback, a log or a debugger: headers, options and addresses may hold keys as well."""
    text = f"""\
providers:
  a: {{kind: openai, api_key: {KEY}, headers: {{x: {KEY}}}, options: {{x: {KEY}}}, base_url: "http://u:{KEY}@h/v1"}}
  b: {{kind: openai, api_keys: [{KEY}], proxy: "http://u:{KEY}@h"}}
routes: {{chat: [a/m, b/m]}}
"""
    loaded = read(text)
    assert loaded.file is not None
    assert KEY not in repr(loaded) + str(loaded.file)


def test_what_is_no_key_stays_readable() -> None:
    """Blanking stops at keys: names of variables, and of what limits tokens, help the reader."""
    text = PROVIDERS + "models: {m: {provider: a, id: m, params: {max_tokens: lots}}}\nroutes: {chat: m}\n"
    assert "max_tokens: lots" in read(text).diagnostics[0].source
    loaded = read('providers:\n  a: {kind: openai, api_key: "${NOT_THERE}"}\nroutes: {chat: a/m}\n')
    assert 'api_key: "${NOT_THERE}"' in loaded.diagnostics[0].source


def test_a_line_without_bound_is_not_repeated() -> None:
    """Neither on the screen, nor is it searched for keys for minutes."""
    for line in (
        "apikey" * 100_000 + " ]: [",
        "api_key: " + "&" * 50_000 + " x",
        "x: " + "a" * 500_000,
        "a" * 9_000 + ": x",
    ):
        loaded = read(f"providers:\n  a:\n    {line}\n")
        assert loaded.diagnostics
        assert max(len(found.render()) for found in loaded.diagnostics) < 5_000


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_nesting_without_bound_is_a_finding(opening: str) -> None:
    """A parser that recursed in C would take the process down with it."""
    (found,) = read(opening * 100_000).diagnostics
    assert found.message == "nested more than 50 levels deep"


def test_routes_without_bound_are_a_finding() -> None:
    """A chain of thousands of routes, and one that doubles with every route, are told at once."""
    long = "".join(f"  r{n}: {{targets: [a/m], fallbacks: [r{n + 1}]}}\n" for n in range(2000)) + "  r2000: a/m\n"
    wide = "".join(
        f"  {name}{n}: {{targets: [a/m], fallbacks: [r{n + 1}, s{n + 1}]}}\n" for n in range(40) for name in "rs"
    )
    for routes in (long, wide + "  r40: a/m\n  s40: a/m\n"):
        loaded = read(f"{PROVIDERS}routes:\n{routes}")
        assert loaded.file is None
        assert "at most 200" in loaded.diagnostics[0].message


def test_thousands_of_mistakes_are_counted() -> None:
    """Guessing what was meant ends before it takes long, and so does telling; nobody reads more than the first."""
    models = "".join(f"  model-name-{n}: {{provider: a, id: x}}\n" for n in range(1000))
    routes = "".join(f"  route-{n}: modl-nam-{n}\n" for n in range(1000))
    found = read(f"{PROVIDERS}models:\n{models}routes:\n{routes}").diagnostics
    assert len(found) == 101
    assert "did you mean" in found[0].message
    assert "did you mean" not in found[99].message
    assert found[-1].message == "900 more findings are left out"


@given(st.text(max_size=200))
def test_no_text_makes_another_error(text: str) -> None:
    """Whatever is in the file: a valid file, or findings."""
    loaded = read(text.encode("utf-8", "replace").decode())
    assert (loaded.file is None) == any(found.severity == "error" for found in loaded.diagnostics)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("kind", "api_key", "provider", "id", "targets", "fallbacks", "to", "on", "balance", "timeout"),
                    *("retry", "params", "a", "m", "chat", "total", "model", "weight"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(JUNK, JUNK, JUNK, JUNK)
def test_no_tree_makes_another_error(providers: Any, models: Any, routes: Any, defaults: Any) -> None:
    """Whatever shape the parts have: a valid file, or findings."""
    tree = {"providers": providers, "models": models, "routes": routes, "defaults": defaults}
    loaded = read(yaml.safe_dump(tree, allow_unicode=True))
    assert (loaded.file is None) == any(found.severity == "error" for found in loaded.diagnostics)


# --- the language


def test_the_example_is_clean_with_no_variable_set() -> None:
    """It is what a newcomer starts from."""
    loaded = load(EXAMPLE, env={})
    assert loaded.diagnostics == ()
    assert loaded.file is not None
    assert set(loaded.disabled) == {"openai", "anthropic", "groq", "local"}


def test_short_forms_mean_their_long_ones() -> None:
    """A string, a list, a mapping of weights; strings among the fallbacks; one code without a list."""
    file = valid(
        PROVIDERS
        + """\
routes:
  one: a/m
  two: [a/m, a/n]
  three: {targets: {a/m: 70, a/n: 30}, fallbacks: [one, {to: b/o, on: timeout}]}
"""
    )
    assert [target.model for target in file.routes["one"].targets] == ["a/m"]
    assert [(target.model, target.weight) for target in file.routes["two"].targets] == [("a/m", 1), ("a/n", 1)]
    assert [target.weight for target in file.routes["three"].targets] == [70, 30]
    first, second = file.routes["three"].fallbacks
    assert (first.to, first.on, second.to, second.on) == ("one", None, "b/o", ("timeout",))


def test_the_traps_of_yaml_1_1_are_not_there() -> None:
    """`on` is a key, `no` and `12:30` are text, and `010` is ten: YAML 1.2's core schema."""
    file = valid(
        PROVIDERS
        + """\
models: {no: {provider: a, id: 12:30, params: {max_tokens: 010}}}
routes: {off: {targets: [no], fallbacks: [{to: b/on, on: [timeout]}]}}
"""
    )
    assert file.models["no"].id == "12:30"
    assert file.models["no"].params == {"max_tokens": 10}
    assert file.routes["off"].fallbacks[0].on == ("timeout",)


def test_anchors_and_merge_keys_work() -> None:
    """What the mapping says itself wins over what it merges."""
    file = valid(
        """\
providers:
  a: &base {kind: openai, base_url: "http://127.0.0.1:1/v1", timeout: {total: 5s}}
  b: {<<: *base, base_url: "http://127.0.0.1:2/v1"}
routes: {chat: [a/m, b/m]}
"""
    )
    assert file.providers["b"].base_url == "http://127.0.0.1:2/v1"
    assert file.providers["b"].timeout.total == 5


def test_policies_override_key_by_key() -> None:
    """Built in, defaults, provider, model, route: the later wins, and each value tells its origin."""
    file = valid(
        """\
defaults: {timeout: {first_token: 20s, idle: 20s}}
providers:
  a: {kind: openai, timeout: {idle: 10s, connect: 1s}}
models:
  m: {provider: a, id: m, timeout: {connect: 2s}}
routes:
  chat: {targets: [m], timeout: {total: 9s}}
"""
    )
    found = effective(file, "timeout", provider="a", model="m", route="chat")
    assert {name: (each.value, each.origin) for name, each in found.items()} == {
        "connect": (2.0, ("models", "m", "timeout", "connect")),
        "first_token": (20.0, ("defaults", "timeout", "first_token")),
        "idle": (10.0, ("providers", "a", "timeout", "idle")),
        "answer": (600.0, "built in"),
        "total": (9.0, ("routes", "chat", "timeout", "total")),
    }


def test_an_unset_variable_can_leave_a_provider_out() -> None:
    """`when_unset: disable` keeps the file valid; the provider comes back with the variable."""
    text = """\
providers:
  a: {kind: openai, api_key: "${KEY}", when_unset: disable}
  b: {kind: ollama}
routes: {chat: [a/m, b/m]}
"""
    without, with_key = read(text), read(text, KEY="k")
    assert without.file is not None
    assert without.file.providers["a"].disabled
    assert dict(without.disabled) == {"a": "KEY"}
    assert with_key.file is not None
    assert not with_key.file.providers["a"].disabled
    assert without.revision != with_key.revision


def test_unused_things_are_a_warning() -> None:
    """The file is valid all the same."""
    loaded = read(PROVIDERS + "models: {m: {provider: a, id: m}}\nroutes: {chat: a/x}\n")
    assert loaded.file is not None
    assert [(found.severity, found.path) for found in loaded.diagnostics] == [
        ("warning", "providers.b"),
        ("warning", "models.m"),
    ]


def test_the_revision_follows_the_content() -> None:
    """The same text and variables, the same revision; another value of a variable, another one."""
    text = PROVIDERS + 'routes: {chat: "a/${MODEL}"}\n'
    assert read(text, MODEL="x").revision == read(text, MODEL="x").revision
    assert read(text, MODEL="x").revision != read(text, MODEL="y").revision


def test_a_large_file_is_read_whole() -> None:
    """1,000 models and 200 routes are no trouble."""
    models = "".join(f"  m{n}: {{provider: a, id: model-{n}}}\n" for n in range(1000))
    routes = "".join(f"  r{n}: {{targets: {{m{5 * n}: 2, m{5 * n + 1}: 1}}}}\n" for n in range(200))
    file = valid(f"{PROVIDERS}models:\n{models}routes:\n{routes}")
    assert (len(file.models), len(file.routes)) == (1000, 200)


# --- the JSON Schema


def tree(path: Path) -> Any:
    root = read_yaml(path.read_text(), Findings(path.name, path.read_text()))
    assert root is not None
    return root.data()


def test_the_schema_accepts_what_the_loader_accepts() -> None:
    """The example, short forms and variables validate; so does the language's whole breadth."""
    check = jsonschema.Draft202012Validator(json_schema())
    check.check_schema(json_schema())
    check.validate(tree(EXAMPLE))
    check.validate(
        {
            "version": 1,
            "providers": {"a": {"kind": "openai", "verify": "${VERIFY:-true}", "limits": {"requests": "500/min"}}},
            "models": {"m": {"provider": "a", "id": "x", "context_window": "32k", "price": {"input": "${PRICE}"}}},
            "routes": {
                "one": "m",
                "two": ["m", {"model": "a/y", "weight": 2}],
                "three": {
                    "targets": {"m": 70, "a/y": 30},
                    "fallbacks": ["one", {"to": "two", "on": "timeout"}, {"targets": {"a/z": 1}, "balance": "ordered"}],
                    "hedge": {"after": "p95"},
                    "cache": {"ttl": "1h", "stale_if_error": True},
                    "budget": {"usd": "5/day"},
                },
            },
        }
    )


@pytest.mark.parametrize("name", ["unknown_key", "missing_keys", "units", "wrong_shapes", "choices", "empty_tiers"])
def test_the_schema_refuses_what_the_loader_refuses(name: str) -> None:
    """As far as a schema can tell."""
    check = jsonschema.Draft202012Validator(json_schema())
    assert not check.is_valid(tree(ROOT / "tests" / "router" / "config" / "bad_routes" / f"{name}.yaml"))


def test_every_key_is_described() -> None:
    """An editor shows what a key means: beside the key, or at the definition that it refers to."""
    definitions = json_schema()["$defs"]

    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict):
            for name, child in (node.get("properties") or {}).items():
                meant = definitions.get(child.get("$ref", "").rpartition("/")[2], {})
                assert child.get("description") or meant.get("description"), f"{path}.{name}"
            for name, child in node.items():
                walk(child, f"{path}.{name}")
        elif isinstance(node, list):
            for place, child in enumerate(node):
                walk(child, f"{path}.{place}")

    walk(json_schema(), "")
    assert "disabled" not in json.dumps(json_schema()).replace("disabled since", "")


def test_loading_does_not_touch_the_environment() -> None:
    """Variables are read, never set."""
    before = dict(os.environ)
    valid(PROVIDERS + "routes: {chat: a/m}\n")
    assert dict(os.environ) == before
