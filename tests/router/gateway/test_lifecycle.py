"""How a gateway begins, follows its file, and ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from providers.simulator import Simulator
from tests.support.command import signalbox
from tests.support.edits import save
from tests.support.served import CHAT, FILE, Held, ask, parsed, question, request, served
from tests.support.served_process import file_over, serving
from tests.support.vendors import held_answers
from tests.support.waiting import until

END_OF_CHAT = b"data: [DONE]\n\n"


# --- its end, within a process


async def test_what_is_under_way_is_answered_whole_and_nothing_new_is_taken() -> None:
    async with served(provider=(held := Held())) as here:
        stream = asyncio.ensure_future(ask(here.port, "POST", CHAT, question(stream=True), connection="keep-alive"))
        plain = asyncio.ensure_future(ask(here.port, "POST", CHAT, question(), connection="keep-alive"))
        await until(lambda: len(held.requests) == 2)
        stopping = asyncio.ensure_future(here.server.stop(60))
        await until(lambda: refused(here.port))
        held.gate.set()
        assert (await stream).body.count(b"data: [DONE]") == 1
        assert (await plain).json()["choices"][0]["message"]["content"] == "one two"
        await stopping
        assert held.cancelled == 0


def refused(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


async def test_a_body_that_is_still_coming_is_waited_for() -> None:
    async with served() as here:
        body = question()
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        whole = request("POST", CHAT, body, connection="keep-alive")
        writer.write(whole[:-5])
        await until(lambda: here.gateway.under_way)
        stopping = asyncio.ensure_future(here.server.stop(60))
        await until(lambda: refused(here.port))
        writer.write(whole[-5:])
        answer = parsed(await reader.read())
        writer.close()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        await stopping


LAST_WORDS = {
    CHAT: b'data: {"error":{"message":"this gateway is shutting down"',
    "/v1/messages": b"event: error\ndata: ",
    "/v1/responses": b"event: response.failed\ndata: ",
    "/api/chat": b'{"error":"this gateway is shutting down"}',
}


@pytest.mark.parametrize("path", LAST_WORDS)
async def test_streams_that_last_too_long_end_with_their_protocols_error(path: str) -> None:
    async with served(provider=(held := Held())) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(request("POST", path, question(stream=True, input="hi")))
        half = await reader.readuntil(b"one ")
        here.gateway.end_all()
        answer = parsed(half + await reader.read())
        writer.close()
        assert answer.status == 200
        assert LAST_WORDS[path] in answer.body
        assert b"shutting down" in answer.body
        assert END_OF_CHAT not in answer.body
        assert held.cancelled == 1


@pytest.mark.parametrize(("path", "status"), [(CHAT, 503), ("/v1/messages", 529), ("/v1/responses", 503)])
async def test_plain_requests_that_last_too_long_are_told_to_come_again(path: str, status: int) -> None:
    async with served(provider=(held := Held())) as here:
        asking = asyncio.ensure_future(ask(here.port, "POST", path, question(input="hi")))
        await until(lambda: held.requests)
        here.gateway.end_all()
        answer = await asking
        assert (answer.status, answer.headers["x-should-retry"]) == (status, "true")
        assert "shutting down" in answer.json()["error"]["message"]
        assert held.cancelled == 1


# --- the command


async def test_sigterm_lets_64_streams_end_whole(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = simulator.vendor("openai")
    vendor.set(fast=False)
    goes_on = held_answers(monkeypatch)
    async with serving(tmp_path, file_over(simulator)) as running:
        streams = [asyncio.ensure_future(running.ask(CHAT, question(stream=True))) for _ in range(64)]
        await until(lambda: vendor.requests == 64)
        running.process.send_signal(signal.SIGTERM)
        await running.until_not_ready()
        goes_on.set()
        answers = await asyncio.gather(*streams)
        assert [END_OF_CHAT in answer.body for answer in answers] == [True] * 64
        assert await running.ended() == 0
        assert vendor.cancelled == 0
        here = f"http://127.0.0.1:{running.port}"
        assert await running.said() == f"signalbox: serves {here}  (no key needed, from this machine alone)\n"


async def test_what_hangs_is_told_the_end_and_cut(simulator: Simulator, tmp_path: Path) -> None:
    vendor = simulator.vendor("openai")
    vendor.set(hang_after=2)
    async with serving(tmp_path, file_over(simulator, "serve: {drain: 0s}\n")) as running:
        stream = asyncio.ensure_future(running.ask(CHAT, question(stream=True)))
        await until(lambda: vendor.in_flight == 1)
        vendor.set(hang=True)
        plain = asyncio.ensure_future(running.ask(CHAT, question()))
        await until(lambda: vendor.in_flight == 2)
        running.process.send_signal(signal.SIGTERM)
        assert LAST_WORDS[CHAT] in (await stream).body
        assert (await plain).status == 503
        assert await running.ended() == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_second_signal_ends_it_at_once(
    simulator: Simulator, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    simulator.vendor("openai").set(hang=True)
    async with serving(tmp_path, file_over(simulator, "serve: {drain: 10m, lead: 10m}\n")) as running:
        asking = asyncio.ensure_future(running.ask(CHAT, question()))
        await until(lambda: simulator.vendor("openai").in_flight == 1)
        running.process.send_signal(number)
        await running.until_not_ready()
        assert (await ask(running.port, "GET", "/healthz")).status == 200  # it still answers: the lead has begun
        running.process.send_signal(number)
        assert await running.ended() == code
        asking.cancel()


async def test_a_changed_file_is_followed_and_what_became_of_it_is_a_line(simulator: Simulator, tmp_path: Path) -> None:
    text = file_over(simulator)
    async with serving(tmp_path, text) as running:
        file = tmp_path / "routes.yaml"
        save(file, text.replace("chat:", "talk:"))
        assert "route talk added" in await running.line("revision")
        assert (await running.ask(CHAT, question())).status == 404
        save(file, f"{text}  more: {{targets: [luna], nonsense: 1}}\n")
        assert "routes.yaml:8:" in await running.line("rejected")
        assert (await running.ask(CHAT, question(model="talk"))).status == 200
        save(file, text + "serve: {workers: 2, listen: 127.0.0.1:1}\n")
        assert "next start" in await running.line("serve.listen")


TWO_KEYS = "serve: {keys: {a: {key: sb-aaaaaaaaaaaaaaaaaaaa}, b: {key: sb-bbbbbbbbbbbbbbbbbbbb}}}\n"


async def test_a_key_that_is_taken_out_fails_at_its_next_request(simulator: Simulator, tmp_path: Path) -> None:
    text = file_over(simulator, TWO_KEYS)
    async with serving(tmp_path, text) as running:
        key = {"authorization": "Bearer sb-aaaaaaaaaaaaaaaaaaaa"}
        assert (await ask(running.port, "POST", CHAT, question(), **key)).status == 200
        save(tmp_path / "routes.yaml", text.replace("a: {key: sb-aaaaaaaaaaaaaaaaaaaa}, ", ""))
        running.process.send_signal(signal.SIGHUP)
        await running.line("revision")
        assert (await ask(running.port, "POST", CHAT, question(), **key)).status == 401


async def test_systemd_is_told_how_it_goes(simulator: Simulator, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}

        def told() -> str:
            return systemd.recv(4096).decode()

        async with serving(tmp_path, file_over(simulator), env=env) as running:
            assert await asyncio.to_thread(told) == "READY=1\nSTATUS=serving"
            running.process.send_signal(signal.SIGHUP)
            assert (await asyncio.to_thread(told)).startswith("RELOADING=1\nMONOTONIC_USEC=")
            assert await asyncio.to_thread(told) == "READY=1\nSTATUS=serving"
            running.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(told) == "STOPPING=1"
            assert await running.ended() == 0


async def test_metrics_are_at_a_listener_of_their_own(simulator: Simulator, tmp_path: Path, port: int) -> None:
    text = file_over(simulator, f"serve: {{metrics: {{listen: 127.0.0.1:{port}}}}}\n")
    async with serving(tmp_path, text) as running:
        assert (await running.ask(CHAT, question())).status == 200
        figures = await ask(port, "GET", "/metrics")
        assert re.search(rb'^signalbox_requests_total\{[^}]*route="chat"[^}]*\} 1\.0$', figures.body, re.M)
        assert (await ask(port, "GET", "/readyz")).status == 200
        refused = await ask(port, "POST", CHAT, question())
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
        assert (await ask(running.port, "GET", "/metrics")).status == 404


async def test_the_audit_has_a_line_for_each_request(simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    vendor = simulator.vendor("openai")
    async with serving(tmp_path, file_over(simulator, f"serve: {{audit: '{path}'}}\n")) as running:
        await running.ask(CHAT, question(messages=[{"role": "user", "content": "tell nobody"}]))
        await ask(running.port, "POST", "/v1/messages", question(stream=True), user_agent="tester/1")
        await running.ask(CHAT, question(model="nothing"))
        vendor.set(hang=True)
        leaving = asyncio.ensure_future(running.ask(CHAT, question(stream=True)))
        await until(lambda: vendor.in_flight == 1)
        leaving.cancel()
        await until(lambda: vendor.in_flight == 0)
        path.rename(tmp_path / "audit.1")  # as logrotate does
        vendor.set(fast=True, hang=False)
        await running.ask(CHAT, question())
        running.process.send_signal(signal.SIGTERM)
        assert await running.ended() == 0
    before, after = ((tmp_path / name).read_text() for name in ("audit.1", "audit.jsonl"))
    lines = [json.loads(line) for line in (before + after).splitlines()]
    assert [(line["face"], line["status"], line["code"]) for line in lines if line["path"] != "/readyz"] == [
        ("chat", 200, None),
        ("messages", 200, None),
        ("chat", 404, "model_not_found"),
        ("chat", 499, "cancelled"),
        ("chat", 200, None),
    ]
    first, second = lines[:2]
    assert (first["client"], first["route"], first["target"]) == ("anonymous", "chat", "luna")
    assert first["input_tokens"] > 0 < first["output_tokens"]
    assert first["cost"] > 0 < second["cost"]
    assert second["agent"] == "tester/1"
    assert second["stream"] is True
    assert 0 < second["first_ms"] <= second["ms"]
    assert "nobody" not in before + after
    assert os.stat(path).st_mode & 0o077 == 0
    assert after


# --- what can't begin


@pytest.mark.parametrize(
    ("serve", "args", "code", "words"),
    [
        ("{audit: /no/such/folder/a.jsonl}", [], 1, "serve.audit: /no/such/folder/a.jsonl can't be written"),
        ("{tls: {cert: /no/cert.pem, key: /no/key.pem}}", [], 1, "/no/cert.pem: No such file"),
        ("{listen: 0.0.0.0:4180}", [], 1, "routes.yaml:"),
        ("{}", ["--listen", "nonsense"], 2, "--listen: the port is missing"),
        ("{}", ["--listen", "0.0.0.0:0"], 2, "--listen: 0.0.0.0:0 lets other machines in"),
        ("{}", ["--listen", "unix:/no/such/folder/sb"], 3, "folder does not exist"),
        (
            "{audit: /no/such/folder/a.jsonl, workers: 2}",
            [],
            1,
            "serve.audit: /no/such/folder/a.jsonl can't be written",
        ),
        ("{}", ["--listen", "unix:/no/such/folder/sb", "--workers", "2"], 3, "folder does not exist"),
    ],
)
async def test_what_keeps_it_from_beginning_is_told_in_a_line(
    tmp_path: Path, serve: str, args: list[str], code: int, words: str
) -> None:
    (tmp_path / "routes.yaml").write_text(f"{FILE}serve: {serve}\n")
    run = await signalbox("serve", *args, cwd=tmp_path)
    assert run.code == code, run.err
    assert words in run.err
    assert run.out == ""


async def test_without_a_file_it_says_how_to_get_one(tmp_path: Path) -> None:
    run = await signalbox("serve", cwd=tmp_path)
    assert run.code == 2
    assert run.err == "signalbox: routes.yaml: no such file; name another, or write one: `signalbox init`\n"
