"""How many tokens a prompt has, by the endpoints that the protocols have for it."""

from __future__ import annotations

from functools import partial

from providers.errors import ProviderError
from providers.types import Routing, TokenCount
from providers.wire import anthropic_messages
from providers.wire.reading import decode_body
from router.gateway.completion import Call
from router.gateway.exchange import Answered, Asked, json_answer
from router.gateway.native import read_body
from router.gateway.paths import MESSAGES


async def count_tokens(call: Call, asked: Asked) -> Answered:
    """Count the tokens of a prompt: as the vendor counts them where it does, else by tokenizer or estimate.

    No model is asked anything.
    """
    raw = await asked.read(call.serving.max_body)
    body, is_sealed = call.envelopes.restored(decode_body(raw), raw)
    read = partial(anthropic_messages.read_request, count_only=True) if call.face is MESSAGES else call.face.read
    request, _, _ = read_body(call.face, body, read)  # what cannot be read is not counted
    route = call.route_of(request.model)
    if is_sealed:
        request = call.envelopes.opened(request, call.plan, call.router.chain(route))
    count: TokenCount
    routing = call.routing(asked.headers) or Routing()
    try:
        count = await call.router.count_tokens(
            route, request.messages, tools=request.tools, exact=not routing.credentials, require=routing.require
        )
    except ProviderError:
        count = await call.router.count_tokens(route, request.messages, tools=request.tools)
    kind = {} if call.face is MESSAGES else {"object": "response.input_tokens"}
    return json_answer({**kind, "input_tokens": count.tokens}, headers=call.face.id_headers(call.ident))
