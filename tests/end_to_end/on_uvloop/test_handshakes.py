from tests.router.gateway.test_handshakes import *  # noqa: F403 - its tests, on the other loop
