"""Which requests share an answer, and how answers are written."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.types import (
    CompletionRequest,
    CompletionResponse,
    ImagePart,
    Message,
    ServerTool,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCall,
    Usage,
)
from router.cache.codec import BadEntry, Entry, decode, encode
from router.cache.key import LEFT_OUT, CacheKey, NotCacheable, cache_key
from router.cache.memory import Memory
from router.config import load_text
from router.plan.compile import compile_plan

BASE: dict[str, Any] = {
    "model": "chat",
    "messages": (Message.system("Be brief."), Message.user("Why is the sky blue?")),
    "tools": (Tool("look", "Looks.", {"type": "object", "properties": {"a": {"type": "string"}}}),),
    "temperature": 0.5,
    "max_tokens": 100,
    "extra_body": {"x": 1, "y": {"z": [1, 2]}},
}

OTHERS: dict[str, Any] = {
    "messages": (Message.user("Why is the sky red?"),),
    "tools": (),
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "response_format": "json",
    "temperature": 0.0,
    "top_p": 0.9,
    "max_tokens": 101,
    "stop": ("END",),
    "seed": 1,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
    "thinking": "low",
    "thinking_display": "omitted",
    "logprobs": True,
    "top_logprobs": 2,
    "service_tier": "flex",
    "prediction": "x",
    "modalities": ("text", "audio"),
    "audio": {"voice": "alloy"},
    "server_tools": (ServerTool("web_search"),),
    "allowed_tools": ("look",),
    "user": "someone",
    "extra_body": {"x": 1, "y": {"z": [2, 1]}},
    "extra_headers": {"x-beta": "1"},
}


def key(targets: str = "t", route: str = "chat", namespace: str | None = None, **changes: Any) -> CacheKey:
    return cache_key(CompletionRequest(**(BASE | changes)), route, targets, namespace)


@pytest.mark.parametrize("name", OTHERS)
def test_what_can_change_the_answer_is_in_the_key(name: str) -> None:
    assert key(**{name: OTHERS[name]}) != key()


def test_every_field_is_decided_about() -> None:
    """A field that a request gets one day is either in the key or left out on purpose."""
    assert set(CompletionRequest.__struct_fields__) == set(OTHERS) | LEFT_OUT


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "other"},
        {"affinity": "session"},
        {"metadata": {"a": 1}},
        {"timeout": {"total": 1.0}},
        {"extra_body": {"y": {"z": [1.0, 2.0]}, "x": 1.0}},
        {"max_tokens": 100.0},
        {"messages": (Message.system([TextPart("Be brief.")]), Message.user("Why is the sky blue?"))},
        {"tools": (Tool("look", "Looks.", {"properties": {"a": {"type": "string"}}, "type": "object"}),)},
    ],
    ids=str,
)
def test_what_cannot_is_not(changes: dict[str, Any]) -> None:
    assert key(**changes) == key()


def test_who_may_not_share() -> None:
    """Routes, targets, and namespaces of the route and of the request, in any combination."""
    keys = [
        key(),
        key(route="other"),
        key(targets="u"),
        key(namespace="a"),
        cache_key(CompletionRequest(**BASE, namespace="a"), "chat", "t", None),
        cache_key(CompletionRequest(**BASE, namespace="b"), "chat", "t", None),
        cache_key(CompletionRequest(**BASE, namespace="b"), "chat", "t", "a"),
        cache_key(CompletionRequest(**BASE, namespace="a"), "chat", "t", "b"),
    ]
    assert len({each.text() for each in keys}) == len(keys)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def same(one: Any, two: Any) -> bool:
    """Whether two JSON values say the same: numbers by value, mappings in any order, and true is no 1."""
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[name], two[name]) for name in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(same, one, two))
    return (type(one) in (int, float) and type(two) in (int, float) and one == two) or (
        type(one) is type(two) and one == two
    )


@given(json_values, json_values)
def test_keys_are_equal_when_requests_are(one: Any, two: Any) -> None:
    """Over any JSON that an app hands through to a vendor."""
    assert (key(extra_body={"v": one}) == key(extra_body={"v": two})) == same(one, two)


@given(st.text(), st.text(), st.text(), st.text())
def test_messages_do_not_run_into_each_other(a: str, b: str, c: str, d: str) -> None:
    try:
        one = key(messages=(Message.user(a), Message.assistant(b)))
        two = key(messages=(Message.user(c), Message.assistant(d)))
    except NotCacheable:
        return  # half a surrogate pair
    assert (one == two) == ((a, b) == (c, d))


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, {1: 2}, "\ud800", pytest.param(object(), id="an object")],
    ids=repr,
)
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    """Never a key that something else could have as well."""
    with pytest.raises(NotCacheable):
        key(extra_body={"v": value})


def test_images_count() -> None:
    pictures = [
        Message.user([TextPart("what?"), ImagePart(data=data, media_type="image/png")]) for data in (b"a", b"b")
    ]
    assert key(messages=(pictures[0],)) != key(messages=(pictures[1],))
    url = Message.user([TextPart("what?"), ImagePart(url="YQ==")])
    assert key(messages=(url,)) != key(messages=(pictures[0],))


def answers(text: str) -> str:
    loaded = load_text(text, env={"K": "one"})
    return compile_plan(loaded).chains["chat"].answers


def test_what_of_the_file_counts() -> None:
    """Models, servers, params and options do; weights, order, timeouts and another key do not."""
    text = (
        "providers: {a: {kind: openai, api_key: one}, b: {kind: ollama}}\n"
        "models: {m: {provider: a, id: gpt, params: {temperature: 1}}}\n"
        "routes: {chat: {targets: {m: 1, b/q: 2}, cache: {ttl: 1h}}}\n"
    )
    for before, after in (("m: 1, b/q: 2", "b/q: 5, m: 1"), ("api_key: one", "api_key: two"), ("ttl: 1h", "ttl: 2h")):
        assert answers(text.replace(before, after)) == answers(text)
    for before, after in (
        ("id: gpt", "id: gpt-2"),
        ("temperature: 1", "temperature: 0"),
        ("{kind: ollama}", "{kind: ollama, num_ctx: 4096}"),
        ("{kind: ollama}", '{kind: ollama, base_url: "http://there:1"}'),
        ("m: 1, b/q: 2", "m: 1"),
    ):
        assert answers(text.replace(before, after)) != answers(text)


# --- written and read


WHOLE = CompletionResponse(
    text="Rayleigh ☀",
    thinking=(ThinkingPart("hm", "sig", {"a": [1]}, "a/m"),),
    tool_calls=(ToolCall("1", "look", {"a": "b"}, '{"a": "b"}'), ToolCall("2", "look", None, "no")),
    finish_reason="tool_calls",
    raw_finish_reason="tool_use",
    usage=Usage(10, 5, 1, None, 2),
    model="m-1",
    provider="a",
    id="x",
    request_id="r",
    raw={"any": [1, None, 2**70, 0.5]},
    route="chat",
    target="m",
    cost=0.001,
)


def test_a_round_trip_loses_nothing() -> None:
    for by_fallback in (False, True):
        entry = Entry(123.5, WHOLE, by_fallback)
        assert decode(encode(entry)) == entry


@pytest.mark.parametrize("cut", range(0, len(encode(Entry(1.0, WHOLE))), 7))
def test_a_truncated_entry_is_bad(cut: int) -> None:
    with pytest.raises(BadEntry):
        decode(encode(Entry(1.0, WHOLE))[:cut])


@given(st.binary(max_size=200))
def test_garbage_is_bad(data: bytes) -> None:
    for bad in (data, b"signalbox answer 1\n" + data, encode(Entry(1.0, WHOLE)).replace(b"answer 1", b"answer 2")):
        with pytest.raises(BadEntry):
            decode(bad)


def test_memory_is_bounded_in_bytes() -> None:
    """The least recently used goes first; what is larger than all of it is not kept."""
    memory = Memory(100)
    for name in "abc":
        memory.put(name, bytes(30))
    memory.get("a")
    memory.put("d", bytes(40))
    assert memory.get("b") is None
    assert (memory.get("a"), memory.size) == (bytes(30), 100)
    memory.put("e", bytes(101))
    assert memory.get("e") is None
    assert memory.size == 100
    memory.put("a", bytes(10))
    assert memory.size == 80
