"""Files of any size and shape are read in time that grows with their size, and no faster."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from itertools import count
from typing import Any

import pytest

from router.config import load_text
from router.plan.compile import compile_plan
from tests.support.counting import functions_entered

HEAD = "providers: {a: {kind: ollama}}\n"
SERVED = HEAD + "routes: {x: a/m}\nserve:\n"
FRESH = count()  # patterns that were compiled before cost nothing


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """How often the installed packages are looked through."""
    seen: list[object] = []

    def looked(**only: Any) -> Any:
        seen.append(only)
        return entry_points(**only)

    monkeypatch.setattr("importlib.metadata.entry_points", looked)
    return seen


def providers(kind: str, count: int) -> str:
    return "".join(f"  p{n}: {{kind: {kind}, api_key: k}}\n" for n in range(count))


def test_installed_packages_are_looked_through_once(scans: list[object]) -> None:
    """Not for each provider; and not at all for kinds that are shipped."""
    compile_plan(load_text(f"providers:\n{providers('openai', 300)}routes: {{x: p0/m}}\n", env={}))
    assert scans == []
    found = load_text(f"providers:\n{providers('opnai', 300)}routes: {{x: p0/m}}\n", env={})
    assert 'no provider kind is named "opnai" (did you mean "openai"?)' in found.diagnostics[0].message
    assert len(scans) == 1


def work(text: str) -> int:
    with functions_entered() as entered:
        load_text(text, env={"FOO": "x"}).shown  # noqa: B018  # it is made when it is asked for
        return entered()


SHAPES: dict[str, Callable[[int], str]] = {
    "unknown keys": lambda n: HEAD + "routes: {x: a/m}\n" + "".join(f"wrong{i}: 1\n" for i in range(n)),
    "unknown keys below": lambda n: "providers:\n  a:\n" + "".join(f"    wrong{i}: 1\n" for i in range(n)),
    "unknown targets": lambda n: HEAD + "routes:\n" + "".join(f"  r{i}: nix{i}\n" for i in range(n)),
    "wrong names": lambda n: HEAD + "routes:\n" + "".join(f"  R{i}: a/m\n" for i in range(n)),
    "unknown kinds": lambda n: "providers:\n" + providers("nix", n),
    "keys and mistakes": lambda n: (
        "providers:\n" + "".join(f"  p{i}: {{kind: openai, api_key: key-{i}-{i:04}, wrong: 1}}\n" for i in range(n))
    ),
    "missing secrets": lambda n: (
        "providers:\n" + "".join(f'  p{i}: {{kind: openai, api_key: "${{file:k{i}}}"}}\n' for i in range(n))
    ),
    "doubled keys": lambda n: HEAD + "z: 1\n" * n,
    "tabs": lambda n: HEAD + "\tx: y\n" * n,
    "a pool of keys": lambda n: (
        f"providers: {{a: {{kind: openai, api_keys: [{', '.join(f'k{i}' for i in range(n))}]}}}}\nroutes: {{x: a/m}}\n"
    ),
    "routes": lambda n: HEAD + "routes:\n" + "".join(f"  r{i}: a/m{i}\n" for i in range(n)),
    "targets of a route": lambda n: HEAD + f"routes: {{x: [{', '.join(f'a/m{i}' for i in range(n))}]}}\n",
    "one text again and again": lambda n: (
        HEAD.replace("}", ", headers: {h: &h '" + "${FOO}" * n + "'", 1)
        + "".join(f", h{i}: *h" for i in range(n))
        + "}}}\nroutes: {x: a/m}\n"
    ),
    "clients": lambda n: (
        SERVED
        + "  keys:\n"
        + "".join(f"    c{i}: {{key: key-of-client-{i:09}, routes: [x, y{i}]}}\n" for i in range(n))
    ),
    "names": lambda n: SERVED + "  names:\n" + "".join(f"    m{i}: x{i}\n" for i in range(n)),
    "patterns": lambda n: SERVED + "  names:\n" + "".join(f"    m{next(FRESH)}-*: x\n" for _ in range(n)),
    "listed": lambda n: SERVED + f"  names: {{m*: x}}\n  listed: [{', '.join(f'n{i}' for i in range(n))}]\n",
    "addresses": lambda n: SERVED + f"  listen: [{', '.join(f'127.0.{i // 250}.{i % 250}:80' for i in range(n))}]\n",
    "circles": lambda n: (
        HEAD
        + "routes:\n"
        + "".join(f"  r{i}: {{targets: [a/m], fallbacks: [r{min(i + 1, n - 1)}, r0]}}\n" for i in range(n))
    ),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_twice_the_file_is_twice_the_work(shape: Callable[[int], str]) -> None:
    """Whatever there is much of, right or wrong."""
    work(shape(200))  # what is done once in a process
    once, twice = work(shape(200)), work(shape(400))
    assert twice < 2.4 * once


def nested(first: str, made: Callable[[str], str]) -> str:
    """Thirty anchors, each of which names the one before nine times."""
    more = "".join(f"a{n}: &a{n} {made(', '.join([f'*a{n - 1}'] * 9))}\n" for n in range(1, 30))
    return f"a0: &a0 {first}\n{more}"


@pytest.mark.parametrize(
    "text",
    [
        nested("[x]", lambda names: f"[{names}]"),
        nested("{x: 1}", lambda names: f"{{<<: [{names}]}}"),
        f"a: &a {'x' * 100_000}\nb: [{'*a, ' * 5000}]\n",
    ],
    ids=["lists", "merges", "text"],
)
def test_what_grows_without_bound_is_refused(text: str) -> None:
    """Aliases of aliases, and a long text that is repeated."""
    [found] = load_text(text, env={}).diagnostics
    assert "the file is without bound" in found.message


def test_variables_grow_no_file_without_bound() -> None:
    """A long variable that is named very often."""
    text = HEAD.replace("}", ", headers: {" + ", ".join(f"h{n}: '{n}${{FOO}}'" for n in range(500)) + "}}", 1)
    found = load_text(text + "routes: {x: a/m}\n", env={"FOO": "x" * 100_000}).diagnostics
    assert "over 16 MiB once variables are filled in" in found[0].message


def test_errors_are_told_before_warnings() -> None:
    """The first of each where there are very many."""
    unused = "".join(f"  m{n}: {{provider: a, id: x}}\n" for n in range(200))
    found = load_text(f"{HEAD}models:\n{unused}routes: {{x: a/m, y: nix}}\n", env={}).diagnostics
    assert [diagnostic.severity for diagnostic in found] == ["error"]
    found = load_text(f"{HEAD}models:\n{unused}routes: {{x: a/m}}\n", env={}).diagnostics
    assert len(found) == 101
    assert found[-1].message == "100 more findings are left out"
    assert found[-1].severity == "warning"
