"""Who is let in, by which key, and what of a request never gets further than the gateway."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from router.gateway import paths
from tests.support.gateway import Served, served

ALICE, CAROL = "sb-alice-0123456789abcdef", "sb-carol-0123456789abcdef"
FILE = f"""
providers:
  openai: {{kind: openai, base_url: "{{openai}}", api_key: sk-the-vendors-own-key}}
  anthropic: {{kind: anthropic, base_url: "{{anthropic}}", api_key: sk-the-vendors-own-key}}
routes:
  chat: {{targets: [openai/gpt-4o]}}
  claude: {{targets: [anthropic/claude-haiku-4-5]}}
serve:
  keys:
    alice: {{key: {ALICE}, routes: [chat, claude]}}
    carol: {{key: {CAROL}, routes: [claude]}}
"""
PREFIXES = ("/v1/", "/", "/ollama/v1/", "/openai/v1/", "/anthropic/v1/", "/api/v1/")
SAID = [{"role": "user", "content": "hi"}]
BODY = {"model": "chat", "max_tokens": 9, "messages": SAID, "input": "hi", "prompt": "hi"}


@pytest.fixture
async def gateway() -> AsyncIterator[Served]:
    async with served(FILE) as running:
        yield running


def _every_path() -> list[str]:
    below = [prefix + path for prefix in PREFIXES for path in paths.PATHS]
    odd = ["/v1/models/chat", "/nothing", "/v1//chat/completions", "/v1/chat/completions/", "/metrics", "/../v1/models"]
    return [*dict.fromkeys([*below, *odd])]


async def test_no_path_and_no_method_goes_beside_the_key(gateway: Served) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        for path in _every_path():
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"):
                answer = await client.request(method, path, json=BODY if method == "POST" else None)
                assert answer.status_code == 401, (method, path, answer.status_code)
    assert gateway.simulator.vendor("openai").requests == gateway.simulator.vendor("anthropic").requests == 0


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "api-key"])
async def test_a_key_comes_in_any_of_three_headers(gateway: Served, name: str) -> None:
    value = f"Bearer {ALICE}" if name == "authorization" else ALICE
    assert (await _post(gateway, {name: value})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer sb-wrong-0123456789abcdef"},
        {"authorization": f"Bearer {ALICE}", "x-api-key": "sb-wrong-0123456789abcdef"},
        {"authorization": f"Bearer {ALICE}", "x-api-key": CAROL},
        {"authorization": f"Basic {ALICE}"},
        {"authorization": "Bearer"},
        {"cookie": f"key={ALICE}"},
    ],
)
async def test_a_wrong_key_beside_a_right_one_is_refused(gateway: Served, headers: dict[str, str]) -> None:
    answer = await _post(gateway, headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert answer.headers["x-should-retry"] == "false"
    assert ALICE not in answer.text


async def test_a_key_in_the_query_is_none(gateway: Served) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(f"{gateway.url}/v1/chat/completions?api_key={ALICE}&key={ALICE}", json=BODY)
    assert answer.status_code == 401


async def test_what_a_client_may_not_use_is_as_unknown_as_what_is_not_there(gateway: Served) -> None:
    forbidden = await _post(gateway, _key(CAROL))
    unknown = await _post(gateway, _key(CAROL), model="nothing")
    assert forbidden.status_code == unknown.status_code == 404
    assert forbidden.text.replace("chat", "nothing") == unknown.text
    listed = await _get(gateway, "/v1/models", CAROL)
    assert [each["id"] for each in listed.json()["data"]] == ["claude"]


async def test_models_of_the_vendors_are_not_asked_for_by_name(gateway: Served) -> None:
    assert (await _post(gateway, _key(ALICE), model="openai/gpt-4o")).status_code == 404


async def test_guessing_keys_is_slowed_down(gateway: Served) -> None:
    answers = [await _post(gateway, _key(f"sb-guess-{number:016}")) for number in range(21)]
    assert [answer.status_code for answer in answers] == [401] * 20 + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60


async def test_no_header_of_a_client_reaches_a_vendor(gateway: Served) -> None:
    sent = {
        **_key(ALICE),
        "x-forwarded-for": "10.0.0.1",
        "cookie": "session=secret",
        "openai-organization": "org-of-the-client",
        "anthropic-beta": "some-beta",
        "x-client": "mine",
        "user-agent": "client/1.0",
    }
    await _post(gateway, sent)
    await _post(gateway, sent, path="/v1/messages", model="claude")
    for name in ("openai", "anthropic"):
        seen = gateway.simulator.vendor(name).last_request
        assert seen is not None
        told = json.dumps(seen.headers).lower()
        assert not [value for value in sent.values() if value.lower() in told]


async def test_no_field_of_a_body_chooses_where_it_goes(gateway: Served) -> None:
    elsewhere = {"base_url": "http://127.0.0.1:1", "api_base": "http://127.0.0.1:1", "api_key": "sk-other"}
    answer = await _post(gateway, _key(ALICE), **elsewhere)
    assert answer.status_code == 200


WITHOUT_KEYS = FILE.partition("serve:")[0]
LOCAL = ["127.0.0.1", "localhost", "[::1]", "127.8.8.8"]
FOREIGN = ["evil.example", "127.0.0.1.evil.example", "10.0.0.7", "localhost.evil.example"]


@pytest.mark.parametrize(("host", "status"), [*((host, 200) for host in LOCAL), *((host, 403) for host in FOREIGN)])
async def test_without_keys_only_the_names_of_this_machine_are_answered_to(host: str, status: int) -> None:
    async with served(WITHOUT_KEYS) as gateway:
        answer = await _post(gateway, {"host": f"{host}:{gateway.url.rpartition(':')[2]}"})
    assert answer.status_code == status


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000"])
async def test_without_keys_no_web_page_may_ask(origin: str) -> None:
    async with served(WITHOUT_KEYS) as gateway:
        refused = await _post(gateway, {"origin": origin})
        # What the SDKs for Node send says nothing of a page.
        allowed = await _post(gateway, {"sec-fetch-mode": "cors"})
    assert (refused.status_code, allowed.status_code) == (403, 200)


async def test_a_page_that_the_file_names_may_ask() -> None:
    async with served(f"{WITHOUT_KEYS}\nserve: {{origins: ['http://localhost:3000']}}\n") as gateway:
        answer = await _post(gateway, {"origin": "http://localhost:3000"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "access-control-allow-credentials" not in answer.headers


def _key(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def _post(
    gateway: Served, headers: dict[str, str], path: str = "/v1/chat/completions", **fields: Any
) -> httpx.Response:
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.post(gateway.url + path, headers=headers, json={**BODY, **fields})


async def _get(gateway: Served, path: str, key: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.get(gateway.url + path, headers=_key(key))
