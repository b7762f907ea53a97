from tests.router.gateway.test_handshakes import *
