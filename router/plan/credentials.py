"""What an entry of the file's keys means for a connection: a key, or a source of them."""

from __future__ import annotations

from typing import TypedDict

from pydantic import SecretStr

from providers.sources import Source
from router.config.key_schema import KeyConfig


class Who(TypedDict):
    """How a connection says who asks, as `ProviderSettings` takes it."""

    api_key: SecretStr | None
    credential: Source | None


def who(config: KeyConfig | None, url: str | None) -> Who:
    """How a connection says who asks.

    Args:
        url: of the server.
    """
    if config is None or config.key_ is not None:
        return {"api_key": None if config is None else config.key_, "credential": None}
    return {"api_key": None, "credential": _source(config, url or "")}


def _source(config: KeyConfig, url: str) -> Source:
    # Each is imported here: few files have one.
    if config.entra is not None:
        from providers.credentials.entra import EntraSource

        given = {name: value for name, value in config.entra if value is not None}
        if config.entra.client_secret is not None:
            given["client_secret"] = config.entra.client_secret.get_secret_value()
        return EntraSource(**given)
    if config.google is not None:
        from providers.credentials.google import GoogleSource

        return GoogleSource(**{name: value for name, value in config.google if value is not None})
    if config.aws is not None:
        from providers.credentials.aws import AwsSource

        return AwsSource(**dict(config.aws), url=url)
    assert config.command is not None, "the schema wants one of them"
    from providers.credentials.command import CommandSource

    return CommandSource(config.command, config.ttl)
