"""`signalbox init`: a routes.yaml from what this machine has: API keys in the environment, an Ollama that answers."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import click

from providers import registry
from providers.base import ListsModels
from providers.errors import ProviderError
from providers.settings import ProviderSettings
from providers.types import Timeout
from router.cli.common import UNREADABLE, Failure, json_option, takes_file
from router.cli.terminal import echo, echo_json
from router.cli.verb import Verb
from router.config.json_schema import json_schema

SCHEMA = "routes.schema.json"
_OLLAMA = "http://127.0.0.1:11434"
_CONNECT = 1.0  # seconds in which an Ollama takes a connection
# What answers may be anything: in the file a name is no YAML of its own, and no ${VARIABLE}.
_PLAIN = re.compile(r"[\w.:/@+-]{1,199}", re.ASCII)
_ANSWER = 10.0  # seconds in which it tells its models: it may be at work


class Vendor(NamedTuple):
    """A vendor that is used when its key is set. `model` is where to start from: small, and with a known price."""

    name: str
    variable: str
    model: str
    base_url: str | None = None
    kind: str = "openai"


VENDORS = (
    Vendor("openai", "OPENAI_API_KEY", "gpt-6-luna"),
    Vendor("anthropic", "ANTHROPIC_API_KEY", "claude-haiku-5-5", kind="anthropic"),
    Vendor(
        "gemini", "GEMINI_API_KEY", "gemini-3-flash-preview", "https://generativelanguage.googleapis.com/v1beta/openai"
    ),
    Vendor("groq", "GROQ_API_KEY", "llama-3.3-70b-versatile", "https://api.groq.com/openai/v1"),
    Vendor("mistral", "MISTRAL_API_KEY", "mistral-small-latest", "https://api.mistral.ai/v1"),
    Vendor("deepseek", "DEEPSEEK_API_KEY", "deepseek-chat", "https://api.deepseek.com"),
    Vendor("xai", "XAI_API_KEY", "grok-4-fast", "https://api.x.ai/v1"),
    Vendor("cerebras", "CEREBRAS_API_KEY", "gpt-oss-120b", "https://api.cerebras.ai/v1"),
    Vendor("openrouter", "OPENROUTER_API_KEY", "openai/gpt-6-luna", "https://openrouter.ai/api/v1"),
    Vendor(
        "fireworks",
        "FIREWORKS_API_KEY",
        "accounts/fireworks/models/gpt-oss-120b",
        "https://api.fireworks.ai/inference/v1",
    ),
)


@click.command(
    "init",
    cls=Verb,
    examples=[
        "signalbox init                      # routes.yaml, and routes.schema.json for your editor",
        "signalbox init conf/prod.yaml --no-schema",
        "signalbox init -                    # print it",
    ],
    exits={0: "written", 1: "FILE exists", 2: "FILE can't be written, or wrong usage"},
)
@takes_file()
@click.option(
    "--schema/--no-schema", default=True, help=f"Write {SCHEMA} beside FILE, which editors complete and check by."
)
@json_option
def command(path: str, schema: bool, as_json: bool) -> int:
    """Write FILE (default: routes.yaml; - prints it) from the API keys in the environment and an Ollama that answers.

    Keys are not copied: the file names their variables. A file that exists is never overwritten.
    """
    if path != "-" and Path(path).exists():
        raise Failure(f"{path} exists, and is left as it is; name another file, or - to print it", name="file_exists")
    vendors = [vendor for vendor in VENDORS if os.environ.get(vendor.variable)]
    address = _ollama_address(os.environ)
    models = asyncio.run(_ollama_models(address))
    text = file_of(vendors, _without_password(address), models)
    if path == "-":
        echo(text, nl=False)
        return 0
    beside = Path(path).with_name(SCHEMA) if schema else None
    _write_new(Path(path), (f"# yaml-language-server: $schema={SCHEMA}\n" if schema else "") + text)
    if beside is not None and not beside.exists():
        _write_new(beside, json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
    if as_json:
        named = [vendor.name for vendor in vendors]
        echo_json({"file": path, "schema": beside and str(beside), "vendors": named, "ollama_models": models})
    else:
        _print_next_steps(path, vendors, models)
    return 0


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Failure(f"{path} can't be written: {error.strerror}", UNREADABLE) from None


def _print_next_steps(path: str, vendors: list[Vendor], models: tuple[str, ...]) -> None:
    vendor_names = [f"{vendor.name} ({vendor.variable})" for vendor in vendors]
    if models:
        vendor_names.append(f"an Ollama with {len(models)} model{'s' if len(models) != 1 else ''}")
    if vendor_names:
        echo(f"{path} is written, with {', '.join(vendor_names)}")
        echo(f'next: signalbox check {path}; signalbox ask chat "Hello" -f {path}')
        echo(f"      signalbox serve {path}   offers it to every client of OpenAI, Anthropic or Ollama")
        return
    echo(f"{path} is written. No API key is in the environment and no Ollama answers: it calls simulated vendors.")
    echo("next: python -m providers.simulator --port 8089   in a terminal of its own")
    echo(f'      signalbox ask chat "Hello" -f {path}')
    echo(f"      signalbox serve {path}   offers it to every client of OpenAI, Anthropic or Ollama")


def _ollama_address(env: Mapping[str, str]) -> str:
    """Where Ollama's own tools would look: OLLAMA_HOST, such as `0.0.0.0` or `box:11434`."""
    host = env.get("OLLAMA_HOST", "").strip().rstrip("/")
    if not host:
        return _OLLAMA
    host = host if "://" in host else f"http://{host}"
    host = host.replace("//0.0.0.0", "//127.0.0.1")
    try:
        return host if urlsplit(host).port else f"{host}:11434"
    except ValueError:
        return _OLLAMA


def _without_password(address: str) -> str:
    """The address as the file has it: one with a user and password stays in its variable."""
    if "@" not in address:
        return address
    host = os.environ["OLLAMA_HOST"].strip().rstrip("/")
    before, _, after = address.partition(host)
    return f"{before}${{OLLAMA_HOST}}{after}" if host in address else "${OLLAMA_HOST}"


async def _ollama_models(address: str) -> tuple[str, ...]:
    """What an Ollama at this address offers; nothing where nobody answers in time."""
    settings = ProviderSettings(name="ollama", kind="ollama", base_url=address, timeout=Timeout(connect=_CONNECT))
    provider = registry.create(settings)
    try:
        async with asyncio.timeout(_ANSWER):
            models = await provider.list_models() if isinstance(provider, ListsModels) else ()
            return tuple(filter(_PLAIN.fullmatch, models))
    except (ProviderError, TimeoutError):
        return ()
    finally:
        await provider.aclose()


def file_of(vendors: list[Vendor], ollama: str, models: tuple[str, ...]) -> str:
    """The text of a routes.yaml for these vendors (in this order of preference), and these models of an Ollama."""
    providers, names = [], []
    for vendor in vendors:
        providers.append(f"  {vendor.name}:")
        providers.append(f"    kind: {vendor.kind}")
        if vendor.base_url:
            providers.append(f"    base_url: {vendor.base_url}")
        providers.append(f"    api_key: ${{{vendor.variable}}}")
        names.append((f"{vendor.name}-small" if len(vendors) > 1 else "small", vendor.name, vendor.model))
    if models:
        providers += ["  ollama:", "    kind: ollama"]
        if ollama != _OLLAMA:
            providers.append(f"    base_url: {ollama}")
        providers.append("    timeout: {first_token: 5m}   # the first call loads the model")
        names.append(("local", "ollama", models[0]))
    if not names:
        providers += [
            "  simulated:   # python -m providers.simulator --port 8089",
            "    kind: openai",
            "    base_url: http://127.0.0.1:8089/openai/v1",
        ]
        names.append(("small", "simulated", "gpt-4o-mini"))
    listed = "\n".join(f'  {name}: {{provider: {provider}, id: "{model}"}}' for name, provider, model in names)
    return _FILE.format(
        providers="\n".join(providers),
        models=listed,
        others=f"\n  # also there: {', '.join(models[1:6])}" if len(models) > 1 else "",
        first=names[0][0],
        fallbacks="".join(f"\n      - {name}" for name, _, _ in names[1:]) or " []",
    )


_FILE = """\
# What your app may call, and what happens when something fails. Save an edit and it is in force at once.
#
#   signalbox check          is this file right?      signalbox models      what else the providers offer
#   signalbox ask chat "Hi"  one streamed answer      signalbox show        every value in force
#   signalbox serve          the routes over HTTP, for any client of OpenAI, Anthropic or Ollama
#   signalbox schema         every key there is, with its default: editors complete and check the file by it

version: 1

# Connections. ${{NAME}} is an environment variable: keys stay out of this file.
providers:
{providers}

# Names of your own for models. Anywhere a name stands, provider/model-id does as well.
models:
{models}{others}

# What your app calls: router.complete("chat", …)
routes:
  chat:
    targets: [{first}]
    # targets: {{one: 70, other: 30}}   shares the load by weight
    # What is tried when that fails, in this order:
    fallbacks:{fallbacks}
    # budget: $5/d   stops spending at so much a day
    # timeout: {{first_token: 10s, answer: 1m}}   of a stream, of a plain call
"""
