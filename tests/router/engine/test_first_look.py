"""What is decided once, for a target or a tier, in place of for each request: it decides as the closer look would."""

from hypothesis import given
from hypothesis import strategies as st

from providers.types import ModelCapabilities
from router import Router
from router.balance.strategies import Balancers
from router.engine.needs import Requirements, why_unfit
from router.plan.target import Target

MAYBE = st.sampled_from([None, True, False])


@given(
    st.sampled_from([None, 0, 1, 100, 10**6]),
    st.tuples(MAYBE, MAYBE, MAYBE, MAYBE),
    st.booleans(),
    st.sampled_from([0, 1, 2, 100, 101, 10**6, 10**7]),
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
)
def test_who_serves_up_to_so_many_tokens_is_fit(
    window: int | None,
    can: tuple[bool | None, ...],
    disabled: bool,
    tokens: int,
    wants: tuple[bool, ...],
) -> None:
    """A target that needs no closer look is one that a closer look finds fit."""
    tools, vision, schema, streaming = can
    known = ModelCapabilities(
        context_window=window, tools=tools, vision=vision, json_schema=schema, streaming=streaming
    )
    target = Target(name="a/m", provider="a", model="m", capabilities=known, disabled=disabled)
    needs = Requirements(tools=wants[0], vision=wants[1], json_schema=wants[2], streaming=wants[3], least_tokens=tokens)
    if tokens <= target.serves_up_to:
        assert why_unfit(target, needs, {}) is None
    elif not disabled and False not in can:
        assert why_unfit(target, needs, {}) is not None  # and no more of them get a closer look than have to


FILE = """
providers: {{a: {{kind: fake}}}}
routes:
  chat: {{targets: [a/x, a/y], balance: {balance}}}
"""


async def test_a_tier_keeps_its_balancer_until_its_strategy_changes() -> None:
    async with Router.from_text(FILE.format(balance="weighted"), env={}) as router:
        plan = router.plan
    async with Router.from_text(FILE.format(balance="ordered"), env={}) as router:
        other = router.plan
    balancers = Balancers()
    weighted = balancers["chat", 0, "weighted"]
    balancers.adopt(plan)
    assert balancers["chat", 0, "weighted"] is weighted
    balancers.adopt(other)
    assert not balancers
    assert balancers["chat", 0, "ordered"] is not weighted
    balancers.forget("chat")
    assert not balancers
