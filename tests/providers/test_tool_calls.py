"""Tool calls are put together whole, whatever servers do with indexes, ids, names and repetitions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.accumulate import Accumulator
from providers.tool_calls import ToolCallAssembler
from providers.types import StreamChunk, ToolCall

OSLO, ROME = '{"city":"Oslo"}', '{"city":"Rome"}'
Fragment = tuple[object, str | None, str | None, str]  # index, id, name, arguments


def assembled(fragments: list[Fragment]) -> tuple[ToolCall, ...]:
    """The calls; what a consumer of the deltas puts together has to be the same."""
    assembler, consumer = ToolCallAssembler(), Accumulator("p", "m")
    for fragment in fragments:
        delta = assembler.add(*fragment)
        if delta is not None:
            consumer.add(StreamChunk(tool_calls=(delta,)))
    consumer.add(StreamChunk(tool_calls=assembler.finish()))
    assert consumer.response().tool_calls == assembler.calls()
    return assembler.calls()


ONE_CALL: dict[str, list[Fragment]] = {
    "plain": [(0, "a", "f", ""), (0, None, None, '{"city":'), (0, None, None, '"Oslo"}')],
    "cumulative": [(0, "a", "f", '{"ci'), (0, None, None, '{"city":"Os'), (0, None, None, OSLO)],
    "cumulative where a value may begin": [(0, "a", "f", '{"city":'), (0, None, None, OSLO)],
    "cumulative, three times": [(0, "a", "f", '{"city":'), (0, None, None, '{"city":"Os'), (0, None, None, OSLO)],
    "cumulative with names": [(0, "a", "f", '{"city":'), (0, "a", "f", '{"city":"Os'), (0, "a", "f", OSLO)],
    "cumulative, no index": [(None, "a", "f", '{"city'), (None, "a", "f", '{"city":"O'), (None, "a", "f", OSLO)],
    "whole at the end": [(0, "a", "f", '{"city":'), (0, None, None, '"Oslo"}'), (0, "a", "f", OSLO)],
    "whole at the end, another spelling": [(0, "a", "f", OSLO), (0, "a", "f", '{"city": "Oslo"}')],
    "whole after a part": [(0, "a", "f", '{"city":"Os'), (0, "a", "f", '{"city": "Oslo"}')],
    "in pieces again": [(0, "a", "f", OSLO), (0, None, None, '{"city":'), (0, None, None, '"Oslo"}')],
    "begun by {}": [(0, "a", "f", "{}"), (0, None, None, '{"city":'), (0, None, None, '"Oslo"}')],
    "begun by {}, whole": [(0, "a", "f", "{}"), (0, "a", "f", OSLO)],
    "new ids": [(0, "a", "f", ""), (0, "b", None, '{"city":'), (0, "c", None, '"Oslo"}')],
    "new ids and names": [(0, "a", "f", '{"city":'), (0, "b", "f", '"Oslo"}')],
    "new ids, no index": [(None, "a", "f", ""), (None, None, None, '{"city":'), (None, None, None, '"Oslo"}')],
    "two indexes": [(0, "a", "f", ""), (0, "a", None, OSLO), (1, "a", "f", OSLO)],
    "two indexes, in pieces": [
        (0, "a", "f", OSLO),
        (1, "a", "f", ""),
        (1, None, None, '{"city":'),
        (1, None, None, '"Oslo"}'),
    ],
    "goes on under another index": [(0, "a", "f", ""), (1, None, None, '{"city":'), (1, None, None, '"Oslo"}')],
    "name repeated, empty tail": [(0, "a", "f", '{"city":'), (0, None, "f", '"Oslo"}'), (0, None, "f", "")],
    "ghost after": [(0, "a", "f", OSLO), (1, "b", None, ""), (2, "c", None, "")],
    "ghost before": [(0, "x", None, ""), (1, "a", "f", OSLO)],
    "name last": [(0, "a", None, '{"city":'), (0, None, "f", '"Oslo"}')],
    "encoded twice": [(0, "a", "f", json.dumps(OSLO)[:7]), (0, None, None, json.dumps(OSLO)[7:])],
    "encoded three times": [(0, "a", "f", json.dumps(json.dumps(OSLO)))],
}


@pytest.mark.parametrize("fragments", ONE_CALL.values(), ids=ONE_CALL)
def test_it_is_one_call(fragments: list[Fragment]) -> None:
    """Once, with its arguments as they are meant."""
    (call,) = assembled(fragments)
    assert (call.name, call.arguments) == ("f", {"city": "Oslo"})


TWO_CALLS: dict[str, list[Fragment]] = {
    "index 0 for both": [(0, "a", "f", OSLO), (0, "b", "f", ROME)],
    "index 0 for both, no ids": [(0, None, "f", OSLO), (0, None, "f", ROME)],
    "index 0, pieces": [
        (0, "a", "f", ""),
        (0, None, None, OSLO),
        (0, "b", "f", ""),
        (0, None, None, '{"city":'),
        (0, None, None, '"Rome"}'),
    ],
    "index 0, pieces, no ids": [
        (0, None, "f", ""),
        (0, None, None, OSLO),
        (0, None, "f", ""),
        (0, None, None, '{"city":'),
        (0, None, None, '"Rome"}'),
    ],
    "no index": [(None, "a", "f", OSLO), (None, "b", "f", ROME)],
    "no index, pieces": [
        (None, "a", "f", '{"city":'),
        (None, None, None, '"Oslo"}'),
        (None, "b", "f", '{"city":'),
        (None, None, None, '"Rome"}'),
    ],
    "one id for both": [(0, "f", "f", OSLO), (1, "f", "f", ROME)],
    "interleaved": [(0, "a", "f", ""), (1, "b", "f", ""), (0, None, None, OSLO), (1, None, None, ROME)],
    "interleaved by id": [
        (None, "a", "f", ""),
        (None, "b", "f", '{"city":'),
        (None, "a", None, OSLO),
        (None, "b", None, '"Rome"}'),
    ],
}


@pytest.mark.parametrize("fragments", TWO_CALLS.values(), ids=TWO_CALLS)
def test_they_are_two_calls(fragments: list[Fragment]) -> None:
    """Each with its own arguments and an id of its own."""
    calls = assembled(fragments)
    assert [call.arguments for call in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert len({call.id for call in calls}) == 2


@pytest.mark.parametrize("word", ["null", "None", "", " ", "{}"])
def test_words_for_no_arguments(word: str) -> None:
    assert assembled([(0, "a", "f", word)])[0].arguments == {}


def test_big_numbers_are_exact() -> None:
    assert assembled([(0, "a", "f", '{"wei": 123456789012345678901234567890}')])[0].arguments == {
        "wei": 123456789012345678901234567890
    }


def test_free_text_is_left_as_it_is() -> None:
    """A custom tool's input is no JSON, and stays so even where it looks like some."""
    assembler = ToolCallAssembler()
    for piece in ("null", ' "x"', "{}", '{"a":1}'):
        assembler.add(0, "a", "patch", piece, literal=True)
    assert assembler.calls()[0].raw_arguments == 'null "x"{}{"a":1}'


def test_a_repeated_key_is_no_repetition() -> None:
    """A nested object may begin like the whole one."""
    (call,) = assembled([(0, "a", "f", '{"a":'), (0, None, None, '{"a":1}'), (0, None, None, "}")])
    assert call.arguments == {"a": {"a": 1}}


ARGUMENTS = st.dictionaries(
    st.text(st.sampled_from('ab{}":\\,'), max_size=4),
    st.recursive(
        st.text(st.sampled_from('ab{}":\\, \n'), max_size=12) | st.integers() | st.none() | st.booleans(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        max_leaves=6,
    ),
    max_size=4,
)


@given(given=st.lists(ARGUMENTS, min_size=1, max_size=3), data=st.data(), named=st.booleans())
def test_any_cut_of_sound_calls_gives_them_back(given: list[dict[str, Any]], data: st.DataObject, named: bool) -> None:
    """What follows the protocol is never read as one of the faults, however it is cut."""
    fragments: list[Fragment] = []
    for index, arguments in enumerate(given):
        text = json.dumps(arguments)
        fragments.append((index, f"id{index}", "f", ""))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            fragments.append((index, f"id{index}" if named else None, "f" if named else None, text[start:end]))
    assert [call.arguments for call in assembled(fragments)] == given


@given(arguments=ARGUMENTS.filter(bool), data=st.data())
def test_any_cumulative_cut_gives_the_call(arguments: dict[str, Any], data: st.DataObject) -> None:
    """Sent whole and longer each time, the arguments are the last."""
    text = json.dumps(arguments)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=5)))
    fragments: list[Fragment] = [(0, "a" if cut == 0 else None, "f", text[:cut]) for cut in (0, *cuts, len(text))]
    assert [call.arguments for call in assembled(fragments)] == [arguments]
