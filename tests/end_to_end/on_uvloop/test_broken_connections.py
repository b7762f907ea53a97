from tests.providers.test_broken_connections import *  # noqa: F403 - its tests, on the other loop
