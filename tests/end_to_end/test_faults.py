"""Whatever a vendor does to an answer, the caller gets the answer of another one, or an error that says what happened.

The whole matrix (`make faults` prints it): each fault, over four protocols, plain and streamed, alone and with a
fallback, on both HTTP engines, through real sockets.
"""

from __future__ import annotations

import pytest

from providers.simulator import Simulator
from tests.support.faults import CARRIERS, FAULTS, Fault, carried_by, run_fault

# `make faults` has the large ones too; the bounds that they meet have tests of their own.
HERE = [fault for fault in FAULTS if not fault.large]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("fault", HERE, ids=[fault.name.replace(" ", "-") for fault in HERE])
async def test_a_fault_is_an_answer_or_its_error(fault: Fault, carrier: str) -> None:
    """No raw exception, no missing trace, no fallback that is not asked, no half answer taken for a whole one."""
    async with Simulator(seed=1) as simulator:
        with carried_by(carrier):
            cells = await run_fault(simulator, fault)
    assert len(cells) == 16
    wrong = [cell for cell in cells if cell.found not in cell.wanted]
    assert not wrong
