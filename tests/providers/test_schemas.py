"""Tools, schemas and names as each vendor accepts them, looked at where they leave and where they come back."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ErrorCode, ProviderError
from providers.schemas.names import safe
from providers.types import CompletionRequest, Message, Tool, ToolCall
from tests.support.sending import sent

Schema = dict[str, Any]
OBJECT: Schema = {"type": "object", "properties": {}}
TEXT: Schema = {"type": "string"}
ALLOWED = re.compile(r"[a-zA-Z0-9_-]{1,64}")
CHATS = ("openai", "azure", "openrouter", "groq", "mistral", "xai", "gemini", "vllm", "generic")


def object_of(**properties: Any) -> Schema:
    return {"type": "object", "properties": properties}


async def tool_at(spoken: str, parameters: Schema, *, strict: bool | None = None) -> Schema:
    """The one tool as it is sent."""
    body = (await sent(spoken, tools=(Tool("f", "does it", parameters, strict),))).body
    tool: Schema = body["tools"][0]
    return tool.get("function", tool)


async def parameters_at(spoken: str, parameters: Schema, *, strict: bool | None = None) -> Schema:
    tool = await tool_at(spoken, parameters, strict=strict)
    found: Schema = tool.get("parameters") or tool["input_schema"]
    return found


async def format_at(spoken: str, schema: Schema, *, strict: bool = False, model: str = "m") -> Schema:
    """The schema of the answer as it is sent, with what stands beside it."""
    wanted = {"name": "a", "schema": schema, **({"strict": True} if strict else {})}
    body = (await sent(spoken, model=model, response_format=wanted)).body
    if spoken == "anthropic":
        return dict(body["output_config"]["format"])
    return dict(body["response_format"]["json_schema"]) if spoken != "ollama" else {"schema": body["format"]}


def keywords(schema: Any) -> set[str]:
    """Every keyword that stands anywhere in a schema."""
    if isinstance(schema, list):
        return set().union(*map(keywords, schema))
    if not isinstance(schema, dict):
        return set()
    inner = [
        each.values() if key in ("properties", "$defs") else [each]
        for key, each in schema.items()
        if key not in ("enum", "const", "default", "required")
    ]
    return set(schema).union(*(keywords(value) for values in inner for value in values))


def refused(error: ProviderError, where: str) -> bool:
    return error.code is ErrorCode.UNSUPPORTED and where in error.message


# --- names


@pytest.mark.parametrize("spoken", ["anthropic", *CHATS])
@pytest.mark.parametrize("name", ["github.issues/list", "a b", "x[y]", "é", "7up", "n" * 65, "…", "🙂.a"])
async def test_names_of_tools_are_sent_as_allowed_and_come_back_as_given(spoken: str, name: str) -> None:
    """In the tools, in the choice, in earlier turns, and back in the answer."""
    call = ToolCall("call12345", name, {}, "{}")
    turns = (Message.user("Hi"), Message.assistant("", [call]), Message.tool("call12345", "done"))
    first = await sent(spoken, tools=(Tool(name, "does it", OBJECT),), tool_choice=None, messages=turns)
    tool = first.body["tools"][0]
    there = tool.get("function", tool)["name"]
    assert ALLOWED.fullmatch(there)
    called = re.findall(r'"name": ?"([^"]*)"', json.dumps(first.body["messages"]))
    assert set(called) == {there}  # Gemini wants it with the result as well

    answer: Any = {
        "choices": [
            {
                "message": {
                    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": there, "arguments": "{}"}}]
                },
                "finish_reason": "tool_calls",
            }
        ]
    }
    if spoken == "anthropic":
        answer = {"content": [{"type": "tool_use", "id": "c1", "name": there, "input": {}}], "stop_reason": "tool_use"}
    reply = (await sent(spoken, answer, tools=(Tool(name, "does it", OBJECT),), messages=turns)).reply
    assert [each.name for each in reply.tool_calls] == [name]


@pytest.mark.parametrize("spoken", ["openai", "anthropic"])
async def test_a_choice_of_a_tool_is_renamed_as_the_tool_is(spoken: str) -> None:
    body = (await sent(spoken, tools=(Tool("a.b", "", OBJECT),), tool_choice="a.b")).body
    chosen = body["tool_choice"]
    tool = body["tools"][0]
    assert chosen.get("function", chosen)["name"] == tool.get("function", tool)["name"]


async def test_a_streamed_call_comes_back_under_the_name_that_was_given() -> None:
    name = "github.issues/list"
    delta = {"index": 0, "id": "c1", "function": {"name": safe(name), "arguments": "{}"}}
    pieces = [
        {"choices": [{"index": 0, "delta": {"tool_calls": [delta]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]
    stream = "".join(f"data: {json.dumps(each)}\n\n" for each in pieces) + "data: [DONE]\n\n"
    got = await sent("openai", stream, stream=True, tools=(Tool(name, "", OBJECT),))
    assert [each.name for chunk in got.chunks for each in chunk.tool_calls if each.name] == [name]
    assert [each.name for each in got.reply.tool_calls] == [name]


async def test_names_that_are_allowed_are_left_alone() -> None:
    """And a name that no tool has, which a model made up, is told as it said it."""
    body = (await sent("openai", tools=(Tool("get_weather-2", "", OBJECT),))).body
    assert body["tools"][0]["function"]["name"] == "get_weather-2"


@given(st.lists(st.text(max_size=80), unique=True, max_size=20))
def test_names_stay_different(names: list[str]) -> None:
    """Every name has one of its own, which is allowed and is its own name."""
    found = [safe(name) for name in names]
    assert len(set(found)) == len(names)
    assert all(ALLOWED.fullmatch(name) and safe(name) == name for name in found)


@pytest.mark.parametrize(("name", "there"), [("Page[Item]", None), (None, "answer"), ("fine", "fine")])
async def test_a_schema_has_a_name_that_is_allowed(name: str | None, there: str | None) -> None:
    wanted = {"schema": OBJECT, **({"name": name} if name else {})}
    found = (await sent("openai", response_format=wanted)).body["response_format"]["json_schema"]["name"]
    assert ALLOWED.fullmatch(found)
    assert there in (None, found)


# --- the root of a tool's parameters

EITHER: Schema = {
    "oneOf": [
        {"type": "object", "properties": {"path": TEXT, "how": {"const": "file"}}, "required": ["how", "path"]},
        {"type": "object", "properties": {"url": TEXT, "how": {"const": "web"}}, "required": ["how", "url"]},
    ]
}


@pytest.mark.parametrize("spoken", ["anthropic", "openai", "azure", "groq", "mistral", "gemini", "ollama", "generic"])
async def test_a_union_at_the_root_becomes_one_object_and_words(spoken: str) -> None:
    """Refused by OpenAI and Anthropic; every form's keys stay, and which belong together is said."""
    found = await parameters_at(spoken, EITHER)
    assert found["type"] == "object"
    assert not {"oneOf", "anyOf", "allOf"} & set(found)
    assert set(found["properties"]) == {"path", "how", "url"}
    assert found["required"] == ["how"]
    assert "path" in found["description"]
    assert "url" in found["description"]


@pytest.mark.parametrize("spoken", ["vllm", "llamacpp"])
async def test_servers_that_take_unions_get_them(spoken: str) -> None:
    assert (await parameters_at(spoken, EITHER))["oneOf"] == EITHER["oneOf"]


async def test_keys_that_exclude_each_other_are_said() -> None:
    schema = {**object_of(a=TEXT, b=TEXT), "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}
    found = await parameters_at("anthropic", schema)
    assert set(found["properties"]) == {"a", "b"}
    assert "anyOf" not in found
    assert "a | b" in found["description"]


async def test_what_has_to_hold_together_is_merged() -> None:
    schema = {
        "allOf": [{"$ref": "#/$defs/Base"}, {**object_of(b={"type": "integer"}), "required": ["b"]}],
        "$defs": {"Base": {**object_of(a=TEXT), "required": ["a"]}},
    }
    found = await parameters_at("openai", schema)
    assert found["properties"] == {"a": TEXT, "b": {"type": "integer"}}
    assert found["required"] == ["a", "b"]


@pytest.mark.parametrize("spoken", ["anthropic", "openai", "ollama"])
@pytest.mark.parametrize("schema", [{"type": "array", "items": TEXT}, {"anyOf": [OBJECT, TEXT]}])
async def test_arguments_that_are_no_object_are_unsupported(spoken: str, schema: Schema) -> None:
    with pytest.raises(ProviderError) as caught:
        await parameters_at(spoken, schema)
    assert refused(caught.value, "tools[0].parameters.")


@pytest.mark.parametrize("spoken", ["anthropic", *CHATS])
@pytest.mark.parametrize(
    "schema", [{}, {"type": "object"}, {"$schema": "https://json-schema.org/draft/2020-12/schema"}]
)
async def test_a_tool_without_parameters_says_so(spoken: str, schema: Schema) -> None:
    """OpenAI refuses an object without properties."""
    found = await parameters_at(spoken, schema)
    assert (found["type"], found["properties"]) == ("object", {})


@pytest.mark.parametrize(("spoken", "items"), [("openai", {}), ("gemini", TEXT)])
async def test_a_list_says_what_it_holds(spoken: str, items: Schema) -> None:
    """OpenAI: "array schema missing items"; Google wants a type as well."""
    found = await parameters_at(spoken, object_of(x={"type": "array"}))
    assert found["properties"]["x"] == {"type": "array", "items": items}


async def test_names_of_keys_that_claude_refuses_are_unsupported() -> None:
    with pytest.raises(ProviderError) as caught:
        await parameters_at("anthropic", object_of(**{"a b": TEXT}))
    assert refused(caught.value, "tools[0].parameters.properties.a b")


# --- references

POINT: Schema = {
    **object_of(at={"$ref": "#/$defs/Point", "description": "where"}, to={"$ref": "#/$defs/Point"}),
    "$defs": {"Point": {**object_of(x={"type": "integer"}), "required": ["x"]}},
}
TREE: Schema = {
    **object_of(root={"$ref": "#/$defs/Node"}),
    "$defs": {"Node": object_of(children={"type": "array", "items": {"$ref": "#/$defs/Node"}})},
}


@pytest.mark.parametrize("spoken", ["ollama", "gemini"])
async def test_references_are_written_out_where_they_are_not_followed(spoken: str) -> None:
    found = await parameters_at(spoken, POINT)
    assert not {"$ref", "$defs"} & keywords(found)
    assert found["properties"]["at"]["properties"] == {"x": {"type": "integer"}}
    assert found["properties"]["at"]["description"] == "where"


@pytest.mark.parametrize("spoken", ["ollama", "gemini"])
async def test_a_schema_without_end_is_unsupported_there(spoken: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await parameters_at(spoken, TREE)
    assert refused(caught.value, "tools[0].parameters.properties.root.properties.children.items.$ref")


@pytest.mark.parametrize("spoken", ["openai", "anthropic", "vllm"])
async def test_references_stay_where_they_are_followed(spoken: str) -> None:
    assert await parameters_at(spoken, TREE) == TREE


@pytest.mark.parametrize("ref", ["#/$defs/Missing", "https://example.test/schema.json"])
async def test_a_reference_to_nowhere_is_unsupported(ref: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await parameters_at("ollama", object_of(x={"$ref": ref}))
    assert refused(caught.value, "tools[0].parameters.properties.x.$ref")


async def test_references_that_grow_without_bound_are_unsupported() -> None:
    """Each of thirty doubles the last."""
    doubled = {f"D{n}": object_of(a={"$ref": f"#/$defs/D{n + 1}"}, b={"$ref": f"#/$defs/D{n + 1}"}) for n in range(30)}
    schema = {**object_of(x={"$ref": "#/$defs/D0"}), "$defs": {**doubled, "D30": TEXT}}
    with pytest.raises(ProviderError) as caught:
        await parameters_at("ollama", schema)
    assert refused(caught.value, "too large")


@pytest.mark.parametrize("spoken", ["openai", "ollama", "anthropic"])
async def test_a_schema_nested_too_deeply_is_unsupported(spoken: str) -> None:
    deep: Schema = TEXT
    for _ in range(3000):
        deep = object_of(x=deep)
    with pytest.raises(ProviderError) as caught:
        await parameters_at(spoken, deep)
    assert caught.value.code in (ErrorCode.UNSUPPORTED, ErrorCode.INVALID_REQUEST)


# --- keywords

RICH: Schema = object_of(
    count={"type": "integer", "exclusiveMinimum": 0, "multipleOf": 5},
    kind={"const": "fast"},
    maybe={"type": ["string", "null"]},
    either={"oneOf": [TEXT, {"type": "integer"}]},
    table={"type": "object", "additionalProperties": {"type": "number"}},
    when={"type": "string", "format": "uri", "maxLength": 9},
) | {"additionalProperties": False, "$schema": "https://json-schema.org/draft/2020-12/schema"}


@pytest.mark.parametrize(
    ("spoken", "unknown"),
    [
        ("gemini", {"exclusiveMinimum", "multipleOf", "const", "oneOf", "additionalProperties", "$schema"}),
        ("ollama", {"exclusiveMinimum", "multipleOf", "const", "oneOf", "additionalProperties", "$schema", "format"}),
        ("xai", {"maxLength"}),
    ],
)
async def test_keywords_that_a_vendor_does_not_know_are_said_in_words(spoken: str, unknown: set[str]) -> None:
    found = await parameters_at(spoken, RICH)
    assert not unknown & keywords(found)
    said = json.dumps(found)
    for words in ("more than 0", "a multiple of 5", "at most 9 characters") if spoken == "ollama" else ():
        assert words in said
    assert set(found["properties"]) == set(RICH["properties"])
    if spoken != "xai":
        assert found["properties"]["kind"]["enum"] == ["fast"]
        assert found["properties"]["either"]["anyOf"] == [TEXT, {"type": "integer"}]


async def test_google_says_null_in_its_own_way() -> None:
    schema = object_of(a={"type": ["string", "null"]}, b={"anyOf": [{"type": "integer"}, {"type": "null"}]})
    found = await parameters_at("gemini", {**schema, "required": ["a", "gone"]})
    assert found["properties"] == {
        "a": {"type": "string", "nullable": True},
        "b": {"type": "integer", "nullable": True},
    }
    assert found["required"] == ["a"]


async def test_google_takes_texts_only_in_an_enum() -> None:
    found = await parameters_at("gemini", object_of(n={"type": "integer", "enum": [1, 2]}, s={"enum": ["a"]}))
    assert found["properties"]["n"] == {"type": "integer", "description": "one of [1,2]"}
    assert found["properties"]["s"] == {"type": "string", "enum": ["a"]}


async def test_a_property_may_be_named_like_a_keyword() -> None:
    schema = object_of(**{"$ref": TEXT, "title": TEXT, "oneOf": TEXT, "minimum": TEXT, "format": TEXT})
    for spoken in ("ollama", "gemini", "openai"):
        assert (await parameters_at(spoken, schema))["properties"] == schema["properties"]


async def test_schemas_of_the_caller_are_not_changed() -> None:
    before = json.dumps(RICH)
    for spoken in ("ollama", "gemini", "anthropic", "openai"):
        await parameters_at(spoken, RICH, strict=True)
    assert json.dumps(RICH) == before


# --- strict

ORDER: Schema = {
    **object_of(
        n={"type": "integer", "default": 1},
        s={"type": "string", "maxLength": 5},
        mode={"enum": ["a", "b"]},
        at={"$ref": "#/$defs/Point", "description": "where"},
        items={"type": "array", "items": object_of(x=TEXT)},
    ),
    "required": ["s"],
    "$defs": {"Point": object_of(x={"type": "integer"})},
}


def objects_in(schema: Any) -> list[Schema]:
    if isinstance(schema, list):
        return [found for each in schema for found in objects_in(each)]
    if not isinstance(schema, dict):
        return []
    own = [schema] if "properties" in schema and isinstance(schema["properties"], dict) else []
    return own + [found for each in schema.values() for found in objects_in(each)]


@pytest.mark.parametrize("spoken", ["openai", "azure", "groq", "xai", "generic"])
@pytest.mark.parametrize("place", ["tool", "format"])
async def test_strict_schemas_are_completed(spoken: str, place: str) -> None:
    """Closed, all required; what was optional may be null; limits that strict mode refuses are words."""
    if place == "tool":
        tool = await tool_at(spoken, ORDER, strict=True)
        strict, found = tool["strict"], tool["parameters"]
    else:
        told = await format_at(spoken, ORDER, strict=True)
        strict, found = told["strict"], told["schema"]
    assert strict is True
    for each in objects_in(found):
        assert each["additionalProperties"] is False
        assert each["required"] == list(each["properties"])
    properties = found["properties"]
    assert properties["n"]["type"] == ["integer", "null"]
    assert properties["s"]["type"] == "string"
    assert properties["mode"]["enum"] == ["a", "b", None]
    assert not {"default", "maxLength"} & keywords(found)


@pytest.mark.parametrize(
    "property_",
    [
        {"type": "object", "additionalProperties": TEXT},  # a map: its keys cannot be listed
        {"type": "object"},
        {"not": TEXT},
        {},
        {"type": "array"},
        {"type": "object", "properties": {"a": TEXT}, "additionalProperties": True},
    ],
)
async def test_what_strict_mode_cannot_say_is_sent_as_a_plain_schema(property_: Schema) -> None:
    tool = await tool_at("openai", object_of(x=property_), strict=True)
    assert tool["strict"] is False
    assert set(tool["parameters"]["properties"]) == {"x"}
    told = await format_at("openai", object_of(x=property_), strict=True)
    assert told["strict"] is False


ANSWERED = {
    "n": None, "s": "x", "mode": None, "at": {"x": None}, "items": [{"x": None}, {"x": "y"}],
    "maybe": None, "free": None,
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("spoken", ["openai", "generic"])
async def test_nulls_that_stand_for_what_was_left_out_are_left_out(spoken: str, stream: bool) -> None:
    """An app's function has a default there, and takes no null; where it does, null stays."""
    maybe = {"anyOf": [TEXT, {"type": "null"}]}
    schema = {**ORDER, "properties": {**ORDER["properties"], "maybe": maybe, "free": {"type": ["string", "null"]}}}
    function = {"name": "f", "arguments": json.dumps(ANSWERED)}
    call = {"index": 0, "id": "c1", "type": "function", "function": function}
    answer: Any = {"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    if stream:
        pieces = [{"delta": {"tool_calls": [call]}}, {"delta": {}, "finish_reason": "tool_calls"}]
        answer = "".join(f"data: {json.dumps({'choices': [piece]})}\n\n" for piece in pieces) + "data: [DONE]\n\n"
    tool = Tool("f", "", schema, True)
    (got,) = (await sent(spoken, answer, stream=stream, tools=(tool,))).reply.tool_calls
    assert got.arguments == {"s": "x", "at": {}, "items": [{}, {"x": "y"}], "maybe": None, "free": None}
    assert json.loads(got.raw_arguments) == got.arguments
    plain = msgspec.structs.replace(tool, strict=None)
    (got,) = (await sent(spoken, answer, stream=stream, tools=(plain,))).reply.tool_calls
    assert got.arguments == ANSWERED


async def test_a_complete_strict_schema_is_sent_as_it_is() -> None:
    schema = {**object_of(a=TEXT), "required": ["a"], "additionalProperties": False}
    assert await format_at("openai", schema, strict=True) == {"name": "a", "strict": True, "schema": schema}


async def test_recursion_is_kept_in_strict_mode() -> None:
    found = (await format_at("openai", TREE, strict=True))["schema"]
    assert found["$defs"]["Node"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}


# --- the schema of the answer


async def test_claude_gets_the_subset_that_it_takes() -> None:
    schema = {
        **object_of(
            n={"type": "integer", "minimum": 1},
            s={"type": "string", "maxLength": 5, "pattern": "^(?=a)"},
            u={"oneOf": [TEXT, {"type": "integer"}]},
            p={"$ref": "#/$defs/P"},
            m={"type": ["string", "null"], "description": "maybe"},
        ),
        "required": ["n"],
        "$defs": {"P": object_of(x={"type": "number"})},
    }
    found = (await format_at("anthropic", schema, model="claude-sonnet-4-5"))["schema"]
    assert all(each["additionalProperties"] is False for each in objects_in(found))
    assert not {"minimum", "maxLength", "pattern", "oneOf", "$ref", "$defs"} & keywords(found)
    properties = found["properties"]
    assert properties["n"] == {"type": "integer", "description": "at least 1"}
    assert properties["m"] == {"description": "maybe", "anyOf": [TEXT, {"type": "null"}]}
    assert properties["u"] == {"anyOf": [TEXT, {"type": "integer"}]}
    assert found["required"] == ["n"]


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        (TREE, "properties.root.properties.children.items.$ref"),
        (object_of(x={"type": "object", "additionalProperties": TEXT}), "properties.x.additionalProperties"),
        (object_of(x={"type": "object"}), "properties.x.additionalProperties"),
        (object_of(x={"not": TEXT}), "properties.x.not"),
        (object_of(x={"type": "array", "contains": TEXT}), "properties.x.contains"),
    ],
)
async def test_what_claude_cannot_be_held_to_is_unsupported(schema: Schema, where: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await format_at("anthropic", schema, model="claude-sonnet-4-5")
    assert refused(caught.value, f"response_format.schema.{where}")


@pytest.mark.parametrize("schema", [{"type": "array", "items": TEXT}, EITHER])
async def test_openai_wants_an_object_as_the_answer(schema: Schema) -> None:
    with pytest.raises(ProviderError) as caught:
        await format_at("openai", schema)
    assert refused(caught.value, "response_format.schema.")


@pytest.mark.parametrize("spoken", ["ollama", "vllm", "generic"])
async def test_other_servers_get_the_schema_as_it_is(spoken: str) -> None:
    for schema in (RICH, TREE, EITHER, {"type": "array", "items": TEXT}):
        assert (await format_at(spoken, schema))["schema"] == schema


async def test_a_schema_that_is_no_json_is_told() -> None:
    with pytest.raises(ProviderError) as caught:
        await sent("openai", tools=(Tool("f", "", object_of(x={"default": object()})),))
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert "tools[0].parameters" in caught.value.message


# --- any schema at all

_NAMES = st.sampled_from(["a", "b", "c.d", "type"])
_LEAVES = st.sampled_from(
    [
        TEXT, {}, True, {"enum": ["a", 1, None]}, {"const": 3}, {"type": ["integer", "null"], "minimum": 3},
        {"$ref": "#/$defs/D"}, {"type": "array"}, {"type": "string", "format": "uri", "pattern": "a"},
    ]
)  # fmt: skip


def _grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    listed = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(
            lambda properties, required, free: {
                "type": "object", "properties": properties, "required": required, **free
            },
            st.dictionaries(_NAMES, inner, max_size=3),
            st.lists(_NAMES, max_size=2, unique=True),
            st.sampled_from([{}, {"additionalProperties": False}, {"additionalProperties": TEXT}]),
        ),
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(lambda word, forms: {word: forms}, st.sampled_from(["anyOf", "oneOf", "allOf"]), listed),
        st.builds(lambda no: {"not": no}, inner),
    )  # fmt: skip


_SCHEMAS = st.recursive(_LEAVES, _grown, max_leaves=8).map(
    lambda schema: {**object_of(root=schema), "$defs": {"D": object_of(x=TEXT)}}
)


@given(_SCHEMAS, st.booleans(), st.booleans())
def test_every_schema_is_adapted_or_unsupported(schema: Schema, strict: bool, at_root: bool) -> None:
    """Nothing else is raised, an adapted schema is adapted to itself, and the words of a vendor are kept to."""
    from providers.schemas.adapt import adapted
    from providers.schemas.rules import ANTHROPIC, BY_DIALECT, GENERIC

    inner = schema["properties"]["root"]
    if at_root and isinstance(inner, dict):
        schema = {**inner, "$defs": schema["$defs"]}
    for rules in {id(row): row for row in (ANTHROPIC, GENERIC, *BY_DIALECT.values())}.values():
        for fields in ({"tools": (Tool("f", "", schema, strict),)}, {"response_format": {"schema": schema}}):
            request = CompletionRequest(model="m", messages=(Message.user("Hi"),), **fields)  # type: ignore[arg-type]  # either
            try:
                once = adapted(request, rules)
            except ProviderError as error:
                assert error.code is ErrorCode.UNSUPPORTED  # noqa: PT017 - either end is right
                continue
            if fields.get("tools"):
                sent_schema = once.tools[0].parameters
                subset = rules.strict_tools if strict and once.tools[0].strict else rules.tools
                assert subset is not None
                assert all(subset.knows(keyword) for keyword in keywords(sent_schema))
                assert sent_schema.get("type") == "object" or subset.root_union
            assert msgspec.json.encode(adapted(once, rules)) == msgspec.json.encode(once)
