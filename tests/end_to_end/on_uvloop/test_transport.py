from tests.providers.test_transport import *  # noqa: F403 - its tests, on the other loop
