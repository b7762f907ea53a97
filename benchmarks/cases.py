"""What is measured, and of whom: the comparison as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.worker import LONG_PROMPT


@dataclass(frozen=True)
class Contender:
    """One row of the tables. `script` is in `benchmarks/peers`; `module` is what its user imports."""

    name: str
    script: str
    module: str = ""
    setup: Mapping[str, Any] = field(default_factory=dict)
    quick: bool = False  # takes part in the quick run


READY = "Signalbox Router, made and its first call answered"  # of imports only
ROUTER, BARE, CARRIER = "Signalbox Router", "Signalbox provider", "Signalbox HTTP alone"
UVLOOP = "Signalbox Router on uvloop"
LITELLM, LITER, RESPAN, HTTPX = "LiteLLM Router", "liter-llm", "respan-gateway embedded", "httpx alone"

CONTENDERS = (
    Contender("floor: asyncio by hand", "floor", quick=True),
    Contender("pyreqwest alone", "pyreqwest_alone", "pyreqwest.client"),
    Contender("aiohttp alone", "aiohttp_alone", "aiohttp"),
    Contender("httpx over aiohttp", "httpx_over_aiohttp", "httpx_aiohttp", quick=True),
    Contender(HTTPX, "httpx_alone", "httpx"),
    Contender("OpenAI SDK", "openai_sdk", "openai"),
    Contender("Anthropic SDK", "anthropic_sdk", "anthropic"),
    Contender(LITER, "liter_llm_client", "liter_llm"),
    Contender(RESPAN, "respan_gateway_embedded", "respan_gateway"),
    Contender("any-llm", "any_llm_client", "any_llm"),
    Contender("pydantic-ai FallbackModel", "pydantic_ai_fallback", "pydantic_ai.models.fallback"),
    Contender("langchain with fallbacks", "langchain_fallbacks", "langchain_openai"),
    Contender(LITELLM, "litellm_router", "litellm"),
    Contender(CARRIER, "signalbox_http", quick=True),
    Contender(BARE, "signalbox_router", setup={"bare": True}, quick=True),
    Contender(ROUTER, "signalbox_router", "router", quick=True),
    Contender(UVLOOP, "signalbox_uvloop"),
)


@dataclass(frozen=True)
class Case:
    """One thing that is done many times.

    Args:
        do: what a worker is told to do (`benchmarks.worker.measure`, or a case of the peer's own).
        setup: fields of `benchmarks.worker.Setup`.
        times: at most so many in a run; as many as fit into a run's seconds are taken.
        longer: a run has so many times the seconds of others.
        group: cases of one group stand side by side and take turns with each other, each in a process of its own.
        fresh: a new process for each run, in so many runs; 0 shares one.
        only: the contenders that take part; all when empty.
    """

    name: str
    do: str
    setup: Mapping[str, Any] = field(default_factory=dict)
    times: int = 2048
    longer: float = 1.0
    group: str = ""
    fresh: int = 0
    only: tuple[str, ...] = ()
    quick: bool = True


_ROUTERS = (RESPAN, "pydantic-ai FallbackModel", "langchain with fallbacks", LITELLM, ROUTER)
_CLIENTS = ("floor: asyncio by hand", "Anthropic SDK", BARE, ROUTER)
# LiteLLM opens fewer connections at once.
_GATHERED = ("floor: asyncio by hand", "httpx over aiohttp", "OpenAI SDK", LITER, RESPAN, BARE, ROUTER)
_LONG = ("floor: asyncio by hand", "pyreqwest alone", "aiohttp alone", LITER, RESPAN, LITELLM, CARRIER, BARE, ROUTER)
_LARGE = ("floor: asyncio by hand", "OpenAI SDK", LITER, RESPAN, LITELLM, BARE, ROUTER)
_DONE = ("plain", "plain_64", "stream", "stream_64")
FAULTS = ("refused", "reset", "hang", "503", "cut")

CASES = (
    *(Case(do, do) for do in _DONE),
    *(Case(f"long {do}", do, {"prompt": LONG_PROMPT}, only=_LONG) for do in ("plain", "plain_64")),
    Case("many", "stream", {"mode": "many"}, only=_LARGE),
    Case("tools", "tools", {"mode": "tools"}, only=_LARGE),
    Case("large", "plain", {"mode": "large"}, only=_LARGE),
    *(
        Case(f"{vendor} {do}", do, {"vendor": vendor}, only=_CLIENTS, quick=False)
        for vendor in ("anthropic", "ollama")
        for do in _DONE
    ),
    Case("fallbacks", "plain", {"fallbacks": 2}, only=_ROUTERS),
    Case("dead", "plain", {"fallbacks": 2, "dead": "refused"}, only=_ROUTERS),
    *(
        Case(
            f"targets {number}",
            "plain",
            {"targets": number},
            8192,
            longer=5.0,  # so that each target is called several times
            group="targets",
            only=(LITELLM, ROUTER),
            quick=number != 100,
        )
        for number in (3, 100, 1000)
    ),
    Case("memory hit", "plain", {"cache": "memory"}, only=(LITELLM, ROUTER)),
    Case("disk hit", "plain", {"cache": "disk"}, only=(ROUTER,)),
    Case("engine", "engine", times=1, fresh=5, only=(ROUTER,)),
    Case("load", "load", times=1, fresh=7, only=(ROUTER,)),
    *(
        Case(
            f"failover {fault}",
            "failover",
            {"dead": "refused"} if fault == "refused" else {"mode": fault},
            5,
            only=(ROUTER,),
        )
        for fault in FAULTS
    ),
    Case("gather", "gather", {"mode": "gather-1000"}, 1000, fresh=3, only=_GATHERED, quick=False),
    Case("import", "import", times=1, fresh=5),
)
