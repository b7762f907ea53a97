"""Whatever file `check` accepts can be simulated, and a simulation leaves nothing behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from providers import FakeProvider, ProviderSettings
from providers.registry import register
from router.config import load
from router.simulate import judge, simulate
from router.simulate.report import as_dict, render
from router.simulate.scenario import compile_simulated, load_routes, scenario_from

CERTAIN = {
    "A_KEY": "sk-a-1234567890",
    "B_KEY": "sk-b-1234567890",
    "HOST": "models.example",
    "PORT": "8443",
    "URL": "https://models.example/v1",
    "CA": "ca.pem",
    "RATE": "100/min",
    "FLAG": "true",
    "NUMBER": "4096",
}


@register("strict")
class Strict(FakeProvider):
    """An installed kind that looks at its key and options when it is made."""

    def __init__(self, settings: ProviderSettings) -> None:
        if settings.secret != CERTAIN["A_KEY"] or settings.options["region"] != "eu":
            raise RuntimeError("this is no key of ours")
        super().__init__(settings)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Every folder of the user's, empty."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(name, str(home))
        for name in ("SIGNALBOX_CACHE_DIR", "SIGNALBOX_STATE_DIR", "SIGNALBOX_RUNTIME_DIR"):
            patch.setenv(name, str(home / name))
        yield home


def some(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=values)


seconds = st.sampled_from(["1ms", "500ms", "2s", "1m", "1h"])
rates = st.sampled_from(["1/s", "10/min", "5k/h", "1M/d", "${RATE}"])
shares = st.sampled_from(["0%", "5%", "100%"])
counts = st.sampled_from([1, 3, 50])
budgets = st.sampled_from(["$0.01/s", "$1/h", "$5/month", {"usd": "20/day"}])
limits = some(requests=rates, tokens=rates, in_flight=counts)
timeout = some(connect=seconds, first_token=seconds, idle=seconds, total=seconds)
retry = some(max_attempts=counts, same_target=st.integers(0, 2), backoff=seconds, max_wait=st.just("5s"), budget=shares)
breaker = some(
    window=seconds, min_calls=counts, failure_rate=st.just("50%"), consecutive=counts, open_for=seconds, probes=counts,
    ramp=st.just("5s"), slow_call=st.just({"threshold": "1s", "rate": "50%"}),
)  # fmt: skip
hedge = st.fixed_dictionaries({"after": st.sampled_from(["p95", "300ms"])}, optional={"max": counts, "budget": shares})
cache = st.fixed_dictionaries(
    {"ttl": st.sampled_from(["1s", "1m", "1d"])},
    optional={
        "fallback_ttl": st.sampled_from([0, "1s"]),
        "stale_if_error": st.sampled_from([True, "1m"]),
        "namespace": st.just("tenant"),
        "max_entry": st.sampled_from(["1KB", "1MB"]),
        "store_tool_calls": st.booleans(),
    },
)
balance = st.sampled_from(["weighted", "ordered", "least_latency", "least_busy", "cheapest", "affinity"])
on_stream_break = st.sampled_from(["error", "restart", "continue"])
params = some(temperature=st.just(0.2), max_tokens=counts, thinking=st.just("low"))

connection = st.one_of(
    st.just({"api_key": "${A_KEY}"}),
    st.just({"api_key": "literal-key-of-somebody"}),
    st.just({"api_key": "${file:key.txt}", "base_url": "${file:url.txt}"}),
    st.just({"api_keys": ["${A_KEY}", "${B_KEY}", "${file:key.txt}"]}),
    st.just({"base_url": "https://${HOST}:${PORT}/v1", "verify": "${CA}", "headers": {"X-Key": "${A_KEY}"}}),
    st.just({"base_url": "${URL}", "proxy": "http://user:${A_KEY}@${HOST}:${PORT}", "verify": "${FLAG}"}),
    st.just({"unix_socket": "/run/${HOST}.sock", "api_key": "${B_KEY}"}),
    st.just({"client_cert": {"cert": "${CA}", "key": "${file:key.txt}"}, "proxy": "off"}),
    st.just({"api_key": "${MISSING}", "when_unset": "disable"}),
    st.just({"api_key": "${MISSING:-none}"}),
    st.just({}),
)
kinds = st.sampled_from(
    [
        {"kind": "openai"},
        {"kind": "anthropic"},
        {"kind": "ollama"},
        {"kind": "ollama", "num_ctx": "${NUMBER}"},
        {"kind": "fake"},
        {"kind": "strict", "options": {"region": "eu", "size": "${NUMBER}"}},
    ]
)
policies = some(timeout=timeout, retry=retry, breaker=breaker, limits=limits, budget=budgets)
provider = st.builds(lambda *parts: {key: value for part in parts for key, value in part.items()},
                     kinds, connection, policies)  # fmt: skip
model = st.builds(
    lambda first, more: {"provider": first, "id": "some-model"} | more,
    st.sampled_from(["p0", "p1"]),
    some(
        price=st.sampled_from([{"input": 1, "output": 10}, {"input": 0, "output": 0}]),
        context_window=st.sampled_from([200, 100_000]),
        limits=limits,
        params=params,
        capabilities=some(tools=st.booleans(), streaming=st.booleans()),
    ),
)
names = st.sampled_from(["m0", "m1", "p0/other", "p1/other"])
targets = st.one_of(
    st.lists(names, min_size=1, max_size=3, unique=True),
    st.dictionaries(names, st.integers(1, 9), min_size=1, max_size=3),
)
fallback = st.one_of(
    names,
    st.just("spare"),
    st.builds(lambda to, on: {"to": to, "on": on}, names, st.sampled_from([["any"], ["overloaded", "timeout"]])),
    st.builds(lambda each, how: {"targets": each, "balance": how}, targets, balance),
)
route = st.builds(
    lambda each, more: {"targets": each} | more,
    targets,
    some(
        balance=balance, fallbacks=st.lists(fallback, max_size=3), hedge=hedge, cache=cache, budget=budgets,
        timeout=timeout, retry=retry, on_stream_break=on_stream_break,
    ),
)  # fmt: skip
files = st.fixed_dictionaries(
    {
        "providers": st.fixed_dictionaries({"p0": provider, "p1": provider}),
        "models": st.fixed_dictionaries({"m0": model, "m1": model}),
        "routes": st.fixed_dictionaries({"chat": route, "idle": route, "spare": names}),
    },
    optional={
        "cache": some(path=st.sampled_from(["memory", "~/answers", "answers"]), max_size=st.just("1GB")),
        "telemetry": some(monitor=st.sampled_from(["auto", "off", "x.sock"]), capture=st.just("full")),
        "defaults": some(
            timeout=timeout, retry=retry, breaker=breaker, limits=limits, hedge=hedge, cache=cache, balance=balance,
            on_stream_break=on_stream_break,
        ),
    },
)  # fmt: skip
faults = st.sampled_from(["overloaded", "hang", "stall", "cut", "slow", "refused", "authentication", "rate_limited"])
scenarios = st.builds(
    lambda line, events: {
        "duration": "20s",
        "traffic": [{"route": "chat", "rate": "3/s"} | line, {"route": "m0", "rate": "1/s"}],
        "events": [{"at": "2s", "for": "5s", "who": "p0", "fault": fault} for fault in events],
    },
    some(
        stream=st.booleans(), repeats=st.sampled_from(["12%", "100%"]), sessions=counts,
        prompt=st.sampled_from([1, 2000]),
        answer=st.sampled_from([1, 300, "30k"]),
    ),
    st.lists(faults, max_size=2),
)  # fmt: skip


@pytest.mark.slow
@settings(phases=[Phase.generate, Phase.reuse])
@given(files, scenarios)
def test_what_check_accepts_is_simulated(home: Path, file: dict[str, Any], scenario: dict[str, Any]) -> None:
    """With no key, file or variable that only a connection needs; what it counts adds up; the disk is untouched."""
    folder = home / "project"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / "routes.yaml"
    path.write_text(yaml.safe_dump(file, sort_keys=False))
    secrets = {"key.txt": "sk-from-a-file", "url.txt": "https://models.example", "ca.pem": ""}
    for name, text in secrets.items():
        (folder / name).write_text(text)
    assume(load(path, env=CERTAIN).file is not None)
    for name in secrets:
        (folder / name).unlink()
    needed = {name: CERTAIN[name] for name in ("RATE", "NUMBER")}  # limits and windows are no secrets
    plan = compile_simulated(load_routes(path, env=needed))
    loaded = scenario_from(yaml.safe_dump(scenario), plan)
    assert loaded.scenario is not None, [found.render() for found in loaded.diagnostics]
    outcome = simulate(plan, loaded.scenario)
    assert outcome.requests > 20
    for count in outcome.routes.values():
        assert count.answered + count.failed == count.requests
        assert count.hits == 0 or (file["routes"]["chat"].get("cache") or file.get("defaults", {}).get("cache"))
    assert sum(count.answers for count in outcome.targets.values()) == sum(
        count.called for count in outcome.routes.values()
    )
    assert [line for line in render(outcome, judge(outcome)).splitlines() if len(line) > 80] == []
    as_dict(outcome, [])
    assert sorted(found.name for found in home.rglob("*")) == ["project", "routes.yaml"]
