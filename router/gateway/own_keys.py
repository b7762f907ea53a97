"""Vendors' keys that a client brings along, where the file lets it: they go to their provider, and nowhere else."""

from __future__ import annotations

from providers.errors import ErrorCode
from providers.own_keys import OwnKey
from router.engine.own_keys import coerce_credentials
from router.gateway.errors import Refused
from router.gateway.exchange import Headers
from router.plan.serving import Client

HEADER = "x-signalbox-credentials"


def own_keys_of(headers: Headers, client: Client) -> tuple[OwnKey, ...]:
    """Read the keys that came with a request: `openai=sk-…, anthropic=sk-ant-…`.

    Raises:
        Refused: the client may bring none, or none for that provider. What it has sent is not repeated.
        ProviderError: INVALID_REQUEST, one is no key.
    """
    if HEADER not in headers:
        return ()
    keys: dict[str, str] = {}
    for text in ",".join(headers.getall(HEADER, ())).split(","):
        name, equals, key = (part.strip() for part in text.partition("="))
        if not equals or not name or name in keys:
            raise _refused(f"a key for each provider is expected, as {HEADER}: PROVIDER=KEY, PROVIDER=KEY")
        keys[name] = key
    if client.own_keys is False:
        raise _refused("this gateway takes no vendors' keys from you; leave it out, and its own is used")
    if client.own_keys is not True and not keys.keys() <= client.own_keys:
        raise _refused(f"this gateway takes keys from you for {', '.join(sorted(client.own_keys))} alone")
    return coerce_credentials(keys)


def _refused(text: str) -> Refused:
    return Refused(ErrorCode.INVALID_REQUEST, f"{HEADER}: {text}")
