"""What a value of routes.yaml may look like: one type for each form, which `router.config.schema` gives to its keys.

Each reads the file's form and gives what the engine counts in: seconds, numbers a second, fractions.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, SecretStr, WithJsonSchema
from pydantic_core import PydanticCustomError

from providers.addresses import check_url
from providers.errors import ErrorCode
from providers.settings import hidden_url
from router.config import units
from router.config.interpolate import Expanded, as_written, shown
from router.config.labels import label_name, label_texts
from router.config.yaml_reader import core_scalar

_PROXY_FORM = "this must be an http:// or https:// address, such as http://localhost:3128, or off for none"
_CODES = ", ".join(("any", *(code for code in ErrorCode if code != ErrorCode.CANCELLED)))  # that may be named
_GO_DURATION = r"[-+]?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+"


def _scalar(value: Any) -> Any:
    """What an unquoted variable gave may be a number or a boolean; other text stays text."""
    return core_scalar(value) if isinstance(value, Expanded) and value.plain else value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("this must be text" + ("; put it in quotes" if _is_scalar(value) else ""))
    return str(value)


def _is_scalar(value: Any) -> bool:
    return value is not None and not isinstance(value, dict | list)


def _flag(value: Any) -> bool:
    value = _scalar(value)
    if not isinstance(value, bool):
        raise ValueError("this must be true or false")
    return value


def _number(value: Any) -> float:
    value = _scalar(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("this must be a number")
    if not abs(value) < 1e15:
        raise ValueError("this must be a finite number")
    return float(value)


def _positive(read: Any) -> Any:
    def positive(value: Any) -> Any:
        found = read(value)
        if not found > 0:
            raise ValueError("this must be more than 0")
        return found

    return positive


def _not_negative(value: Any) -> float:
    number = _number(value)
    if number < 0:
        raise ValueError("this must not be below 0")
    return number


def _limit(value: Any) -> float | str:
    try:
        return units.limit(_scalar(value))
    except units.OtherWordForOff as error:
        raise PydanticCustomError("no_limit", str(error)) from None


def _monitor(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("this must be auto, off, or the path of a socket")
    return str(value)


def _url(value: Any) -> str:
    text = _text(value)
    check_url(text)
    return text


def _shown_url(value: str | Literal[False]) -> str | Literal[False]:
    return value if value is False else hidden_url(value)


def _hidden(values: dict[str, Any]) -> dict[str, str]:
    return dict.fromkeys(values, "**********")


def _verify(value: Any) -> bool | str:
    value = _scalar(value)
    if not isinstance(value, bool | str) or value in ("yes", "no", "on", "off"):
        raise ValueError("this must be true, false, or the path of a CA bundle")
    return value


def _proxy(value: Any) -> str | Literal[False]:
    value = _scalar(value)
    if value is False or value == "off":
        return False
    if value is True or not isinstance(value, str):
        raise ValueError(_PROXY_FORM)
    if value.lower().startswith("socks"):
        raise ValueError(f"SOCKS proxies are not supported: {_PROXY_FORM}")
    if "://" not in value and "$" not in value:
        raise ValueError(_PROXY_FORM)
    return _url(value)


def _hedge_after(value: Any) -> float | str:
    if isinstance(value, str) and re.fullmatch(r"p[0-9.]+", value) and value != "p95":
        raise ValueError("of percentiles there is p95 alone; else a duration, such as 500ms or 5s, is expected")
    return "p95" if value == "p95" else float(_positive(units.duration)(value))


def _stale(value: Any) -> float | bool:
    value = _scalar(value)
    return value if isinstance(value, bool) else units.duration(value)


def _none_or_duration(value: Any) -> float:
    value = _scalar(value)
    return 0.0 if value == 0 and not isinstance(value, bool) else units.duration(value)


def _dollars(value: Any) -> tuple[float, float]:
    bare = isinstance(value, str) and not value.lstrip().startswith("$")
    return units.budget({"usd": value} if bare else value)


def _weight(value: Any) -> float:
    if isinstance(value, dict):
        form = "[{model: NAME, weight: 3, params: {…}}]"
        raise ValueError(f"this must be a number; what has more to say stands in a list: {form}")
    if isinstance(value, str) and value.rstrip().endswith("%"):
        raise ValueError("of a tier either all targets have a weight in percent, or none; others are plain numbers")
    return _not_negative(value)


def _version(value: Any) -> int:
    if _scalar(value) != 1 or isinstance(value, bool):
        plain = ", as version: 1, without quotes" if value == "1" else ""
        raise ValueError(f'version "{shown(value)}" is not known; this Signalbox reads version 1{plain}')
    return 1


def _code(value: Any) -> str:
    if not isinstance(value, str) or value.isdigit():
        from providers.vendor_errors import STATUSES

        status = int(value) if str(value).isdigit() else 0
        meant = STATUSES.get(status) or (ErrorCode.SERVER_ERROR if 500 <= status < 600 else None)
        near = f": write {meant} for {value}" if meant else ""
        raise ValueError(f"this must be the name of an error code, not a status{near}; codes: {_CODES}")
    text = str(value)
    if text == "any":
        return text
    if text not in list(ErrorCode):
        from providers.spelling import did_you_mean

        near = did_you_mean(text, ["any", *ErrorCode])
        raise ValueError(f'no error code is named "{shown(value)}"{near}; codes: {_CODES}')
    if text == ErrorCode.CANCELLED:
        raise ValueError(f"{shown(value)} never falls back: the caller has left")
    return text


def _keep_alive(value: Any) -> str | int:
    """As Ollama reads it: seconds, or a duration of Go. https://docs.ollama.com/api/generate (keep_alive)"""
    value = _scalar(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or not re.fullmatch(_GO_DURATION, value):
        raise ValueError("this must be a duration, such as 5m or 1h30m, a number of seconds, or -1 for ever")
    return str(value)


def _written(form: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": form, "examples": list(examples)})


_DURATION = _written(r"^[0-9.]+\s*(ms|s|m|h|d)$|\$\{", "250ms", "5s", "2m", "1h", "1d")
Duration = Annotated[float, BeforeValidator(_positive(units.duration)), _DURATION]
Wait = Annotated[float, BeforeValidator(units.duration), _DURATION]
Limit = Annotated[  # of time; None: not written
    float | Literal["off"] | None,
    BeforeValidator(_limit),
    _written(r"^off$|^[0-9.]+\s*(ms|s|m|h|d)$|\$\{", "5s", "2m", "off"),
]
Size = Annotated[
    int,
    BeforeValidator(_positive(units.size)),
    _written(r"^[0-9.]+\s*([KMG]i?)?B$|\$\{", "512KB", "1MB", "1GB"),
]
_RATE = _written(r"^[0-9.]+\s*[kM]?\s*/\s*[a-z]+$|\$\{", "500/min", "200k/min")
Rate = Annotated[float, BeforeValidator(_positive(units.rate)), _RATE]
_RATE_LIST = {"type": "array", "items": _RATE.json_schema, "minItems": 1, "examples": [["60/min", "1000/d"]]}
Allowances = Annotated[
    tuple[units.Allowance, ...],
    PlainValidator(units.allowances),
    WithJsonSchema({"anyOf": [_RATE.json_schema, _RATE_LIST]}),
]
Dollars = Annotated[  # US dollars in so many seconds
    tuple[float, float],
    PlainValidator(_dollars),
    PlainSerializer(units.format_budget),
    _written(r"^\$?\s*[0-9.]+\s*/\s*[a-z]+$|\$\{", "$20/d", "$300/month"),
]
Percent = Annotated[float, BeforeValidator(_positive(units.percent)), _written(r"^[0-9.]+\s*%$|\$\{", "20%", "50%")]
Count = Annotated[
    int,
    BeforeValidator(_positive(units.count)),
    WithJsonSchema({"type": ["integer", "string"], "minimum": 1, "examples": [4, "32k", "1.5M"]}),
]
CountOrZero = Annotated[
    int,
    BeforeValidator(units.count),
    WithJsonSchema({"type": ["integer", "string"], "minimum": 0, "examples": [0, 1]}),
]
Text = Annotated[str, BeforeValidator(_text)]
_LABEL = {"type": "string", "minLength": 1, "examples": ["eu", "none"]}
LabelTexts = Annotated[
    tuple[str, ...],
    PlainValidator(label_texts),
    WithJsonSchema({"anyOf": [_LABEL, {"type": "array", "items": _LABEL, "minItems": 1, "examples": [["eu", "uk"]]}]}),
]
Labels = dict[Annotated[str, PlainValidator(label_name), WithJsonSchema({"type": "string"})], LabelTexts]
Monitor = Annotated[str, BeforeValidator(_monitor)]
Secret = Annotated[SecretStr, BeforeValidator(_text)]
# A URL may hold a password or a key, a header or an option of an installed kind may be one: no dump has them.
_SHOWN_URL = PlainSerializer(_shown_url, when_used="unless-none")
Url = Annotated[str, BeforeValidator(_url), _SHOWN_URL]
Headers = Annotated[dict[str, Text], PlainSerializer(_hidden)]
Options = Annotated[dict[str, Any], PlainSerializer(_hidden)]
Params = Annotated[dict[str, Any], PlainSerializer(as_written)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Number = Annotated[float, BeforeValidator(_not_negative)]
Weight = Annotated[
    float,
    BeforeValidator(_weight),
    WithJsonSchema({"type": ["number", "string"], "minimum": 0, "examples": [70, "70%"]}),
]


def _own_code(value: Any) -> str:
    code = _code(value)
    if code == "any":
        raise ValueError(f"this must be one error code; codes: {_CODES.removeprefix('any, ')}")
    return code


def _status(value: Any) -> int:
    number = units.count(_scalar(value))
    if not 400 <= number <= 599:
        raise ValueError("this must be the status of an error, from 400 to 599")
    return number


OwnCode = Annotated[
    str, BeforeValidator(_own_code), WithJsonSchema({"enum": [str(code) for code in ErrorCode if code != "cancelled"]})
]
Status = Annotated[int, BeforeValidator(_status), WithJsonSchema({"type": "integer", "minimum": 400, "maximum": 599})]
Code = Annotated[str, BeforeValidator(_code), WithJsonSchema({"enum": ["any", *map(str, ErrorCode)]})]
Version = Annotated[int, BeforeValidator(_version)]
FlagOrPath = Annotated[bool | str, BeforeValidator(_verify)]
ProxyUrl = Annotated[
    str | Literal[False],
    BeforeValidator(_proxy),
    _SHOWN_URL,
    WithJsonSchema({"type": ["string", "boolean"], "examples": ["http://proxy.example:3128", "off"]}),
]
HedgeDelay = Annotated[
    float | Literal["p95"],
    BeforeValidator(_hedge_after),
    _written(r"^p95$|^[0-9.]+\s*(ms|s|m|h|d)$|\$\{", "p95", "500ms"),
]
DurationOrZero = Annotated[
    float,
    BeforeValidator(_none_or_duration),
    WithJsonSchema({"anyOf": [{"const": 0}, {"type": "string", "examples": ["1m", "5m", "0s"]}]}),
]
DurationOrFlag = Annotated[
    float | bool,
    BeforeValidator(_stale),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "string", "examples": ["1h", "1d"]}]}),
]
KeepAlive = Annotated[
    str | int,
    BeforeValidator(_keep_alive),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["5m", 300, -1]}),
]
