"""Keys and prompts are in nothing that leaves the gateway, whatever fails."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec
import pytest

from router import Router
from router.config import ConfigError
from router.gateway.audit import Audit
from tests.support.gateway import served
from tests.support.served import CHAT, FILE, ask, question

CLIENT, WRONG, VENDOR = "sb-CLIENTSECRETclientsecret", "sb-WRONGSECRETwrongsecret", "sk-VENDORSECRETvendorsecret"
PROMPT, HEADER = "PROMPTSECRETpromptsecret", "HEADERSECRETheadersecret"
SECRETS = ("CLIENTSECRET", "WRONGSECRET", "VENDORSECRET", "PROMPTSECRET", "HEADERSECRET")
ROUTES = f"""
providers: {{openai: {{kind: openai, base_url: "{{openai}}", api_key: {VENDOR}}}}}
defaults: {{retry: {{max_attempts: 1, max_wait: 0s}}, breaker: {{consecutive: 10000, min_calls: 10000}}}}
routes: {{chat: {{targets: [openai/gpt-4o]}}}}
serve: {{keys: {{a: {{key: {CLIENT}, budget: $1000/d}}}}}}
"""
PATHS = (CHAT, "/v1/responses", "/v1/messages", "/api/chat")
FAILURES = (
    *("authentication", "permission", "model_not_found", "quota", "rate_limited", "overloaded", "server_error"),
    *("context_length", "content_filtered", "invalid_request", "timeout504"),
)
SAID = [{"role": "user", "content": PROMPT}]
ODD = (
    question(messages=PROMPT),
    question(messages=[{"role": PROMPT, "content": "hi"}]),
    question(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PROMPT}}]}]),
    question(messages=SAID, temperature=PROMPT),
    question(messages=SAID, tool_choice=PROMPT),
    question(messages=SAID, tools=[{"type": "function", "function": {"name": 1, "description": PROMPT}}]),
    question(messages=[{"role": "user", "content": [{"type": "text", "text": [PROMPT]}]}]),
    question(messages=SAID)[:-3],
)


@pytest.mark.parametrize("kind", ["", "broken", *FAILURES])
async def test_no_key_and_no_prompt_is_in_anything_that_leaves(
    kind: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    audit = Audit(str(tmp_path / "audit.jsonl"))
    headers = {"x_api_key": CLIENT, "cookie": HEADER, "x_session_affinity": HEADER, "x_secret": HEADER}
    async with served(ROUTES) as gateway:
        port, vendor = int(gateway.url.rpartition(":")[2]), gateway.simulator.vendor("openai")
        gateway.gateway.observers.append(audit.note)
        if kind == "broken":
            vendor.set(error_after=2, error="overloaded")
        elif kind:
            vendor.set(error_rate=1.0, error=kind)
        left: list[object] = []
        for path in PATHS:
            for stream in (True, False):
                body = question(messages=SAID, input=PROMPT, system=PROMPT, stream=stream)
                left.append(await ask(port, "POST", path, body, **headers))
            left += [await ask(port, "POST", path, body, **headers) for body in ODD]
            left.append(await ask(port, "POST", path, question(), x_api_key=WRONG))
        left.append(await ask(port, "GET", f"/v1/models?key={WRONG}", x_api_key=CLIENT))
        assert vendor.requests > 0
        router = gateway.router
        left += [msgspec.json.encode(router.snapshot()), repr(router), repr(router.plan), repr(router.plan.serving)]
        left += [repr(client) for client in router.plan.serving.clients.values()]
    await audit.aclose()
    written = await asyncio.to_thread((tmp_path / "audit.jsonl").read_text)
    assert len(written.splitlines()) == len(PATHS) * (2 + len(ODD) + 1) + 1
    for what in (*map(str, left), written, caplog.text):
        assert not [secret for secret in SECRETS if secret in what], what


@pytest.mark.parametrize(
    "serve",
    [
        "{keys: {a: {sha256: KEY}}}",
        "{keys: {a: {key: KEY, routes: [nope]}}}",
        "{keys: {a: {key: KEY, nonsense: 1}}}",
        "{keys: {a: {kye: KEY}}}",
        "{keys: {a: [KEY]}}",
        "{keys: [KEY]}",
        "{keys: KEY}",
        "{keys: {KEY: {key: KEY}}}",
        "{keys: {a: {key: KEY, key: KEY}}}",
        "{keys: {a: {key: KEY}}}}",
        "{nonsense: KEY}",
        "{anonymous: {routes: [KEY]}}",
        "{names: {a: KEY}}",
    ],
)
def test_a_key_at_a_wrong_place_of_the_file_is_not_told(serve: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Router.from_text(f"{FILE}serve:\n  {serve.replace('KEY', CLIENT)}\n")
    assert "CLIENTSECRET" not in str(caught.value)
