"""What a router that does nothing looks like."""

from __future__ import annotations

from router import Router


def assert_idle(router: Router) -> None:
    """No call is under way, no place at a target or key is taken, and nobody is in line for one."""
    snapshot = router.snapshot()
    assert snapshot.figures.in_flight == 0
    assert [route.name for route in snapshot.routes if route.figures.in_flight] == []
    for provider in snapshot.providers:
        assert [target.name for target in provider.targets if target.figures.in_flight] == []
        assert [key.name for key in provider.keys if key.in_flight] == []
        for limit in (limit for each in (*provider.keys, *provider.targets) for limit in each.limits):
            assert limit.waiting == 0
            assert limit.what != "in_flight" or limit.pressure == 0
