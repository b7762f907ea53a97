from tests.router.monitor.test_monitor import *  # noqa: F403 - its tests, on the other loop
