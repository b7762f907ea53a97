"""What a client says of one call in headers: labels that it requires, and vendors' keys that it brings along.

What is required only ever narrows who is asked, so that any client may say it. A key goes to its provider and nowhere
else, and only where the file lets its client bring one.
"""

from __future__ import annotations

from providers.errors import ErrorCode
from providers.own_keys import OwnKey
from providers.types import Requirement, Routing
from router.engine.own_keys import coerce_credentials
from router.engine.routing import coerce_require
from router.gateway.errors import Refused
from router.gateway.exchange import Headers
from router.plan.serving import Client

CREDENTIALS = "x-signalbox-credentials"
REQUIRE = "x-signalbox-require"


def routing_of(headers: Headers, client: Client) -> Routing | None:
    """What the client's key says of whom its request may be sent to, and what its headers do; None for nothing.

    Raises:
        Refused, ProviderError: INVALID_REQUEST, a header is none, or the client may not send it.
    """
    require = client.require
    if REQUIRE in headers:
        require += _required(headers)
    brought = own_keys_of(headers, client)
    return Routing(require=require, credentials=brought) if require or brought else None


def _required(headers: Headers) -> tuple[Requirement, ...]:
    """Read `region=eu, region=uk, retention=none`: of a label that stands there twice, one text or the other."""
    labels: dict[str, list[str]] = {}
    for name, text in _pairs(headers, REQUIRE, "LABEL=TEXT, LABEL=TEXT"):
        labels.setdefault(name, []).append(text)
    return coerce_require(labels)


def own_keys_of(headers: Headers, client: Client) -> tuple[OwnKey, ...]:
    """Read the keys that came with a request: `openai=sk-…, anthropic=sk-ant-…`. No error repeats what was sent.

    Raises:
        Refused: the client may bring none, or none for that provider.
        ProviderError: INVALID_REQUEST, one is no key.
    """
    if CREDENTIALS not in headers:
        return ()
    form = "PROVIDER=KEY, PROVIDER=KEY"
    pairs = _pairs(headers, CREDENTIALS, form)
    keys = dict(pairs)
    if len(keys) < len(pairs):
        raise _refused(CREDENTIALS, f"a provider has one key: {form}")
    if client.own_keys is False:
        raise _refused(CREDENTIALS, "this gateway takes no vendors' keys from you; leave it out, and its own is used")
    if client.own_keys is not True and not keys.keys() <= client.own_keys:
        raise _refused(CREDENTIALS, f"this gateway takes keys from you for {', '.join(sorted(client.own_keys))} alone")
    return coerce_credentials(keys)


def _pairs(headers: Headers, header: str, form: str) -> list[tuple[str, str]]:
    found = []
    for text in ",".join(headers.getall(header, ())).split(","):
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name:
            raise _refused(header, f"{form} is expected")
        found.append((name, value))
    return found


def _refused(header: str, text: str) -> Refused:
    return Refused(ErrorCode.INVALID_REQUEST, f"{header}: {text}")
