"""What was asked is on no server, though a vendor repeats it in its answer."""

from __future__ import annotations

import json

from router import Router
from tests.support.answer_shops import raw
from tests.support.raw_server import serving
from tests.support.redis_server import RedisServer, needs_redis

pytestmark = needs_redis
FILE = """
providers: {{a: {{kind: openai, api: responses, api_key: sk-planted-0123456789, base_url: "{vendor}"}}}}
routes: {{chat: {{targets: [a/gpt-5-mini], cache: {{ttl: 1h}}}}}}
cache: {{path: memory}}
shared: {{url: "{url}", app: shop, share: [cache], secret: planted-secret, timeout: 2s}}
"""
ANSWER = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "gpt-5-mini",
    "instructions": "planted instructions",
    "metadata": {"of": "planted client"},
    "tools": [{"type": "function", "name": "planted_tool", "parameters": {}}],
    "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "the answer"}]}],
    "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
}


async def test_neither_prompt_nor_tools_are_in_a_shared_answer(server: RedisServer) -> None:
    body = json.dumps(ANSWER).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    async with serving(head + body) as vendor:
        text = FILE.format(vendor=vendor.url, url=server.url)
        asked = [{"role": "system", "content": "planted instructions"}, {"role": "user", "content": "planted question"}]
        async with Router.from_text(text, env={}) as first, Router.from_text(text, env={}) as second:
            assert (await first.complete("chat", asked)).raw["instructions"] == "planted instructions"
            await first.cache.written()
            with raw(server) as client:
                kept = b"".join(client.get(name) for name in client.scan_iter("*:c:*"))
            assert b"the answer" in kept
            assert b"planted" not in kept
            reply = await second.complete("chat", asked)
            assert (reply.text, reply.trace.cache_level) == ("the answer", "shared")
        assert len(vendor.requests) == 1
