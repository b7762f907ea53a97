"""The JSON of an answer: what is around it goes, what is in it stays, and what is broken is never guessed."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.answer_types import ANY_JSON
from providers.json_text import InvalidAnswer

VALUE = {"items": [{"name": "bolt, [M3]", "price": 0.5}], "note": 'say "}]," ```'}
JSON = json.dumps(VALUE)
PRETTY = json.dumps(VALUE, indent=2)

MENDED = {
    "nothing is wrong": JSON,
    "blanks around": f"\n\n  {PRETTY}\t\n",
    "a byte order mark": f"\ufeff{JSON}",
    "a fence": f"```json\n{PRETTY}\n```",
    "a fence without a language": f"```\n{JSON}\n```",
    "a fence on one line": f"```json {JSON}```",
    "a fence in capitals": f"```JSON\n{JSON}\n```",
    "a fence that is never closed": f"```json\n{JSON}",
    "a fence that was never opened": f"{JSON}\n```",
    "a fence within sentences": f"Here is the invoice:\n\n```json\n{PRETTY}\n```\n\nLet me know!",
    "another fence before it": f"```python\nprint({{1: [2]}})\n```\nprints\n```json\n{JSON}\n```",
    "a sentence before": f"Sure! Here is the JSON you asked for: {JSON}",
    "a sentence after": f"{JSON}\n\nI left out what was not legible.",
    "sentences around": f"Certainly.\n{JSON}\nIs that all?",
    "the word json": f"json\n{JSON}",
    "tags around": f"<answer>{JSON}</answer>",
    "a comment before": f"// the invoice\n{JSON}",
    "a remark in brackets": f"As asked [see above] for {{customer}}: {JSON}",
    "a link": f"[the docs](https://example.com) say {JSON}",
    "a comma after the last element": JSON.replace('0.5}]', '0.5,},]'),
    "a comma after the last name": f"{PRETTY[:-2]},\n}}",
    "a comma, a fence and a sentence": f"Well:\n```json\n{PRETTY[:-2]},\n}}\n```",
    "a text that is JSON itself": json.dumps(JSON),
    "the same twice": f"{JSON}\n{JSON}",
    "zero-width blanks": f"\u200b{JSON}\u200b",
    "a fence within a fence": f"````markdown\n```json\n{PRETTY}\n```\n````",
    "a fence of tildes": f"~~~json\n{PRETTY}\n~~~",
    "a fence in a list": "1. Here:\n   ```json\n   " + PRETTY.replace("\n", "\n   ") + "\n   ```",
    "a fence with a title": f'```json title="a.json"\n{PRETTY}\n```',
    "a byte order mark within a fence": f"```json\n\ufeff{JSON}\n```",
    "an assignment": f"const answer = {JSON};",
    "code": f"`{JSON}`",
    "bold": f"**{JSON}**",
    "a bold heading": f"**Answer:**\n\n{JSON}",
    "a quotation": f"> {JSON}",
    "a token of a template": f"<|channel|>final<|message|>{JSON}<|im_end|>",
    "its own mark of a call": f"<tool_call>{JSON}</tool_call>",
    "an event": f"data: {JSON}",
    "lines of Windows": PRETTY.replace("\n", "\r\n"),
    "a remark after it": f"{JSON}\nPrices [in EUR] are {{net}}.",
    "thoughts": f"<think>It is one bolt.</think>\n{JSON}",
    "thoughts with a draft": f'<think>Maybe {{"items": []}}?</think>\n{JSON}',
    "thoughts with a broken draft": f"<thinking>{{items: [...]}} or so</thinking>{JSON}",
    "thoughts with a draft in a fence": f'<think>\n```json\n{{"items": []}}\n```\nno</think>\n```json\n{PRETTY}\n```',
    "thoughts with a fence that stays open": f'<think>\n```json\n{{"a": 1\n</think>\n{JSON}',
    "thoughts that the prompt began": f'It may be {{x}}, or ["y": 1].\n</think>\n\n{JSON}',
    "no thoughts": f"<think>\n\n</think>\n\n{JSON}",
    "thoughts twice": f"<think>one {{}}</think>\n<think>two [</think>\n{JSON}",
    "thoughts of their own tag": f'<think>The tag "</think>" ends {{this}}</think>{JSON}',
}  # fmt: skip


@pytest.mark.parametrize("what", MENDED)
def test_only_the_wrapping_is_wrong(what: str) -> None:
    assert ANY_JSON.parse(MENDED[what]) == (JSON if "itself" in what else VALUE)


BROKEN = {
    "empty": "",
    "blanks": " \n",
    "a sentence": "I can't do that.",
    "a fence with nothing in it": "```json\n```",
    "cut within a name": JSON[:10],
    "cut within a text": JSON[:25],
    "cut after a comma": '{"a": [1, 2],',
    "cut before the last bracket": JSON[:-1],
    "cut in a fence": f"```json\n{JSON[:-1]}\n```",
    "cut after a sentence": f"Here: {JSON[:-1]}",
    "a bracket too many": f"{JSON}}}",
    "quotes of Python": str(VALUE),
    "words of Python": '{"a": True, "b": None}',
    "names without quotes": '{a: [1, 2]}',
    "a comma that is missing": '{"a": 1 "b": [2]}',
    "a colon that is missing": '{"a" [1]}',
    "two commas": "[1,, 2]",
    "a comma alone": "[,]",
    "a comma before the first": '{,"a": [1]}',
    "a comment within": '{"a": 1, // one\n "b": 2}',
    "no number": '{"a": NaN}',
    "no end": '{"a": [Infinity]}',
    "a line end in a text": '{"a": "one\ntwo"}',
    "a bad escape": '{"a": "\\x41"}',
    "a number with a plus": '{"a": [+1]}',
    "a number with zeros before": '{"a": [007]}',
    "a number without end": '{"a": [-1e999]}',
    "too many digits": f'[{"9" * 5000}]',
    "curly quotes": "{“a”: [1]}",
    "an ellipsis": '{"a": [1, ...]}',
    "two values": '{"a": 1}\n{"a": 2}',
    "two fences": '```json\n{"a": 1}\n```\nor\n```json\n{"a": 2}\n```',
    "the outer bracket is missing": '"a": 1, "b": {"c": 2}',
    "XML": "<a><b>1</b></a>",
    "YAML": "a: 1\nb:\n  - 2",
    "a reference to a source": "As [1] says, it is blue.",
    "a list of things to do": "- [ ] wash\n- [x] dry",
    "a fence of another language": "```python\nprint([1])\n```",
    "thoughts alone": f"<think>{JSON}</think>",
    "cut within the thoughts": f"<think>I might say {JSON}",
    "cut within a draft": f"<think>I might say:\n```json\n{JSON}\n```\nBut",
    "thoughts and no answer": f"<think>{JSON}</think>\nI can't say.",
    "thoughts that the prompt began, alone": f"{JSON}\n</think>",
    "escaped without quotes": json.dumps(JSON)[1:-1],
    "quotes as HTML": JSON.replace('"', "&quot;"),
    "a number without a digit before": '{"a": [.5]}',
    "a number without a digit after": '{"a": [5.]}',
    "a hexadecimal number": '{"a": [0x10]}',
    "undefined": '{"a": undefined}',
    "a comment in stars": '{"a": /* one */ [1]}',
    "a blank of print within": '{\u00a0"a": [1]}',
    "lines of values": '{"a": 1}\n{"a": 2}\n{"a": 3}',
    "a schema before": '{"type": "object", "properties": {}}\n{"a": 1}',
}  # fmt: skip


@pytest.mark.parametrize("tag", ["<think>x</think>", "x </think> y", "</think>", "<think>"])
@pytest.mark.parametrize("around", ["{}", "Here: {}", "Here:\n```json\n{}\n```"])
def test_tags_within_a_text_of_json_stay(tag: str, around: str) -> None:
    assert ANY_JSON.parse(around.format(json.dumps({"a": [f"of {tag} and"]}))) == {"a": [f"of {tag} and"]}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_no_answer(what: str) -> None:
    with pytest.raises(InvalidAnswer, match=r"^\$: \S"):
        ANY_JSON.parse(BROKEN[what])


def test_where_it_is_broken_is_told_without_its_text() -> None:
    with pytest.raises(InvalidAnswer) as raised:
        ANY_JSON.parse('```json\n{"secret": "hunter2",\n "b" 1}\n```')
    assert "line 3, column 6" in str(raised.value)
    assert "hunter2" not in str(raised.value)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)
CONTAINERS = st.lists(VALUES, min_size=1) | st.dictionaries(st.text(), VALUES, min_size=1)
PROSE = st.sampled_from(
    ["", "Here it is:\n", "Sure - as asked.\n\n", "It's \"this\" one, isn't it?\n", "1. ", "{name}:\n"]
)


@settings(max_examples=2 * settings().max_examples, deadline=None)
@given(CONTAINERS, PROSE, PROSE, st.booleans(), st.sampled_from([None, 1, "\t"]), st.booleans())
def test_any_value_in_any_wrapping_is_that_value(
    value: Any, before: str, after: str, fenced: bool, indent: Any, escaped: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=escaped)
    text = f"```json\n{text}\n```" if fenced else text
    try:
        read = ANY_JSON.parse(f"{before}{text}\n{after}")
    except InvalidAnswer:
        assert not fenced  # a list of a few numbers or names may be a remark, halves of characters are none
        assert not any(mark in text for mark in '":')
        return
    assert read == value
    assert json.dumps(read) == json.dumps(value)


@settings(max_examples=2 * settings().max_examples, deadline=None)
@given(CONTAINERS, st.data())
def test_a_part_of_a_value_is_never_taken_for_it(value: Any, data: st.DataObject) -> None:
    """An answer that was cut anywhere is no answer: nothing of what is left is given out."""
    text = json.dumps(value)
    cut = data.draw(st.integers(1, len(text) - 1))
    with pytest.raises(InvalidAnswer):
        ANY_JSON.parse(text[:cut])


@settings(max_examples=2 * settings().max_examples, deadline=None)
@given(CONTAINERS)
def test_a_comma_after_the_last_element_changes_nothing(value: Any) -> None:
    text = json.dumps(value)
    assert ANY_JSON.parse(f"{text[:-1]},{text[-1]}") == value


@pytest.mark.parametrize(
    "answer",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "[1] " * 200_000,
        "[a] " * 200_000,
        "[1,] " * 200_000,
        "```x\n" * 200_000,
        "```\n{ " * 100_000,
        '"' * 500_000,
        "{" + " " * 500_000,
        "[1," + " " * 500_000,
        "\\" * 500_000,
        "[[],]" * 100_000,
        '{"a": "' + '\\"' * 250_000,
    ],
)
def test_hostile_answers_take_time_that_grows_with_them(answer: str) -> None:
    began = time.process_time()
    with pytest.raises(InvalidAnswer):
        ANY_JSON.parse(answer)
    assert time.process_time() - began < 10  # quadratic work would take minutes
