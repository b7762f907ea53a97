"""What the command says of everything that goes wrong: one line for people, or `{"error": …}` for machines."""

from __future__ import annotations

import re
from typing import Any

import click

from providers.errors import ErrorCode, ProviderError, SignalboxError
from providers.spelling import did_you_mean
from router.cli.terminal import echo, echo_json
from router.errors import RouteExhausted

INVALID, UNREADABLE = 1, 2
USAGE = 2
_FACTS = ("route", "provider", "model", "status", "phase", "request_id", "retry_after")
_EXITS = {"UnreadableFile": UNREADABLE}


class Failure(click.ClickException):
    """A clear line on stderr, or JSON on stdout, and an exit code.

    Args:
        message: what is wrong, and what to do.
        code: the exit code.
        name: what the failure is called in JSON.
        facts: what else JSON tells.
    """

    def __init__(self, message: str, code: int = INVALID, *, name: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.name = name or ("failed" if code == INVALID else "usage" if code == USAGE else "unavailable")
        self.facts = facts
        setattr(self, "exit_code", code)  # noqa: B010 - click declares it as a class variable

    def show(self, file: Any = None) -> None:
        echo(f"signalbox: {self.format_message()}", err=True)

    def show_json(self) -> None:
        """Print it for machines, on stdout."""
        echo_json({"error": {"code": self.name, "message": self.format_message(), **self.facts}})


# Options of other tools, as they are written here.
_ELSEWHERE = {
    **dict.fromkeys(("--port", "-p", "--host", "--bind", "--addr"), "--listen 127.0.0.1:PORT"),
    **dict.fromkeys(("--config", "-c", "--conf"), "--file PATH"),
    **dict.fromkeys(("--num_workers", "--num-workers", "-w"), "--workers NUMBER"),
    **dict.fromkeys(("--tail", "-t"), "--follow"),
    **dict.fromkeys(("--format", "--output-format"), "--json"),
}


def failed(error: SignalboxError, *, verbose: bool = False) -> Failure:
    """What to say of a call that failed."""
    message = str(error)
    trace = getattr(error, "trace", None)
    if verbose and trace is not None and not isinstance(error, RouteExhausted):
        message += f"\n{trace.render()}"
    facts = {fact: value for fact in _FACTS if (value := getattr(error, fact, None)) not in (None, "")}
    if isinstance(error, ProviderError) and error.partial is not None:
        message += "\nthe answer above is not complete"
        facts["partial"] = error.partial.to_dict()
    if trace is not None and trace.entries:
        facts["trace"] = trace.as_dict()
    kind = type(error).__name__
    name = str(getattr(error, "code", "") or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower())
    if name == ErrorCode.MODEL_NOT_FOUND:
        message += "\nwhat the providers offer: signalbox models"
    return Failure(message, _EXITS.get(kind, INVALID), name=name, **facts)


def failure_of(error: Exception) -> Failure:
    """Any error that ends the command, in our words."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, SignalboxError):
        return failed(error)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return Failure(f"{place}{error.strerror or error}", UNREADABLE, name="os_error")
    if isinstance(error, click.UsageError):
        return _of_usage(error)
    if isinstance(error, click.ClickException):
        return Failure(error.format_message(), error.exit_code)
    raise error


def _of_usage(error: click.UsageError) -> Failure:
    command = "signalbox" if error.ctx is None else error.ctx.command_path
    return Failure(f"{_words(error)}; see {command} --help", USAGE, name="usage")


def _words(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchOption):
        known = [] if error.ctx is None else [name for param in error.ctx.command.params for name in param.opts]
        options = [name for name in known if name.startswith("-")]
        near = did_you_mean(error.option_name, options)
        words = _ELSEWHERE.get(error.option_name, "")
        if words.partition(" ")[0] in options:
            return f"there is no option {error.option_name}: write {words}"
        return f"there is no option {error.option_name}{near}" + ("" if near else f"; options: {', '.join(options)}")
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return f"{_name(error.param)} is missing" + (f": {_form(error.param)}" if _form(error.param) else "")
    if isinstance(error, click.BadParameter) and error.param is not None:
        form = _form(error.param)
        return f"{_name(error.param)} takes {form}" if form else f"{_name(error.param)}: {error.message}"
    if isinstance(error, click.BadOptionUsage):
        flags = () if error.ctx is None else error.ctx.command.params
        is_flag = any(getattr(param, "is_flag", False) and error.option_name in param.opts for param in flags)
        return f"{error.option_name} takes no value" if is_flag else f"{error.option_name} needs a value"
    return error.format_message().rstrip(".")


def _name(param: click.Parameter) -> str:
    return param.opts[-1] if isinstance(param, click.Option) else str(param.name).upper()


def _form(param: click.Parameter) -> str:
    """What a parameter takes; "" where any text will do."""
    kind = param.type
    if isinstance(kind, click.Choice):
        return f"one of {', '.join(map(str, kind.choices))}"
    number = "a whole number" if isinstance(kind, click.types.IntParamType) else "a number"
    if isinstance(kind, click.IntRange | click.FloatRange):
        above = "more than" if kind.min_open else "from"
        least = "" if kind.min is None else f" {above} {kind.min:g}"
        most = "" if kind.max is None else f" to {kind.max:g}"
        return f"{number}{least}{most or ' on' if above == 'from' else most}"
    return number if isinstance(kind, click.types.IntParamType | click.types.FloatParamType) else ""
