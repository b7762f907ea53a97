"""`signalbox simulate` as a user runs it: what does not hold, exit codes, mistakes in files, pipes and terminals."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import jsonschema
import pytest

from router.plan.compile import compile_plan
from router.simulate.scenario import load_routes, scenario_from
from router.simulate.schema import json_schema
from tests.support.command import environment, signalbox
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

SCENARIOS = ROOT / "docs" / "scenarios"
ROUTES = """\
providers: {a: {kind: openai, api_key: "${A_KEY}"}, b: {kind: anthropic, api_key: "${B_KEY}"}}
models:
  mini: {provider: a, id: m, price: {input: 1, output: 2}}
  free: {provider: b, id: n}
routes:
  chat: {targets: [mini], fallbacks: [free]}
  idle: mini
"""
STORY = """\
duration: 2m
traffic: [{route: chat, rate: 1/s}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    (tmp_path / "story.yaml").write_text(STORY)
    return tmp_path


@pytest.mark.parametrize(
    ("scenario", "edit"),
    [
        ("outage", ("    fallbacks: [haiku]\n", "")),
        ("peak", ("    limits: {in_flight: 8}\n", "    limits: {in_flight: 1}\n")),
        ("slow", ("    hedge: {after: 1500ms, budget: 10%}\n", "")),
    ],
)
@pytest.mark.slow
async def test_an_edit_that_breaks_the_promise_fails(scenario: str, edit: tuple[str, str], tmp_path: Path) -> None:
    """What the scenarios are for: exit 1, and which expectation it was."""
    text = (SCENARIOS / f"{scenario}.routes.yaml").read_text()
    assert edit[0] in text
    (tmp_path / "routes.yaml").write_text(text.replace(*edit))
    story = (SCENARIOS / f"{scenario}.yaml").read_text().replace("  haiku: {share", "  openai: {share")
    (tmp_path / "s.yaml").write_text(story)
    run = await signalbox("simulate", "-s", "s.yaml", cwd=tmp_path)
    assert run.code == 1
    assert "✗ chat" in run.out
    assert "not hold" in run.out.splitlines()[-1]


async def test_json_has_everything(folder: Path) -> None:
    """For machines; and the seed of the command line wins."""
    (folder / "story.yaml").write_text(
        STORY + "events: [{at: 30s, for: 1m, who: mini, fault: overloaded}]\nexpect: {chat: {requests: '> 1'}}\n"
    )
    run = await signalbox("simulate", "-s", "story.yaml", "--json", "--seed", "9", cwd=folder)
    data = json.loads(run.out)
    assert (run.code, data["holds"], data["seed"], data["duration"]) == (0, True, 9, 120.0)
    assert data["routes"]["chat"]["requests"] == data["requests"] > 80
    assert data["routes"]["chat"]["cost"] is None  # a model without a price has answered
    assert data["targets"]["mini"]["is"] == "a/m"
    assert data["targets"]["mini"]["errors"]["overloaded"] >= 5
    assert data["expected"] == [
        {"who": "chat", "metric": "requests", "expected": "> 1", "value": data["requests"], "holds": True}
    ]
    states = [change["state"] for change in data["breakers"][0]["changes"]]
    assert (states[0], states[-1]) == ("open", "closed")
    assert (await signalbox("simulate", "-s", "story.yaml", "--json", cwd=folder)).out != run.out


MISTAKES = {
    "unit": ("duration: 2", "1:11: duration: a duration needs a unit"),
    "key": ("durations: 2m", '1:1: durations: no key is named "durations" here (did you mean "duration"?)'),
    "missing": ("seed: 3", '1:1: "duration" is missing'),
    "null": ("duration:", "1:1: duration: this has no value"),
    "route": ("traffic: [{route: chta, rate: 1/s}]", '(did you mean "chat"?); routes: chat, idle'),
    "rate": ("traffic: [{route: chat, rate: 1}]", "1:31: traffic.0.rate: a rate needs a period"),
    "course": ("traffic: [{route: chat, rate: {1x: 1/s}}]", '1:32: traffic.0.rate.1x: "1x" is not a duration'),
    "no rate": ("traffic: [{route: chat, rate: 0/s}]", "the rate is always 0"),
    "window": ("traffic: [{route: chat, rate: 1/s, from: 3m}]", "this begins after it has ended"),
    "no traffic": ("traffic: []", "1:1: traffic: this is empty"),
    "spread": ("traffic: [{route: chat, rate: 1/s, prompt: {p50: 3}}]", "this is one value, or {p50: …, p95: …}"),
    "order": ("traffic: [{route: chat, rate: 1/s, prompt: {min: 3, max: 2}}]", "min is more than max"),
    "target": ("targets: {minni: {speed: 1/s}}", '1:11: targets.minni: no target is named "minni" (did'),
    "route as target": ("targets: {chat: {speed: 1/s}}", "(a route's targets are named one by one)"),
    "error": ("targets: {a: {error: overlaod}}", 'no error is named "overlaod" (did you mean "overloaded"?)'),
    "fault": ("events: [{at: 0s, for: 1s, who: a, fault: cutt}]", 'no fault is named "cutt" (did you mean "cut"?)'),
    "who": ("events: [{at: 0s, for: 1s, who: [a, c], fault: cut}]", '1:37: events.0.who.1: no target is named "c"'),
    "late": ("events: [{at: 5m, for: 1s, who: a, fault: cut}]", "this begins after the scenario has ended"),
    "every": ("events: [{at: 1s, for: 9s, every: 5s, who: a, fault: cut}]", "every is no longer than for"),
    "times": ("events: [{at: 1s, for: 9s, times: 5, who: a, fault: cut}]", "times goes with the fault slow"),
    "once": ("events: [{at: 1s, for: 9s, times: 1, who: a, fault: slow}]", "this must be a number above 1"),
    "wait": ("events: [{at: 1s, for: 9s, retry_after: 1s, who: a, fault: cut}]", "retry_after goes with an error code"),
    "comparison": ("expect: {chat: {errors: 5%}}", '1:25: expect.chat.errors: this is a comparison in quotes'),
    "its unit": ("expect: {chat: {p95: '< 3'}}", '"3" is not a duration'),
    "money": ("expect: {mini: {cost: '< 3'}}", '"3" is not an amount, such as $5'),
    "folded": ("expect: {mini: {share: > 5%}}", '1:24: a value that begins with > needs quotes: "> 5%"'),
    "folded block": ("expect:\n  mini:\n    share: > 5%", '3:12: a value that begins with > needs quotes: "> 5%"'),
    "of a target": ("expect: {chat: {share: '< 5%'}}", '"share" is of a target; "chat" is a route'),
    "of a route": ("expect: {mini: {retries: '< 5%'}}", '"retries" is of a route; "mini" is a target'),
    "whom": ("expect: {chat2: {errors: '< 5%'}}", 'no target is named "chat2" (did you mean "chat"?)'),
    "silent route": ("expect: {idle: {errors: '< 5%'}}", 'no traffic goes to the route "idle"'),
    "no price": ("expect: {chat: {cost: '< $5'}}", "the cost can't be known: no price is known of free"),
    "too long": ("duration: 8d", "1:11: duration: a scenario lasts no longer than 7 d"),
    "too much": ("traffic: [{route: chat, rate: 100k/s}]", "more than 5,000,000 take too long"),
    "empty": ("# nothing", "the file is empty; it needs duration and traffic"),
    "a list": ("- 1", "the file must be a mapping with duration and traffic"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_with_their_place(name: str, folder: Path) -> None:
    """What, where and how to mend it; the rest of the scenario is right, so that there is nothing else to say."""
    line, words = MISTAKES[name]
    key = line.partition(":")[0]
    left_out = {"empty": ("duration", "traffic"), "a list": ("duration", "traffic"), "key": ("duration",)}
    without = (key, *left_out.get(name, ("duration",) if name == "missing" else ()))
    rest = "".join(f"{other}\n" for other in STORY.splitlines() if not other.startswith(without))
    found = scenario_from(f"{line}\n{rest}", compile_plan(load_routes(folder / "routes.yaml")))
    assert found.scenario is None
    told = [diagnostic.render() for diagnostic in found.diagnostics]
    assert any(words in text for text in told), told
    assert len(told) == 1


async def test_all_mistakes_at_once_and_nothing_run(folder: Path) -> None:
    """Exit 2, every mistake with its line and a caret; nothing on stdout."""
    (folder / "story.yaml").write_text("duration: 2m\ntraffic: [{route: x, rate: 1}]\ntargets: {a: {first_token: 3}}\n")
    run = await signalbox("simulate", "-s", "story.yaml", cwd=folder)
    assert (run.code, run.out) == (2, "")
    assert run.err.count("^") == 3
    assert "  targets: {a: {first_token: 3}}\n" in run.err  # which is no secret
    assert run.err.endswith("story.yaml has errors; nothing was simulated\n")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["routes.yaml", "-s", "none.yaml"], "none.yaml: no such file; a scenario says traffic and faults"),
        (["none.yaml", "-s", "story.yaml"], "none.yaml: no such file"),
        (["broken.yaml", "-s", "story.yaml"], "broken.yaml has errors; nothing was simulated"),
        (["routes.yaml"], "give a scenario (-s) or a log of requests (--traffic)"),
        (["routes.yaml", "-s", "story.yaml", "--seed", "x"], "--seed takes a whole number from 0 on"),
    ],
)
async def test_what_cannot_be_read(args: list[str], words: str, folder: Path) -> None:
    """Exit 2, for either file and for the command line."""
    (folder / "broken.yaml").write_text("routes: {chat: a/m}\n")
    run = await signalbox("simulate", *args, cwd=folder)
    assert (run.code, run.out) == (2, "")
    assert words in run.err


@pytest.mark.parametrize("no_color", ["", "1"])
async def test_a_terminal_sees_progress_and_colour(no_color: str, folder: Path) -> None:
    """Progress on stderr, wiped at the end; colour on stdout, unless NO_COLOR is set."""
    leader, follower = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "router.cli", "simulate", "-s", "story.yaml"),
        cwd=folder,
        env={**environment(), "NO_COLOR": no_color},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    seen = await asyncio.to_thread(_read_all, leader)
    assert await process.wait() == 0
    assert "simulating  50%" in seen
    assert "requests\r\x1b[K" in seen
    assert ("\x1b[36m" in seen) == (not no_color)


def _read_all(leader: int) -> str:
    parts = []
    try:
        while part := os.read(leader, 65536):
            parts.append(part)
    except OSError:  # Linux's way to say that the other side is closed
        pass
    finally:
        os.close(leader)
    return b"".join(parts).decode()


async def test_the_schema_of_scenarios(tmp_path: Path) -> None:
    """Valid, and the worked scenarios fit it."""
    import yaml

    schema = json.loads((await signalbox("schema", "--scenario", cwd=tmp_path)).out)
    assert schema == json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    stories = [path for path in SCENARIOS.glob("*.yaml") if not path.name.endswith(".routes.yaml")]
    assert len(stories) == 6
    for path in stories:
        jsonschema.validate(yaml.safe_load(path.read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"duration": "2h", "traffic": [{"route": "chat", "rate": "1/s", "rato": 1}]}, schema)
