from tests.providers.test_requests_on_connections import *  # noqa: F403 - its tests, on the other loop
