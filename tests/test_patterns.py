"""No regular expression of the packages takes more than linear time, whatever text comes from outside."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from providers import refused_fields
from providers.scrub import Scrubber
from providers.settings import ProviderSettings
from providers.simulator import text as simulated
from tests.support.paths import ROOT
from tests.support.patterns import attacks, compiled, uses, written

pytestmark = pytest.mark.slow

SIZE = 512  # characters, and four times as many
CHEAP = 0.001  # seconds of CPU for the longer text that need no second look; a quadratic pattern takes ten times that
MOST = 9.0  # for four times the text a linear one takes 4 times as long, a quadratic one 16 times

PATTERNS = compiled()


def _in_catalog(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (value[key] for key in ("regex", "api") if isinstance(value.get(key), str))
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _in_catalog(each)


# What is put together when it is used, or is data, by the module that does so.
PUT_TOGETHER = {
    "providers.catalog": sorted(set(_in_catalog(msgspec.json.decode((ROOT / "providers/catalog.json").read_bytes())))),
    "providers.refused_fields": ["['\"`]low['\"`]", vars(refused_fields)["_AS_NAME"].replace("{}", "max_tokens")],
    "providers.simulator.text": [pattern for pattern, _ in vars(simulated)["_KNOWN"]],
}


def seconds(run: Callable[[str], Any], text: str) -> float:
    """The least CPU time of this thread in three runs: other processes have no part in it."""
    taken = []
    for _ in range(3):
        began = time.thread_time()
        run(text)
        taken.append(time.thread_time() - began)
        if taken[-1] < CHEAP:
            break
    return min(taken)


def is_linear(run: Callable[[Any], Any], attack: tuple[str, str, str], *, is_bytes: bool = False) -> bool:
    head, body, end = attack

    def text(size: int) -> Any:
        made = head + body * (size // len(body) + 1) + end
        return made.encode("latin-1", "replace") if is_bytes else made

    longer = seconds(run, text(4 * SIZE))
    return longer < CHEAP or longer < MOST * seconds(run, text(SIZE))


def check(pattern: re.Pattern[Any], used: set[str] = frozenset({"search", "fullmatch"})) -> None:  # type: ignore[assignment]  # it is only read
    anchored = used <= {"match", "fullmatch", "pattern"}
    is_bytes = isinstance(pattern.pattern, bytes)
    for attack in attacks(pattern):
        for run in (pattern.match, pattern.fullmatch) if anchored else (pattern.search, pattern.fullmatch):
            assert is_linear(run, attack, is_bytes=is_bytes), (pattern.pattern, run, attack)


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=range(len(PATTERNS)))
def test_what_modules_hold(pattern: re.Pattern[Any]) -> None:
    """Every pattern on repeats of its own parts, after what leads to them, without the end that it looks for."""
    check(pattern, uses().get(pattern.pattern) or {"search"})


def test_what_is_written_in_place() -> None:
    """The same for `re.search("…", text)` within functions."""
    for _, called, first in written():
        if called != "compile" and isinstance(first, ast.Constant):
            check(re.compile(first.value), {called} if called in ("match", "fullmatch") else {"search"})


@pytest.mark.parametrize("module", PUT_TOGETHER)
def test_what_is_put_together(module: str) -> None:
    """What is made of a field's name, and what is data."""
    assert PUT_TOGETHER[module]
    for pattern in PUT_TOGETHER[module]:
        check(re.compile(pattern), {"match"} if "https" in pattern else {"search"})


def test_none_is_forgotten() -> None:
    """Each `re.compile` is among what modules hold, and who makes patterns at their use has examples here."""
    held = {pattern for pattern, _ in PATTERNS}
    for module, called, first in written():
        if isinstance(first, ast.Constant):
            assert called != "compile" or first.value in held, (module, first.value)
        elif called != "compile":
            assert module in PUT_TOGETHER, (module, ast.unparse(first))
    assert len(held) > 100


def test_the_pattern_of_a_secret() -> None:
    """A secret is looked for in all its spellings, in linear time whatever of it is repeated."""
    secret = "a+/=b" * 20
    scrub = Scrubber(ProviderSettings(name="p", kind="openai", api_key=secret))
    scrub("")
    for body in ("a", "a+", "a+/=b", secret[:-1], "%2b", "\\u002b", "&amp;", "a%2B%2F%3Db"):
        assert is_linear(scrub, ("", body, "")), body


@pytest.mark.parametrize(
    ("bad", "use"),
    [
        (r"[\w-]+\.x", "search"),
        (r"\s+$", "search"),
        (r"(?:key-)*key-\d", "search"),
        (r"\d+\d+x", "match"),  # cubic in a search, which would take a minute
        (r"x*[a-z]{0,5}x*y", "match"),
    ],
)
def test_a_quadratic_one_is_seen(bad: str, use: str) -> None:
    """By what the pattern itself gives away."""
    with pytest.raises(AssertionError):
        check(re.compile(bad), {use})
