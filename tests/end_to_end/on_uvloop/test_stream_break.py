from tests.router.engine.test_stream_break import test_through_real_sockets

__all__ = ["test_through_real_sockets"]  # on the other loop
