"""Carries messages to a Redis or Valkey: the only file that knows its client (extra `redis`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, NoScriptError, ResponseError

from router.shared.exchange import Message, Reply, read_reply

_PARTS = ("limit", "exchange")
SCRIPT = "local answers = {}\n" + "".join(
    files("router.shared").joinpath("lua", f"{part}.lua").read_text() for part in _PARTS
)
_SHA = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()  # how the server calls it
_COMMANDS = "; docs/shared.md has the rights that it needs"


class RedisExchange:
    """One connection to a server. It is opened by the first message, and closed by whatever fails.

    Nothing is repeated here: with the retries of the client an outage would look like patience.

    Args:
        url: redis://, rediss:// or unix://.
        app: who shares; its name is in all keys.
        timeout: seconds for connecting.
    """

    def __init__(self, url: str, app: str, timeout: float) -> None:
        self._url = url
        self._prefix = f"sb:{{{app}/0}}:"
        self._timeout = timeout
        self._client: Redis | None = None

    async def send(self, message: Message) -> Reply:
        """Return the reply.

        Raises:
            redis.RedisError, OSError, TimeoutError: there is none.
            ValueError: it is no reply to this.
        """
        if self._client is None:
            self._client = Redis.from_url(
                self._url,
                retry=Retry(NoBackoff(), 0),
                socket_connect_timeout=self._timeout,
                max_connections=1,
                client_name="signalbox",
                decode_responses=True,
            )
        keys = message.keys(self._prefix)
        arguments = (*keys, *message.arguments())
        try:
            try:
                text = await self._client.evalsha(_SHA, len(keys), *arguments)
            except NoScriptError:
                text = await self._client.eval(SCRIPT, len(keys), *arguments)
        except NoPermissionError as error:
            await self.aclose()
            raise NoPermissionError(f"{error}{_COMMANDS}") from None
        except BaseException:
            await self.aclose()
            raise
        return read_reply(text)

    async def aclose(self) -> None:
        """Close the connection; the next message opens another."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                async with asyncio.timeout(self._timeout):
                    await client.aclose()


class RedisStore:
    """The connection of shared answers: commands as they are, by the client's connection and without the client, which
    would cost more than all the rest. The first command opens it; whatever fails closes it.

    Args:
        url: redis://, rediss:// or unix://.
        timeout: seconds for connecting.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._connection: AbstractConnection | None = None

    async def send(self, commands: Sequence[tuple[str | bytes, ...]]) -> list[Any]:
        """Return the reply to each command, the error where the server refuses one.

        Raises:
            redis.RedisError, OSError: there are none.
        """
        try:
            connection = self._connection
            if connection is None:
                connection = self._connection = self._make()
                await connection.connect()  # type: ignore[no-untyped-call]  # the client has no types here
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            return [await self._reply(connection) for _ in commands]
        except BaseException:
            await self.aclose()
            raise

    @staticmethod
    async def _reply(connection: AbstractConnection) -> Any:
        try:
            return await connection.read_response()
        except NoPermissionError as error:
            return NoPermissionError(f"{error}{_COMMANDS}")
        except ResponseError as error:
            return error

    def _make(self) -> AbstractConnection:
        pool = ConnectionPool.from_url(
            self._url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=self._timeout, client_name="signalbox"
        )
        connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]  # nor here
        return connection

    async def aclose(self) -> None:
        """Close the connection; the next command opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                async with asyncio.timeout(self._timeout):
                    await connection.disconnect(nowait=True)
