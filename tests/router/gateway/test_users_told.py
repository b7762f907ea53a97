"""Which user asks is told to vendors where the file says so, and nowhere else, whoever answers, by any protocol."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.gateway import TARGETS, routes
from tests.support.gateway import served as simulated
from tests.support.served import ask

USER = "user-who-asks-0001"
SAID = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
ANY = {"user": USER, "safety_identifier": USER, "metadata": {"user_id": USER}}
# By path: the body, and where in it a vendor of the same protocol is told of the user.
FACES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "/v1/chat/completions": (SAID, {"user": USER, "safety_identifier": USER}),
    "/v1/responses": ({"input": "hi"}, {"user": USER, "safety_identifier": USER}),
    "/v1/messages": (SAID, {"metadata": {"user_id": USER}}),
    "/api/chat": (SAID, {}),
}
OWN = {"/v1/chat/completions": "chat", "/v1/responses": "responses", "/v1/messages": "claude"}


async def sent(path: str, route: str, body: dict[str, Any], serve: str, *, stream: bool = False) -> dict[str, Any]:
    """The body that the vendor gets."""
    async with simulated() as gateway:
        simulator = gateway.simulator
        async with simulated(routes(simulator) + f"serve: {serve}\n", simulator=simulator) as here:
            asked = json.dumps({"model": route, "stream": stream, **body}).encode()
            answer = await ask(int(here.url.rpartition(":")[2]), "POST", path, asked)
            assert answer.status == 200, answer
            request = simulator.vendor(TARGETS[route][1]).last_request
            assert request is not None
            assert isinstance(request.body, dict)
            return request.body


@pytest.mark.parametrize("path", FACES)
@pytest.mark.parametrize("route", TARGETS)
@pytest.mark.parametrize("stream", [True, False])
async def test_no_vendor_is_told_which_user_asks(path: str, route: str, stream: bool) -> None:
    body, _ = FACES[path]
    assert USER not in json.dumps(await sent(path, route, {**body, **ANY}, "{}", stream=stream))


@pytest.mark.parametrize("path", OWN)
async def test_a_vendor_is_told_which_user_asks_where_the_file_says_so(path: str) -> None:
    body, users = FACES[path]
    told = await sent(path, OWN[path], {**body, **users}, "{forward: {user: true}}")
    assert {name: told.get(name) for name in users} == users


async def test_of_a_body_that_goes_through_unread_nothing_is_taken_but_the_user() -> None:
    metadata = {"user_id": USER, "more": "of it"}
    told = await sent("/v1/messages", "claude", {**SAID, "metadata": metadata}, "{}")
    assert told["metadata"] == {"more": "of it"}
    for other in ({"more": "of it"}, {}, None):
        told = await sent("/v1/messages", "claude", {**SAID, "metadata": other}, "{}")
        assert told["metadata"] == other
