"""Agents finish a task through the gateway. `make agents` installs them, and runs each before every kind of vendor."""

from __future__ import annotations

import pytest

from tests.support.agents import AGENTS, run

pytestmark = [pytest.mark.agents, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("name", AGENTS)
async def test_a_task_with_a_tool(name: str) -> None:
    """The file is there, and no request was refused."""
    if not AGENTS[name].is_installed:
        pytest.skip("it is not installed: `make agents` does")
    outcome = await run(AGENTS[name], "claude")
    assert outcome.faults == []
    assert outcome.requests >= 1
