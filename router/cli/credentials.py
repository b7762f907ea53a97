"""Fetches a credential of every source of a file, to see whether it can be had; none is ever shown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import TypedDict

from providers.credentials.keeper import Credential
from providers.errors import ProviderError
from router.plan.plan import Plan


class Fetched(TypedDict):
    """What came of one source: `seconds` that its credential holds, None where it does not say."""

    provider: str
    source: str
    problem: str
    seconds: float | None


def try_all(plan: Plan) -> list[Fetched]:
    """What comes of each source of a plan; they are asked at the same time."""
    logging.disable(logging.CRITICAL)  # it is told here, and once
    try:
        return asyncio.run(_try_all(plan))
    finally:
        logging.disable(logging.NOTSET)


async def _try_all(plan: Plan) -> list[Fetched]:
    return list(await asyncio.gather(*(_try(*found) for found in _credentials(plan))))


def _credentials(plan: Plan) -> Iterator[tuple[str, Credential]]:
    for name, keys in plan.catalogue.keys.items():
        for key in () if plan.file.providers[name].disabled else keys:
            if key.settings is not None and key.settings.credential is not None:
                yield name, Credential(key.settings.credential, name)


async def _try(provider: str, credential: Credential) -> Fetched:
    told = Fetched(provider=provider, source=credential.source.name, problem="", seconds=None)
    try:
        told["seconds"] = (await credential.get()).lifetime
    except ProviderError as error:
        told["problem"] = error.message
    finally:
        credential.close()
    return told
