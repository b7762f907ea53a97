"""Python's functions as tools: the schema of the signature, and the call that a model asks for."""

from __future__ import annotations

import asyncio
import enum
import functools
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, TypedDict

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from providers.coerce import coerce_tools
from providers.errors import ErrorCode, ProviderError
from providers.fake import FakeProvider, Reply
from providers.function_tools import name_of
from providers.types import Tool, ToolCall
from router import Router
from router.testing import run


class Unit(enum.Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


@dataclass
class Place:
    city: str
    country: str = "PT"


class Limits(BaseModel):
    low: float = Field(ge=-90, description="The lowest.")
    high: float | None = None


class Extra(TypedDict, total=False):
    note: str


def weather(
    place: Place,
    day: date,
    *,
    unit: Unit = Unit.CELSIUS,
    detail: Literal["low", "high"] = "low",
    hours: Annotated[int, Field(ge=1, le=48, description="How many hours.")] = 24,
    limits: Limits | None = None,
    tags: list[str] | None = None,
    weights: dict[str, float] = {},  # noqa: B006  # it is only looked at
    extra: Extra | None = None,
    anything=None,  # type: ignore[no-untyped-def]  # without an annotation
) -> str:
    """Tell the weather of a place.

    It knows the past as well.

    Args:
        place: Where.
        day (date): On which day,
            in the place's own time.
        unit: Of temperatures: C or F.
        hours: this is said better above
        anything: Whatever: else.

    Returns:
        A sentence.

    Raises:
        ValueError: no such place.
    """
    return f"{place.city} {day:%d.%m.} {unit.value} {detail} {hours} {limits} {tags} {weights} {extra} {anything}"


def tool(function: Callable[..., Any]) -> Tool:
    return coerce_tools([function])[0]


def call(name: str, arguments: Any) -> ToolCall:
    raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return ToolCall("c1", name, json.loads(raw) if raw.startswith("{") and raw.endswith("}") else None, raw)


def test_the_schema_is_that_of_the_signature() -> None:
    made = tool(weather)
    schema = made.parameters
    Draft202012Validator.check_schema(schema)
    assert made.name == "weather"
    assert made.description == "Tell the weather of a place.\n\nIt knows the past as well."
    assert schema["type"] == "object"
    assert schema["required"] == ["place", "day"]
    assert schema["additionalProperties"] is False
    said = schema["properties"]
    assert list(said) == list(inspect.signature(weather).parameters)
    assert said["place"]["description"] == "Where."
    assert said["day"] == {
        "description": "On which day, in the place's own time.", "format": "date", "title": "Day", "type": "string"
    }  # fmt: skip
    assert said["detail"]["enum"] == ["low", "high"]
    assert said["hours"] == {
        "default": 24, "description": "How many hours.", "maximum": 48, "minimum": 1, "title": "Hours",
        "type": "integer",
    }  # fmt: skip
    assert said["unit"]["default"] == "C"
    assert said["unit"]["description"] == "Of temperatures: C or F."
    assert said["anything"]["description"] == "Whatever: else."
    assert said["weights"]["additionalProperties"] == {"type": "number"}


def test_its_arguments_are_what_the_function_wants() -> None:
    asked = call("weather", {"place": {"city": "Porto"}, "day": "2026-05-04", "unit": "F", "limits": {"low": 1}})
    done = asked.run([weather])
    assert done.result == "Porto 04.05. F low 24 low=1.0 high=None None {} None None"
    assert not done.is_error
    assert done.message().tool_call_id == "c1"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"place": {"city": "Porto"}}, "$.day: Field required"),
        ({"place": {"city": 5}, "day": "2026-05-04"}, "$.place.city: Input should be a valid string"),
        ({"place": {"city": "P"}, "day": "soon"}, "$.day: Input should be a valid date"),
        ({"place": {"city": "P"}, "day": "2026-05-04", "hours": 99}, "$.hours: Input should be less than"),
        ({"place": {"city": "P"}, "day": "2026-05-04", "detail": "all"}, "$.detail: Input should be 'low' or 'high'"),
        ({"place": {"city": "P"}, "day": "2026-05-04", "colour": 1}, "$.colour: Extra inputs are not permitted"),
        ('{"place": ', "Invalid JSON"),
        ("[1]", "$: Input should be a"),
    ],
    ids=str,
)
def test_wrong_arguments_are_told_to_the_model(arguments: Any, told: str) -> None:
    done = call("weather", arguments).run([weather])
    assert done.is_error
    assert told in done.result


def plain(a: int, b: int = 2) -> int:
    """Add."""
    return a + b


async def slow(a: int) -> dict[str, int]:
    """Wait."""
    await asyncio.sleep(1)
    return {"a": a}


def failing() -> None:
    """Fail."""
    raise LookupError("nothing there")


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("as it is", "as it is"),
        (5, "5"),
        (None, "null"),
        ({"a": [1.5, True]}, '{"a":[1.5,true]}'),
        (Place("Porto"), '{"city":"Porto","country":"PT"}'),
        (Limits(low=1), '{"low":1.0,"high":null}'),
        ([date(2026, 5, 4)], '["2026-05-04"]'),
        ({1}, "[1]"),
    ],
    ids=str,
)
def test_results_are_text_or_json(result: Any, text: str) -> None:
    def give() -> Any:
        return result

    assert call("give", {}).run([give]).result == text


def test_what_a_function_raises_is_told_to_the_model() -> None:
    done = call("failing", {}).run([failing])
    assert (done.result, done.is_error) == ("LookupError: nothing there", True)


def test_a_name_that_is_not_there_is_told_to_the_model() -> None:
    done = call("other", {}).run([plain, {"name": "dict"}, Tool("tool")])
    assert (done.result, done.is_error) == ("no tool is named other; there are plain", True)


def test_functions_may_be_given_by_name() -> None:
    assert call("add", {"a": 1}).run({"add": plain}).result == "3"
    assert call("add", "").run({"add": lambda: "nothing"}).result == "nothing"


def test_async_functions_are_waited_for() -> None:
    assert run(call("slow", {"a": 1}).run_async([slow, plain])).result == '{"a":1}'
    assert run(call("plain", {"a": 1}).run_async([slow, plain])).result == "3"
    with pytest.raises(TypeError, match="slow is async"):
        call("slow", {"a": 1}).run([slow])


class Counter:
    """Counts."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, by: int) -> int:
        """Add to the count."""
        self.count += by
        return self.count

    def __call__(self, by: int) -> int:
        return self.add(by)

    @staticmethod
    def twice(by: int) -> int:
        return 2 * by

    @classmethod
    def named(cls, by: int) -> str:
        return f"{cls.__name__} {by}"


def test_methods_partials_and_objects_are_functions() -> None:
    counter = Counter()
    assert list(tool(counter.add).parameters["properties"]) == ["by"]
    assert call("add", {"by": 2}).run([counter.add]).result == "2"
    assert call("Counter", {"by": 2}).run([counter]).result == "4"
    assert call("twice", {"by": 2}).run([Counter.twice]).result == "4"
    assert call("named", {"by": 2}).run([Counter.named]).result == "Counter 2"
    fixed = functools.partial(plain, b=40)
    assert list(tool(fixed).parameters["properties"]) == ["a"]
    assert call("plain", {"a": 2}).run([fixed]).result == "42"
    assert list(tool(functools.partial(plain, 1)).parameters["properties"]) == ["b"]


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **named: Any) -> Any:
        return function(*args, **named)

    return wrapper


@decorated
def wrapped(a: int) -> int:
    """Keep."""
    return a


def test_decorated_functions_keep_their_signature() -> None:
    assert tool(wrapped).parameters["properties"]["a"]["type"] == "integer"
    assert call("wrapped", {"a": 1}).run([wrapped]).result == "1"


def places(first: int, /, second: int, *rest: int, third: int, **more: int) -> list[Any]:
    return [first, second, rest, third, more]


def test_all_kinds_of_parameters() -> None:
    """Those without a name are given in their place; further names go where the function takes them."""
    assert list(tool(places).parameters["properties"]) == ["first", "second", "third"]
    done = call("places", {"third": 3, "first": 1, "second": 2, "fourth": 4}).run([places])
    assert done.result == '[1,2,[],3,{"fourth":4}]'


def test_names_that_python_or_pydantic_use_are_names_as_others() -> None:
    def odd(json: str, schema: int, model_config: str, self: int, _hidden: int = 1) -> str:
        return f"{json} {schema} {model_config} {self} {_hidden}"

    done = call("odd", {"json": "a", "schema": 1, "model_config": "b", "self": 2, "_hidden": 3}).run([odd])
    assert done.result == "a 1 b 2 3"


def unknown(a: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821  # as it is meant
    """Nothing."""


def opaque(a: asyncio.Lock) -> None:
    """Nothing."""


@pytest.mark.parametrize("function", [lambda: 1, unknown, opaque, Place, Limits, int, max], ids=name_of)
def test_what_can_be_no_tool_is_the_callers_mistake(function: Any) -> None:
    with pytest.raises(ProviderError, match=r"tools\[1\]: ") as raised:
        coerce_tools([plain, function])
    assert raised.value.code is ErrorCode.INVALID_REQUEST


def test_a_tool_is_made_once() -> None:
    assert tool(plain) is tool(plain)


class Unhashable(Counter):
    __hash__ = None  # type: ignore[assignment]  # as objects with `__eq__` have it


def test_what_has_no_hash_is_taken_too() -> None:
    assert call("add", {"by": 3}).run([Unhashable().add]).result == "3"


def test_numbers_are_as_the_model_wrote_them() -> None:
    def keep(a: int, b: float) -> str:
        return f"{a} {b}"

    asked = ToolCall("c", "keep", {"a": 12345678901234567890, "b": 0.1}, '{"a":12345678901234567890,"b":0.1}')
    assert asked.run([keep]).result == "12345678901234567890 0.1"


def test_a_conversation_with_functions() -> None:
    """The model calls one, is given the result, and answers."""
    text = "providers: {a: {kind: fake}}\nroutes: {chat: a/m}"
    steps = [Reply("", tool_calls=(call("plain", {"a": 40}),), finish_reason="tool_calls"), Reply("It is 42.")]
    fake = FakeProvider.scripted(*steps, name="a")
    router = Router.from_text(text, env={}, providers={"a": fake})

    async def story() -> str:
        messages: list[Any] = [{"role": "user", "content": "40 + 2?"}]
        functions = [plain, slow]
        reply = await router.complete("chat", messages, tools=functions)
        messages += [reply.message, *[(await each.run_async(functions)).message() for each in reply.tool_calls]]
        return (await router.complete("chat", messages, tools=functions)).text

    assert run(story()) == "It is 42."
    assert [each.name for each in fake.requests[0].tools] == ["plain", "slow"]
    assert fake.requests[1].messages[-1].text == "42"
