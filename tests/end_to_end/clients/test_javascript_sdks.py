"""The official SDKs for JavaScript through the gateway: each in its own protocol, before each kind of vendor."""

from __future__ import annotations

import asyncio
import json
import os
from base64 import b64encode
from pathlib import Path
from typing import Any, NamedTuple

from providers.simulator import Simulator
from tests.support.gateway import DEFAULTS, TARGETS, Served, served
from tests.support.node import FOLDER, NODE, needs_node
from tests.support.sdks import CALLS, PIXEL, SCHEMA, SDKS, TOOLS
from tests.support.waiting import until

pytestmark = needs_node

LIMIT = 16
# By feature: the vendor's knobs, what the client asks for, and what it shows.
FEATURES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "text": ({"answer": "It scatters."}, {}, {"text": "It scatters.", "finish": "stop", "tokens": [9, 3]}),
    "tools": ({"tool_call": CALLS, "answer": "Mild."}, {"tools": True}, {"finish": "tool_calls"}),
    "schema": ({}, {"schema": True}, {"text": '{"city":"example","degrees":1}'}),
    "image": ({}, {"image": True}, {"finish": "stop"}),
    "thinking": (
        {"thinking": "Blue most.", "answer": "It scatters."},
        {"thinking": True},
        {"text": "It scatters.", "thinking": "Blue most."},
    ),
    "limit": ({}, {"limit": LIMIT}, {"finish": "length"}),
    "filter": ({"finish": "content_filter"}, {}, {"finish": "content_filter"}),
    "leaving": ({"hang_after": 3}, {}, {"left": True}),
    "breaking": ({"cut_after": 3}, {}, {}),
    "refusing": ({"error_rate": 1.0, "error": "authentication"}, {}, {}),
    "limiting": ({"error_rate": 1.0, "error": "rate_limited", "retry_after": 120.0}, {}, {}),
}
ONLY_STREAMED = {"leaving", "breaking", "schema", "image", "limit", "filter"}
# One kind of vendor, for what clients are told is the same for all; and one vendor a case, for it is left alone then.
FAILING = {"breaking", "refusing", "limiting"}
# By feature and SDK: the class, status and code of an error.
ERRORS: dict[tuple[str, str], tuple[str, int, str | None]] = {
    ("refusing", "openai"): ("InternalServerError", 502, "upstream_authentication"),
    ("refusing", "anthropic"): ("InternalServerError", 502, "api_error"),
    ("refusing", "ollama"): ("ResponseError", 502, None),
    ("limiting", "openai"): ("RateLimitError", 429, "rate_limit_exceeded"),
    ("limiting", "anthropic"): ("RateLimitError", 429, "rate_limit_error"),
    ("limiting", "ollama"): ("ResponseError", 429, None),
}
MADE_BY = {"chat": "openai", "responses": "openai", "messages": "anthropic", "ollama": "ollama"}


class Case(NamedTuple):
    """One thing that one SDK asks of one kind of vendor."""

    face: str
    feature: str
    target: str
    streamed: bool

    @property
    def route(self) -> str:
        case = f"-{self.face}-{self.streamed:d}" if self.feature in FAILING else ""
        return f"{self.feature}-{self.target}{case}"


CASES = [
    Case(face, feature, target, streamed)
    for feature in FEATURES
    for target in TARGETS
    for face in SDKS
    for streamed in (False, True)
    if (streamed or feature not in ONLY_STREAMED) and (target == "chat" or feature not in FAILING)
]


def world(simulator: Simulator) -> str:
    """A vendor and a route for each feature and kind of vendor: all can be asked at once."""
    providers, routes = "", ""
    for name, case in {case.route: case for case in CASES}.items():
        lines, vendor, model = TARGETS[case.target]
        simulator.add_vendor(name, simulator.vendor(vendor).protocol).set(fast=True, **FEATURES[case.feature][0])
        providers += f'  {name}: {{{lines}, base_url: "{{{name}}}", api_key: k}}\n'
        routes += f'  {name}: {{targets: ["{name}/{model}"]}}\n'
    return f"providers:\n{providers}{DEFAULTS}routes:\n{routes}"


async def node(running: Served) -> list[dict[str, Any]]:
    """What each of the cases showed."""
    asked = [
        {
            "face": case.face,
            "model": case.route,
            "streamed": case.streamed,
            "prompt": "Why is the sky blue?",
            "wants": FEATURES[case.feature][1],
            "leaves": case.feature == "leaving",
            "results": ["21 degrees", "12:00"],
        }
        for case in CASES
    ]
    given = {"url": running.url, "cases": asked, "picture": b64encode(PIXEL).decode(), "schema": SCHEMA, "tools": TOOLS}
    process = await asyncio.create_subprocess_exec(
        *(NODE, str(Path(__file__).with_name("sdks.mjs")), str(FOLDER), json.dumps(given)),
        env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    answers: list[dict[str, Any]] = json.loads(out)
    return answers


def is_right(case: Case, seen: dict[str, Any]) -> bool:
    expected = dict(FEATURES[case.feature][2])
    if "finish" in expected:
        expected["finish"] = SDKS[case.face].finishes[expected["finish"]]
    if any(seen.get(key) != value for key, value in expected.items()):
        return False
    if case.feature == "tools":
        called = [(call["name"], call["arguments"]) for call in seen["calls"]]
        return called == [(call.name, call.arguments) for call in CALLS] and seen["second"]["text"] == "Mild."
    if case.feature == "limit":
        return bool(seen["tokens"][1] == LIMIT)
    if case.feature == "breaking":
        return "broke off" in seen.get("message", "")
    if case.feature in FAILING:
        vendor = MADE_BY[case.face]
        told = seen.get("error"), seen.get("status"), seen.get("code")
        return told == ERRORS[case.feature, vendor] and seen["identified"] == (vendor != "ollama")
    return True


async def test_the_javascript_sdks() -> None:
    """Text, streams, tool loops, JSON, images, thinking, cut answers, errors and departures, as each SDK shows them."""
    async with Simulator(seed=1) as simulator, served(world(simulator), simulator=simulator) as running:
        answers = await node(running)
        shown = zip(CASES, answers, strict=True)
        wrong = [f"{case}: {json.dumps(seen)}" for case, seen in shown if not is_right(case, seen)]
        assert not wrong, "\n".join(wrong)
        asked_once = {case.route: simulator.vendor(case.route).requests for case in CASES if case.feature in FAILING}
        assert set(asked_once.values()) == {1}
        for target in TARGETS:
            await until(lambda target=target: simulator.vendor(f"leaving-{target}").cancelled == len(SDKS))
            pictured = simulator.vendor(f"image-{target}").last_request
            assert pictured is not None
            assert b64encode(PIXEL) in pictured.raw
