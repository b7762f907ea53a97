"""TensorZero's gateway in this process, without a database."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from tensorzero import AsyncTensorZeroGateway

from benchmarks.answers import MODEL
from benchmarks.worker import MESSAGES, Gap, Setup, serve

os.environ.setdefault("OPENAI_API_KEY", "k")


class TensorZero:
    def __init__(self, gateway: Any) -> None:
        self._gateway = gateway

    async def call(self) -> str:
        answer = await self._gateway.inference(model_name="chat", input={"messages": MESSAGES})
        return "".join(block.text for block in answer.content)

    async def stream(self) -> str:
        found = []
        async for chunk in await self._gateway.inference(model_name="chat", input={"messages": MESSAGES}, stream=True):
            found += [block.text for block in chunk.content]
        return "".join(found)


async def open_peer(setup: Setup) -> TensorZero:
    if setup.bare or setup.vendor != "openai" or setup.cache or setup.targets > 1:
        raise Gap("not measured")
    names = [f"p{number}" for number in range(1 + setup.fallbacks)]
    text = "[gateway]\nobservability.enabled = false\n[models.chat]\n"
    text += f"routing = [{', '.join(repr(name) for name in names)}]\n"
    for number, name in enumerate(names):
        text += f'[models.chat.providers.{name}]\ntype = "openai"\nmodel_name = "{MODEL}"\n'
        text += f'api_base = "{setup.url(number)}/"\napi_key_location = "env::OPENAI_API_KEY"\n'
    path = Path(tempfile.mkdtemp()) / "tensorzero.toml"
    path.write_text(text)
    return TensorZero(await AsyncTensorZeroGateway.build_embedded(config_file=str(path)))


if __name__ == "__main__":
    serve(open_peer)
