from tests.test_end_to_end import *  # noqa: F403 - its tests, on the other loop
