"""What an app meets first: answers as data, parameters that a type checker knows, tests over the real file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest
from pydantic import BaseModel, TypeAdapter

from providers.fake import FakeProvider, Reply
from providers.settings import ProviderSettings
from providers.types import CompletionRequest, CompletionResponse, Routing, ToolCall, Usage
from router import ConfigError, RequestParams, Router, SyncRouter
from router.views.trace import Attempt, Trace
from tests.support.paths import ROOT

ROUTES = """
providers:
  openai: {kind: openai, api_key: "${NOT_SET_OPENAI}"}
  far: {kind: openai, base_url: "https://${NOT_SET_HOST}/v1", api_keys: ["${NOT_SET_ONE}", "${NOT_SET_TWO}"]}
  other: {kind: openai, api_key: "${NOT_SET_OTHER}", when_unset: disable}
routes:
  chat: {targets: [openai/gpt-6-luna], fallbacks: [far/gpt-6-luna, other/gpt-6-luna]}
"""


def fake(name: str) -> FakeProvider:
    return FakeProvider(ProviderSettings(name=name, kind="fake", options={"script": [Reply(f"I am {name}")]}))


def fakes(*names: str) -> dict[str, FakeProvider]:
    return {
        name: FakeProvider(ProviderSettings(name=name, kind="fake", options={"script": [Reply(f"I am {name}")]}))
        for name in names
    }


# --- a reply is data


def a_reply(**more: Any) -> CompletionResponse:
    attempt = Attempt(target="m", tier=0, at=0.0, seconds=0.5)
    values = {
        "text": "Blue.",
        "tool_calls": (ToolCall("c1", "look", {"at": "sky"}, '{"at": "sky"}'),),
        "usage": Usage(3, 4),
        "raw": object(),
        "route": "chat",
        "trace": Trace(route="chat", revision="r1", entries=[attempt]),
    }
    return CompletionResponse(**(values | more))


def read(reply: CompletionResponse) -> Any:
    """What another program reads of a reply."""
    return json.loads(json.dumps(reply.to_dict()))


def test_a_reply_is_data_for_json() -> None:
    reply = a_reply()
    data = json.loads(reply.to_json())
    assert data == read(reply)
    assert dict(reply) == reply.to_dict()
    assert data["text"] == "Blue."
    assert data["usage"]["output_tokens"] == 4
    assert data["tool_calls"][0]["arguments"] == {"at": "sky"}
    assert data["trace"]["entries"][0]["target"] == "m"
    assert "raw" not in data
    assert a_reply(trace=None).to_dict()["trace"] is None


def test_pydantic_takes_and_writes_a_reply() -> None:
    class Answered(BaseModel):
        reply: CompletionResponse

    reply = a_reply()
    assert json.loads(Answered(reply=reply).model_dump_json()) == {"reply": read(reply)}
    adapter = TypeAdapter(CompletionResponse)
    assert adapter.validate_python(reply) is reply
    assert adapter.json_schema(mode="serialization")["type"] == "object"
    with pytest.raises(ValueError, match="CompletionResponse"):
        adapter.validate_python({"text": "made up"})


async def test_a_reply_of_a_router_is_data_too() -> None:
    async with Router.from_text(ROUTES, providers=fakes("openai", "far", "other")) as router:
        reply = await router.complete("chat", "hi")
        async with router.stream("chat", "hi") as stream:
            async for _ in stream:
                pass
    for found in (reply, stream.response):
        assert msgspec.json.decode(found.to_json())["trace"]["entries"][0]["code"] is None
        assert found.trace.attempts[0].target == "openai/gpt-6-luna"


# --- FastAPI


async def test_fastapi_answers_with_a_reply() -> None:
    fastapi = pytest.importorskip("fastapi")
    httpx = pytest.importorskip("httpx")
    app = fastapi.FastAPI()
    reply = a_reply()

    async def bare() -> Any:
        return reply

    async def annotated() -> CompletionResponse:
        return reply

    async def nested() -> dict[str, CompletionResponse]:
        return {"reply": reply}

    app.get("/bare")(bare)
    app.get("/annotated", response_model=CompletionResponse)(annotated)
    app.get("/nested", response_model=dict[str, CompletionResponse])(nested)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        assert (await client.get("/bare")).json() == read(reply)
        assert (await client.get("/annotated")).json() == read(reply)
        assert (await client.get("/nested")).json() == {"reply": read(reply)}
        assert (await client.get("/openapi.json")).status_code == 200


# --- parameters


def test_type_checkers_know_every_parameter() -> None:
    others = {"model", "messages", "native", "answer_type", "routing"}
    of_a_request = set(CompletionRequest.__struct_fields__) - others
    of_a_request |= set(Routing.__struct_fields__)
    assert set(get_type_hints(RequestParams)) == of_a_request
    assert all(f"{name}:" in (RequestParams.__doc__ or "") for name in of_a_request)


APP = """
from router import CompletionResponse, Reply, Router, SyncRouter, Tool


async def ask(router: Router) -> str:
    reply = await router.complete("chat", "hi", max_tokens=5, stop=["a"], tools=[Tool("f")], timeout={"answer": "5s"})
    seconds: float = reply.trace.attempts[0].seconds
    async with router.stream("chat", "hi", thinking="low", cache="skip") as stream:
        entries = stream.response.trace.entries
    await router.complete("chat", "hi", max_tokenz=5)  # wrong
    router.stream("chat", "hi", temperature="warm")  # wrong
    reply.trace.atempts  # wrong
    return reply.text


def ask_blocking(router: SyncRouter) -> Reply:
    answer: CompletionResponse = router.complete("chat", "hi", temperature=0.5)
    router.complete("chat", "hi", top_k=5)  # wrong
    return router.complete("chat", "hi")
"""


def test_mypy_finds_every_mistake_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", str(tmp_path / "app.py")]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    wrong = {number for number, line in enumerate(APP.splitlines(), 1) if line.endswith("# wrong")}
    assert {int(number) for number in re.findall(r"app\.py:(\d+): error", found)} == wrong, found


# --- the real file in a test


async def test_who_brings_a_provider_needs_none_of_its_variables() -> None:
    async with Router.from_text(ROUTES, providers=fakes("openai", "far", "other")) as router:
        assert (await router.complete("chat", "hi")).text == "I am openai"
        router.drain("openai")
        assert (await router.complete("chat", "hi")).text == "I am far"
        router.drain("far")
        assert (await router.complete("chat", "hi")).text == "I am other"


async def test_the_others_variables_are_needed_still(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="NOT_SET_HOST"):
        Router.from_text(ROUTES, providers=fakes("openai"))


async def test_an_edit_needs_them_no_more_than_the_start(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(ROUTES)
    with SyncRouter.from_yaml(path, providers=fakes("openai", "far", "other"), watch=False, monitor=False) as router:
        assert router.complete("chat", "hi").text == "I am openai"
        path.write_text(ROUTES.replace("chat:", "talk:"))
        assert router.reload().accepted
        assert router.routes == ("talk",)
        assert router.complete("talk", "hi").text == "I am openai"


def test_a_path_is_told_the_way() -> None:
    with pytest.raises(TypeError, match=r"Router\.from_yaml\('my\.yaml'\)"):
        Router("my.yaml")  # type: ignore[arg-type]  # the mistake itself
    with pytest.raises(TypeError, match=r"SyncRouter\.from_yaml\('my\.yaml'\)"):
        SyncRouter(Path("my.yaml"))  # type: ignore[arg-type]  # the mistake itself


# --- without a loop


def test_the_blocking_router_has_all_that_the_other_has() -> None:
    on_the_loop_alone = {"feed", "loop", "provider", "provider_of", "report", "states", "clients", "reload_on_hangup"}
    renamed = {"aclose": "close", "cache": "clear_cache"}
    wanted = {renamed.get(name, name) for name in dir(Router) if not name.startswith("_")}
    assert wanted - on_the_loop_alone <= set(dir(SyncRouter))


def test_the_blocking_router_is_looked_at_and_steered() -> None:
    with SyncRouter.from_text(ROUTES, providers=fakes("openai", "far", "other"), monitor=False) as router:
        assert router.complete("chat", "hi", max_tokens=5).trace.attempts[0].target == "openai/gpt-6-luna"
        router.drain("openai")
        assert router.complete("chat", "hi").target == "far/gpt-6-luna"
        router.undrain("openai")
        router.breaker("far", "open")
        assert router.snapshot().revision == router.revision == router.plan.revision
        assert router.spending == ()
        assert len(router.chain("chat").targets) == 3
        assert not router.watching
        assert router.last_reload is None
        with router.stream("chat", "hi") as stream:
            assert "".join(chunk.text for chunk in stream) == "I am openai"
        assert stream.trace.attempts
        assert stream.number == 3
