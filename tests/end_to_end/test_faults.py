"""Whatever a vendor does to an answer, the caller gets the answer of another one, or an error that says what happened.

Each fault, over four protocols, plain and streamed, on both HTTP engines, through real sockets. What a fallback makes
of an error is the engine's, whoever read it: one protocol a fault has one. `make faults` has the whole matrix.
"""

from __future__ import annotations

import pytest

from providers.simulator import Simulator
from tests.support.faults import CARRIERS, COMBINATIONS, FAULTS, PROTOCOLS, Fault, carried_by, run_fault

# `make faults` has the large ones too; the bounds that they meet have tests of their own.
HERE = [fault for fault in FAULTS if not fault.large]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("fault", HERE, ids=[fault.name.replace(" ", "-") for fault in HERE])
async def test_a_fault_is_an_answer_or_its_error(fault: Fault, carrier: str) -> None:
    """No raw exception, no missing trace, no fallback that is not asked, no half answer taken for a whole one."""
    behind = PROTOCOLS[(HERE.index(fault) + CARRIERS.index(carrier)) % len(PROTOCOLS)]
    chosen = [cell for cell in COMBINATIONS if not cell[2] or cell[0] == behind]
    async with Simulator(seed=1) as simulator:
        with carried_by(carrier):
            cells = await run_fault(simulator, fault, chosen)
    wrong = [cell for cell in cells if cell.found not in cell.wanted]
    assert not wrong
