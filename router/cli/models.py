"""`signalbox models`: what the providers of a file offer, live, with what is known of each model."""

from __future__ import annotations

import asyncio
from typing import Any

import click
import msgspec

from providers import catalog
from providers.base import ListsModels
from providers.errors import ProviderError
from providers.printable import one_line
from providers.spelling import did_you_mean
from providers.types import ModelCapabilities
from router.cli.common import Failure, json_option, takes_file, valid_plan
from router.cli.terminal import echo, echo_json, secho
from router.cli.verb import Verb, completing
from router.config.units import format_count
from router.router import Router

_FLAGS = ("tools", "vision", "json_schema", "thinking")


@click.command(
    "models",
    cls=Verb,
    examples=[
        "signalbox models                        # of every provider",
        "signalbox models openai conf/prod.yaml  # of one, of another file",
        "signalbox models --json | jq '.openai | keys'",
    ],
    exits={0: "all were asked", 1: "one could not be asked, or FILE has errors", 2: "wrong usage, or no FILE"},
)
@click.argument("providers", metavar="[PROVIDER]...", nargs=-1, shell_complete=completing("providers"))
@takes_file()
@json_option
def command(providers: tuple[str, ...], path: str, as_json: bool) -> int:
    """List the models that the file's providers (or those named) offer now, with window, price and capabilities."""
    _, plan = valid_plan(path)
    disabled = {name for name, config in plan.file.providers.items() if config.disabled}
    for name in providers:
        if name not in plan.providers:
            near = did_you_mean(name, plan.providers)
            known = ", ".join(plan.providers)
            raise Failure(f'no provider is named "{name}"{near}; providers: {known}', name="unknown_provider")
    asked = [name for name in providers or plan.providers if name not in disabled]
    models = asyncio.run(_ask(Router(plan), asked))
    if as_json:
        echo_json({name: _as_data(answer) for name, answer in models.items()})
    else:
        for name, answer in models.items():
            _print_models(name, answer)
        if any(answer and not isinstance(answer, ProviderError) for answer in models.values()):
            echo(f"prices: {catalog.described()}")
        for name in disabled & set(providers or plan.providers):
            echo(f"{name}: left out, since a variable is not set", err=True)
    return 1 if any(isinstance(answer, ProviderError) for answer in models.values()) else 0


async def _ask(router: Router, names: list[str]) -> dict[str, dict[str, ModelCapabilities] | ProviderError]:
    async with router:
        answers = await asyncio.gather(*(_of(router, name) for name in names))
    return dict(zip(names, answers, strict=True))


async def _of(router: Router, name: str) -> dict[str, ModelCapabilities] | ProviderError:
    provider = router.provider(name)
    if not isinstance(provider, ListsModels):
        return {}
    try:
        async with asyncio.timeout(30):
            return {model: provider.capabilities(model) for model in await provider.list_models()}
    except ProviderError as error:
        return error
    except TimeoutError:
        from providers.errors import ErrorCode

        return ProviderError(ErrorCode.TIMEOUT, "no answer within 30 s", provider=name)


def _as_data(answer: dict[str, ModelCapabilities] | ProviderError) -> Any:
    return (
        {"error": str(answer), "code": answer.code}
        if isinstance(answer, ProviderError)
        else msgspec.to_builtins(answer)
    )


def _print_models(name: str, answer: dict[str, ModelCapabilities] | ProviderError) -> None:
    if isinstance(answer, ProviderError):
        echo(str(answer), err=True)
        return
    secho(f"{name}  {len(answer)} model{'s' if len(answer) != 1 else ''}", bold=True)
    width = max(map(len, ("model", *answer)))
    if answer:
        secho(f"  {'model':<{width}}  {'window':>8}  {'$/M in / out':>15}  takes", dim=True)
    for model, has in ((one_line(model), has) for model, has in answer.items()):
        window = format_count(has.context_window) if has.context_window else "-"
        flags = " ".join(flag.replace("json_schema", "schema") for flag in _FLAGS if getattr(has, flag))
        echo(f"  {model:<{width}}  {window:>8}  {_price(has):>15}  {flags}".rstrip())


def _price(has: ModelCapabilities) -> str:
    """USD per million tokens in and out."""
    if has.price is None or has.price.input is None:
        return "-"
    return f"${has.price.input:g}" + (f" / ${has.price.output:g}" if has.price.output is not None else "")
