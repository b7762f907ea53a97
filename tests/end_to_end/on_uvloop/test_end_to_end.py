from tests.end_to_end.test_end_to_end import *  # noqa: F403 - its tests, on the other loop
