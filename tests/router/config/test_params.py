"""A parameter of the file that every call would be refused for is told when the file is loaded, where it stands."""

from __future__ import annotations

from typing import Any

import pytest

from providers import FakeProvider
from providers.types import ServerTool
from router import Router
from router.config import load_text
from router.testing import run


def file(params: str) -> str:
    return f"providers: {{a: {{kind: fake}}}}\nroutes:\n  chat:\n    targets: [a/m]\n    params: {params}\n"


@pytest.mark.parametrize(
    ("schema", "path", "said"),
    [
        ('{properties: {c: {pattern: "(?=a)b"}}}', "properties.c.pattern", "(?=a)b (look-around"),
        ('{anyOf: [{}, {pattern: "(a"}]}', "anyOf.1.pattern", "(a (unclosed group)"),
        (r'{patternProperties: {"(a)\\1": {}}}', r"patternProperties.(a)\1", "backreferences"),
    ],
)
def test_a_pattern_that_nobody_could_check_an_answer_by(schema: str, path: str, said: str) -> None:
    params = f"{{response_format: {{schema: {schema}}}}}"
    (found,) = load_text(file(params)).diagnostics
    assert (found.line, found.column, found.severity) == (5, len("    params: ") + 1 + params.index('"'), "error")
    assert found.path == f"routes.chat.params.response_format.schema.{path}"
    assert said in found.message


@pytest.mark.parametrize(
    "params",
    [
        "{temperature: 9}", "{top_p: -1}", "{presence_penalty: 3}", "{max_tokens: -3}", '{stop: [""]}',
        "{top_logprobs: 50}", "{response_format: {a: 1}}", "{response_format: xml}", "{modalities: [smell]}",
        "{thinking: 0}", "{server_tools: [{name: ''}]}", "{metadata: 5}", "{thinking_display: all}",
    ],
)  # fmt: skip
def test_what_no_vendor_takes(params: str) -> None:
    name = params[1:].partition(":")[0]
    (found,) = load_text(file(params)).diagnostics
    assert (found.line, found.severity, found.path) == (5, "error", f"routes.chat.params.{name}")


PARAMS = (
    "{temperature: 0.5, stop: [END], response_format: json, top_logprobs: 3, seed: 7, modalities: [text, audio], "
    "audio: {voice: alloy}, server_tools: [web_search, {name: code_execution, options: {size: 3}}], tool_choice: auto}"
)


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        ("{type: json_object}", "json"),
        ("{type: json_schema, json_schema: {name: n, schema: {}}}", {"name": "n", "schema": {}}),
        ("{name: n, schema: {type: object}}", {"name": "n", "schema": {"type": "object"}}),
        ("{type: text}", None),
    ],
)  # fmt: skip
def test_an_answers_form_in_openais_words(wanted: str, asked: Any) -> None:
    fake = FakeProvider.scripted(name="a")
    router = Router.from_text(file(f"{{response_format: {wanted}}}"), providers={"a": fake})
    run(router.complete("chat", "Hello"))
    assert fake.requests[0].response_format == asked


def test_what_the_file_says_is_what_is_asked_for() -> None:
    """Lists of the file are what a call's are, also those of the vendor's own tools by their names."""
    fake = FakeProvider.scripted(name="a")
    router = Router.from_text(file(PARAMS), providers={"a": fake})
    run(router.complete("chat", "Hello"))
    asked: Any = fake.requests[0]
    assert asked.modalities == ("text", "audio")
    assert asked.stop == ("END",)
    assert asked.server_tools == (ServerTool("web_search"), ServerTool("code_execution", {"size": 3}))
