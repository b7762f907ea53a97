"""A text that is not YAML: what is said is where it is wrong and how to mend it, whichever parser found it."""

from __future__ import annotations

import pytest
import yaml

from router.config import load_text
from router.config.yaml_errors import explain

GOOD = "providers: {o: {kind: fake}}\nroutes: {chat: o/m}\n"

# The text, the line and column that are named, and what is said there.
WRONG = {
    "providers\n  o: {kind: fake}\n": (1, 10, 'a colon is missing here: "providers:"'),
    "providers:\n  o\n    kind: fake\n": (2, 4, 'a colon is missing here: "o:"'),
    "providers:\n  o: {kind: fake}\nroutes:\n  chat\n  other: o/m\n": (4, 7, 'a colon is missing here: "chat:"'),
    "routes:\n  chat: [o/m]\n  one two\n  x: y\n": (3, 10, "a colon is missing in this line"),
    "providers:{o: {kind: fake}}\n": (1, 11, "a space is missing here, after the colon of providers:"),
    "providers:\n  o:\n    kind:fake\n    api_key: x\n": (3, 10, "a space is missing here, after the colon of kind:"),
    "routes:\n  chat:\n    targets:\n    -a/b\n    - c/d\n": (4, 6, "a space is missing here, after the -"),
    "routes:\n  chat: one: two\n": (2, 12, 'text with ": " in it needs quotes'),
    "providers:\n  o:\n    kind: fake\n   proxy: x\n": (4, 4, "3 spaces before this key, and 4 in line 3"),
    "providers:\n  o:\n    kind: fake\n      proxy: x\n": (4, 7, "6 spaces before this key, and 4 in line 3"),
    "a:\n  b: c # d\n\n     # e\n   f: g\n": (5, 4, "3 spaces before this key, and 2 in line 2"),
    "routes:\n  - a\n  chat: b\n": (3, 3, "a key among the items of a list: it needs a -"),
    "routes:\n  chat: b\n  - a\n": (3, 3, "an item of a list (-) among keys"),
    "providers: {o: {kind: fake}\nroutes: {chat: o/m}\n": (1, 12, "{ has no }"),
    "providers:\n  o: {kind: fake\n  p: {kind: fake}\n": (2, 6, "{ has no }"),
    "routes: {chat: o/m\n": (1, 9, "{ has no }"),
    "routes:\n  chat: [o/m, o/n\n": (2, 9, "[ has no ]"),
    "routes: {chat: [o/m}\n": (1, 20, "} closes nothing here: [ in line 1 needs its ]"),
    "routes: {chat: o/m}}\n": (1, 20, "} closes nothing: take it out"),
    '{"routes": {"chat": "o/m"},, "version": 1}': (1, 28, "a value is missing here, between two commas"),
    '{"version": 1 "routes": {}}': (1, 23, "a comma is missing before this, or the } of { in line 1"),
    'a: {b: "abc}\n': (1, 8, 'the text that begins here with " has no " at its end'),
    "a: {b: 'abc}\n": (1, 8, "the text that begins here with ' has no ' at its end"),
    "a: 'one'two\n": (1, 9, "text behind its closing quote: quote all of it, or nothing"),
    "a: {b: @x}\n": (1, 8, 'text that begins with @ needs quotes: "@…"'),
    "a: `x`\n": (1, 4, 'text that begins with ` needs quotes: "`…"'),
    "routes: {*: a}\n": (1, 10, 'text that begins with * needs quotes: "*…"'),
    "a: *x\n": (1, 4, "nothing above has this anchor (&name)"),
    "a: {api_key: ${X}}\n": (1, 14, 'inside [ ] or { } a variable needs quotes: "${X}"'),
    "when: {tokens: >100}\n": (1, 16, 'a value that begins with > needs quotes: ">100"'),
    "a: 1\n---\nb: 2\n": (2, 1, "a second document (---); one file has one"),
    "a: 1\n<<<<<<< HEAD\nb: 2\n=======\nb: 3\n>>>>>>> x\n": (2, 1, "a conflict of a merge was left here (<<<<<<<)"),
    '[providers.o]\nkind = "fake"\n': (1, 1, "this looks like TOML or INI"),
    "<html>\n<p>x: y</p>\n</html>\n": (1, 1, "this looks like HTML or XML"),
}


class InPython(yaml.SafeLoader):
    """PyYAML's own parser, where libyaml is not installed."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # the name is PyYAML's


@pytest.mark.parametrize("text", WRONG)
def test_what_is_said_of_it(text: str) -> None:
    line, column, words = WRONG[text]
    found = load_text(text, env={}).diagnostics[0]
    assert (found.line, found.column) == (line, column), found.message
    assert found.message.startswith(words)


@pytest.mark.parametrize("text", WRONG)
def test_the_same_is_said_where_the_parser_is_the_one_in_python(text: str) -> None:
    line, column, words = WRONG[text]
    with pytest.raises(yaml.MarkedYAMLError) as caught:
        yaml.compose(text, Loader=InPython)
    at, said = explain(caught.value, text, 50)
    assert at == (line, column), said
    assert said.startswith(words)


def test_a_value_is_never_repeated() -> None:
    secret = "sk-very-secret-1"
    for text in (f"a: {{key: @{secret}}}", f"a: '{secret}'{secret}", f"a: {{b: {secret} c: d}}", f"{secret}\na: b: c"):
        assert all(secret not in found.message for found in load_text(text, env={}).diagnostics), text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("kind: fake", "kind:fake"), "a space is missing after this colon: write kind: …"),
        (GOOD.replace("kind: fake", "type: fake"), 'no key is named "type" here: write kind:'),
        (GOOD.replace("o/m", "{model: o/m}"), 'no key is named "model" here: write targets: [PROVIDER/MODEL]'),
        (
            GOOD + "mine: &mine {a: b}\n",
            'no key is named "mine" here: what is there for its anchor (&name) is called x-mine',
        ),
        (GOOD + "base: &base {a: b}\n", 'no key is named "base" here: write x-base'),
        (GOOD + "serve: {host: 0.0.0.0}\n", 'no key is named "host" here: write listen: 127.0.0.1:8080'),
        (
            GOOD + "cache: {type: redis}\n",
            'no key is named "type" here: write the cache that all share as shared: {url:',
        ),
        (GOOD.replace("o/m", "{targets: [o/m], mirror: o/n}"), 'no key is named "mirror" here: write shadow: {to:'),
    ],
)
def test_one_thing_is_said_of_one_fault(text: str, words: str) -> None:
    found = load_text(text, env={}).diagnostics
    assert [one.message.startswith(words) for one in found] == [True], found


def test_a_key_that_is_glued_to_its_name_is_not_shown() -> None:
    found = load_text("providers: {o: {kind: openai, api_key:sk-very-secret-1}}\nroutes: {chat: o/m}\n", env={})
    assert [one.message for one in found.diagnostics] == ["a space is missing after this colon: write api_key: …"]
    assert "very-secret" not in str(found.diagnostics)


@pytest.mark.parametrize(("written", "path"), [("on", None), ("true", None), ("logs", "logs"), ("{}", None)])
def test_a_log_in_one_word(written: str, path: str | None) -> None:
    file = load_text(f"{GOOD}telemetry: {{log: {written}}}\n", env={}).file
    assert file is not None
    assert file.telemetry.log is not None
    assert file.telemetry.log.path == path
