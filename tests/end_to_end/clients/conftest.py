"""What the tests of the SDKs share: a gateway for a whole module, each SDK, and the vendor behind each model."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from providers.simulator import SimulatedVendor
from tests.support.gateway import TARGETS, Served, served
from tests.support.sdks import SDKS, Sdk


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SDKS)
async def sdk(gateway: Served, request: pytest.FixtureRequest) -> AsyncIterator[Sdk]:
    made = SDKS[request.param](gateway.url)
    yield made
    await made.aclose()


@pytest.fixture(params=TARGETS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def vendor(gateway: Served, model: str) -> SimulatedVendor:
    """The vendor behind the model, well again."""
    found = gateway.simulator.vendor(TARGETS[model][1])
    found.mend()
    found.set(fast=True)
    return found
