"""What a person may act on by name: the breakers and drains of models and providers."""

from __future__ import annotations

from collections.abc import Callable

from router.errors import UnknownRoute
from router.plan import Chain, Plan
from router.state import Guard, States


def guards_of(name: str, plan: Plan, states: States, chain: Callable[[str], Chain]) -> list[Guard]:
    """The guards of a model, of `provider/model-id`, or of a provider: those of all its keys.

    Args:
        chain: finds the chain of a model or of `provider/model-id`.

    Raises:
        UnknownRoute: nothing has that name, or it is a route's.
    """
    if name in plan.providers and name not in plan.file.models:
        of = [target for target in plan.targets if target.provider == name]
        if not of:
            raise UnknownRoute(f'no model of the provider "{name}" is in use')
        return [states.key_of(of[0], key) for key in of[0].keys]
    if name in plan.file.routes:
        raise UnknownRoute(f'"{name}" is a route; name a model, provider/model-id or a provider')
    return [states.of(chain(name).targets[0])]
