"""From the file to a streamed answer, through real sockets, for all three protocols."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import threading
import time
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from providers.errors import ErrorCode, ProviderError
from providers.simulator import Simulator
from providers.types import CompletionResponse, ImagePart, Message, TextPart, Tool
from router import RouteExhausted, Router, SyncRouter
from tests.support.vendors import KEY, VENDORS, routes

pytestmark = pytest.mark.usefixtures("every_carrier")

NEXT = {"openai": "anthropic", "anthropic": "ollama", "ollama": "openai"}
WEATHER = Tool(
    "weather",
    "The weather of a city",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
PIXEL = b"\x89PNG\r\n\x1a\n" + b"\0" * 32


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def ask(
    router: Router, route: str, *, streamed: bool, prompt: str = "Why is the sky blue?"
) -> CompletionResponse:
    if not streamed:
        return await router.complete(route, prompt)
    async with router.stream(route, prompt) as stream:
        text = "".join([chunk.text async for chunk in stream])
    assert text == stream.response.text
    return stream.response


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer(router: Router, vendor: str, streamed: bool) -> None:
    """Each protocol answers with text, usage, a finish reason and who it was, plain and streamed."""
    reply = await ask(router, f"{vendor}-first", streamed=streamed)
    assert len(reply.text) > 40
    assert reply.finish_reason == "stop"
    assert reply.provider == vendor
    assert reply.usage.input_tokens > 0
    assert reply.usage.output_tokens > 0


async def test_plain_and_streamed_answers_are_equal(router: Router, vendor: str) -> None:
    """The accumulated stream equals the plain answer to the same prompt."""
    plain = await ask(router, f"{vendor}-first", streamed=False)
    streamed = await ask(router, f"{vendor}-first", streamed=True)
    for name in ("text", "finish_reason", "tool_calls", "usage", "provider", "target"):
        assert getattr(plain, name) == getattr(streamed, name), name


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_tool_round(router: Router, vendor: str, streamed: bool) -> None:
    """The model asks for a tool, gets its result, and answers; ids and arguments survive the trip."""
    ask_for = [Message.user("What is the weather in Paris? Use the tool.")]
    if streamed:
        async with router.stream(f"{vendor}-first", ask_for, tools=[WEATHER]) as stream:
            async for _ in stream:
                pass
        reply = stream.response
    else:
        reply = await router.complete(f"{vendor}-first", ask_for, tools=[WEATHER])
    assert (reply.finish_reason, reply.provider) == ("tool_calls", vendor)
    call = reply.tool_calls[0]
    assert (call.name, isinstance(call.arguments, dict)) == ("weather", True)
    assert call.id
    result = call.result("21 degrees").message()
    answer = await router.complete(f"{vendor}-first", [*ask_for, reply.message, result], tools=[WEATHER])
    assert (answer.provider, bool(answer.text)) == (vendor, True)


async def test_system_and_images_reach_the_vendor(router: Router, simulator: Simulator, vendor: str) -> None:
    """A system message and an image arrive in the vendor's own form."""
    parts = (TextPart("What is on it?"), ImagePart(data=PIXEL, media_type="image/png"))
    messages = [Message.system("Be brief."), Message.user(parts)]
    reply = await router.complete(f"{vendor}-first", messages)
    assert reply.provider == vendor
    sent = str(simulator.vendor(vendor).last_request)
    assert "Be brief." in sent
    assert "iVBORw0KGgo" in sent


FAULTS = {
    "server_error": ({"error_rate": 1.0, "error": "server_error"}, ErrorCode.SERVER_ERROR),
    "bad_gateway": ({"error_rate": 1.0, "error": "bad_gateway"}, ErrorCode.SERVER_ERROR),
    "overloaded": ({"error_rate": 1.0, "error": "overloaded"}, ErrorCode.OVERLOADED),
    "rate_limited": ({"error_rate": 1.0, "error": "rate_limited", "retry_after": 30}, ErrorCode.RATE_LIMITED),
    "quota": ({"error_rate": 1.0, "error": "quota"}, ErrorCode.QUOTA_EXHAUSTED),
    "authentication": ({"error_rate": 1.0, "error": "authentication"}, ErrorCode.AUTHENTICATION),
    "model_not_found": ({"error_rate": 1.0, "error": "model_not_found"}, ErrorCode.MODEL_NOT_FOUND),
    "context_length": ({"error_rate": 1.0, "error": "context_length"}, ErrorCode.CONTEXT_LENGTH_EXCEEDED),
    "reset": ({"reset": True}, ErrorCode.CONNECTION_FAILED),
    "html": ({"html": True}, ErrorCode.PROTOCOL_ERROR),
    "truncated": ({"truncated": True}, ErrorCode.PROTOCOL_ERROR),
    "empty": ({"empty": True}, ErrorCode.PROTOCOL_ERROR),
}


@pytest.mark.parametrize(
    ("fault", "streamed"),
    # A stream that is cut after content is another matter: see below.
    [(fault, streamed) for fault in FAULTS for streamed in (False, True) if (fault, streamed) != ("truncated", True)],
)
async def test_a_failing_first_target(
    router: Router, simulator: Simulator, vendor: str, fault: str, streamed: bool
) -> None:
    """Whatever breaks the first target, the next one answers, and the trace says what happened."""
    knobs, code = FAULTS[fault]
    simulator.vendor(vendor).set(**knobs)
    reply = await ask(router, f"{vendor}-first", streamed=streamed)
    assert reply.provider == NEXT[vendor]
    assert reply.trace.attempts[0].code is code


async def test_a_stopped_vendor(simulator: Simulator, vendor: str) -> None:
    """A vendor that no longer listens is connection_failed, and the next one answers."""
    with socket.socket() as bound:  # nobody listens, and nobody else gets its port
        bound.bind(("127.0.0.1", 0))
        alive = simulator.base_url(vendor)
        dead = alive.replace(f":{httpx.URL(alive).port}", f":{bound.getsockname()[1]}")
        async with Router.from_text(routes(simulator).replace(alive, dead), env={}) as router:
            reply = await router.complete(f"{vendor}-first", "hi")
    assert reply.provider == NEXT[vendor]
    assert reply.trace.attempts[0].code is ErrorCode.CONNECTION_FAILED


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_hanging_vendor(simulator: Simulator, vendor: str, streamed: bool) -> None:
    """A vendor that accepts and never answers costs first_token or answer, then the next one answers."""
    simulator.vendor(vendor).set(hang=True)
    kind = f"{{kind: {vendor},"  # only its time is short: the next one may take as long as a busy machine needs
    text = routes(simulator).replace(kind, f"{kind} timeout: {{first_token: 50ms, answer: 50ms}},")
    async with Router.from_text(text, env={}) as router:
        reply = await ask(router, f"{vendor}-first", streamed=streamed)
    assert reply.trace.attempts[0].code is ErrorCode.TIMEOUT


async def test_a_stream_cut_in_the_middle(router: Router, simulator: Simulator, vendor: str) -> None:
    """A connection cut after content is stream_interrupted with the partial answer; nobody else is asked."""
    simulator.vendor(vendor).set(cut_after=5)
    got = ""
    with pytest.raises(ProviderError) as caught:
        async with router.stream(f"{vendor}-first", "Why is the sky blue?") as stream:
            async for chunk in stream:
                got += chunk.text
    assert caught.value.code is ErrorCode.STREAM_INTERRUPTED
    assert caught.value.partial is not None
    assert got
    assert caught.value.partial.text == got
    assert simulator.vendor(NEXT[vendor]).requests == 0


async def test_an_error_event_in_the_middle(router: Router, simulator: Simulator, vendor: str) -> None:
    """An error that comes inside a stream after content is stream_interrupted."""
    simulator.vendor(vendor).set(error_after=5)
    with pytest.raises(ProviderError) as caught:
        async with router.stream(f"{vendor}-first", "hi") as stream:
            async for _ in stream:
                pass
    assert caught.value.code is ErrorCode.STREAM_INTERRUPTED


async def test_an_error_event_first_in_the_stream(router: Router, simulator: Simulator, vendor: str) -> None:
    """An error inside a 200 before any content fails over unseen."""
    simulator.vendor(vendor).set(error_after=0)
    reply = await ask(router, f"{vendor}-first", streamed=True)
    assert reply.provider == NEXT[vendor]


async def test_leaving_a_stream_stops_the_vendor(router: Router, simulator: Simulator, vendor: str) -> None:
    """A consumer that leaves closes the connection: the vendor sees it, and no task stays behind."""
    simulator.vendor(vendor).set(hang_after=5)
    async with router.stream(f"{vendor}-first", "Why is the sky blue?") as stream:
        async for chunk in stream:
            if chunk.text:
                break
    async with asyncio.timeout(60):
        while not simulator.vendor(vendor).cancelled:
            await asyncio.sleep(0)


async def test_everything_down(router: Router, simulator: Simulator) -> None:
    """With every vendor down the error lists every attempt."""
    for name in VENDORS:
        simulator.vendor(name).set(error_rate=1.0, error="overloaded")
    with pytest.raises(RouteExhausted) as caught:
        await router.complete("openai-first", "hi")
    assert {attempt.target for attempt in caught.value.attempts} == {"luna", "haiku", "qwen"}
    assert caught.value.code is ErrorCode.OVERLOADED


async def test_a_key_never_shows(
    router: Router, simulator: Simulator, caplog: pytest.LogCaptureFixture, vendor: str
) -> None:
    """Neither key nor prompt is in any repr, error, trace or log, whatever happens."""
    caplog.set_level(logging.DEBUG)
    prompt = "a-prompt-nobody-may-log"
    seen = [repr(router), repr(router.plan), repr(router.plan.providers), str(router.plan.file)]
    for knobs, _ in FAULTS.values():
        simulator.vendor(vendor).mend()
        simulator.vendor(vendor).set(**knobs)
        for name in (vendor, vendor_model(vendor)):
            router.breaker(name, "reset")  # or each would wait for the one before
        try:
            reply = await router.complete(vendor_model(vendor), prompt)
            seen.append(reply.trace.render())
        except (RouteExhausted, ProviderError) as error:
            seen += [str(error), repr(error), error.trace.render(), str(error.trace.as_dict()), repr(vars(error))]
    assert KEY not in "".join(seen) + caplog.text
    assert prompt not in caplog.text


def vendor_model(vendor: str) -> str:
    return {"openai": "luna", "anthropic": "haiku", "ollama": "qwen"}[vendor]


class InThread:
    """A simulator on a loop of its own, for blocking tests."""

    def __enter__(self) -> Simulator:
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._ready.wait()
        return self._simulator

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with Simulator(seed=1) as self._simulator:
            for name in VENDORS:
                self._simulator.vendor(name).set(fast=True)
            self._ready.set()
            await self._stop.wait()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


def test_the_sync_router_from_many_threads() -> None:
    """One SyncRouter serves eight threads at once, plain and streamed, and leaves no thread behind."""
    before = threading.active_count()
    with InThread() as simulator, SyncRouter.from_text(routes(simulator), env={}) as router:

        def work(number: int) -> str:
            route = f"{VENDORS[number % 3]}-first"
            if number % 2:
                return router.complete(route, "hi").provider
            with router.stream(route, "hi") as stream:
                assert "".join(chunk.text for chunk in stream) == stream.response.text
            return stream.response.provider

        with ThreadPoolExecutor(8) as pool:
            answered = list(pool.map(work, range(48)))
        assert answered == [VENDORS[number % 3] for number in range(48)]
    while threading.active_count() > before:  # the loop's pool of threads ends beside us
        time.sleep(0.001)


def test_one_loop_after_another(every_carrier: str) -> None:
    """A router whose loop was closed goes on with the next, and nothing leaks."""
    if every_carrier == "httpx":
        pytest.skip("a transport that is handed in has its pool, and is of one loop")
    with InThread() as simulator, warnings.catch_warnings():
        warnings.simplefilter("error")
        router = Router.from_text(routes(simulator), env={})
        for _ in range(3):
            reply = asyncio.run(router.complete("openai-first", "hi"))
            assert reply.provider == "openai"
        asyncio.run(router.aclose())
        gc.collect()


async def test_a_dropped_router_is_collected(simulator: Simulator) -> None:
    """Nothing global holds on to a router that was closed."""
    router = Router.from_text(routes(simulator), env={})
    await router.complete("openai-first", "hi")
    await router.aclose()
    gone = weakref.ref(router)
    del router
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("fault", [{"hang": True}, {"hang_after": 2}, {"first_token": 3600}])
@pytest.mark.parametrize("streamed", [False, True])
async def test_closing_the_router_ends_calls_under_way(
    simulator: Simulator, fault: dict[str, object], streamed: bool
) -> None:
    """They fail at once and say so, in place of waiting for a timeout or asking somebody else."""
    simulator.vendor("openai").set(fast="hang_after" in fault, **fault)
    router = Router.from_text(routes(simulator, first_token="1h").replace("idle: 60s", "idle: 1h"), env={})

    async def ask() -> None:
        if not streamed:
            await router.complete("openai-first", "hi")
            return
        async with router.stream("openai-first", "hi") as stream:
            async for _ in stream:
                began.set()

    began = asyncio.Event()
    task = asyncio.create_task(ask())
    async with asyncio.timeout(60):
        while not simulator.vendor("openai").in_flight:
            await asyncio.sleep(0)
        if streamed and "hang_after" in fault:
            await began.wait()
        await router.aclose()
        with pytest.raises(ProviderError, match="closed"):
            await task
    assert simulator.vendor("anthropic").requests == 0
