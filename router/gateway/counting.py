"""How many tokens a prompt has, by the endpoints that the protocols have for it."""

from __future__ import annotations

from providers.errors import ProviderError
from providers.types import TokenCount
from providers.wire import anthropic_messages
from providers.wire.reading import decode_body
from router.gateway.completion import Call
from router.gateway.exchange import Answered, Asked, json_answer
from router.gateway.paths import MESSAGES


async def count_tokens(call: Call, asked: Asked) -> Answered:
    """Count the tokens of a prompt: as the vendor counts them where it does, else by tokenizer or estimate.

    No model is asked anything.
    """
    body = decode_body(await asked.read(call.serving.max_body))
    request = anthropic_messages.read_request(body, count_only=True) if call.face is MESSAGES else call.face.read(body)
    route = call.route_of(request.model)
    count: TokenCount
    try:
        count = await call.router.count_tokens(route, request.messages, tools=request.tools, exact=True)
    except ProviderError:
        count = await call.router.count_tokens(route, request.messages, tools=request.tools)
    kind = {} if call.face is MESSAGES else {"object": "response.input_tokens"}
    return json_answer({**kind, "input_tokens": count.tokens}, headers=call.face.id_headers(call.ident))
