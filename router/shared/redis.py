"""Carries messages to a Redis or Valkey: the only file that knows its client (extra `redis`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha1
from importlib.resources import files
from random import sample
from typing import Any

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import TimeoutError as NoReplyError

from router.cleanup import to_the_end
from router.config.shared_url import SharedAddress, read_shared_url
from router.shared.exchange import Message, Reply, read_reply

_PARTS = ("budget", "limit", "news", "outage", "place", "fleet", "exchange")
SCRIPT = "local answers = {}\n" + "".join(
    files("router.shared").joinpath("lua", f"{part}.lua").read_text() for part in _PARTS
)
_SHA = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()  # how the server calls it
_ADVICE: tuple[tuple[type[Exception], str, str], ...] = (  # of mistakes that only the server tells
    (AuthenticationError, "", "shared.url needs the user and password of this server"),
    (ResponseError, "DB index is out of range", "shared.url ends with the number of a database that this server has"),
    (NoPermissionError, "", "docs/shared.md has the rights that it needs"),
    (AskError, "", "it is one of a cluster: shared.url has to be redis+cluster://…"),
    (RedisClusterException, "Cluster mode is not enabled", "shared.url has to be redis://…"),
)
# Refusals after which another server may have to be asked: the way there is looked for anew.
_ELSEWHERE = (AskError, ClusterDownError, MasterDownError, MovedError, ReadOnlyError, TryAgainError)


class RedisExchange:
    """A connection to a server, to the one that Sentinels name, or to a node of a cluster. It is opened by the first
    message, and closed by whatever fails: the next message looks anew for the way there.

    Nothing is repeated here: with the retries of the client an outage would look like patience.

    Args:
        url: as `router.config.shared_url` reads it.
        app: who shares, and which of the shards; it is in all keys.
        timeout: seconds for each step of connecting.
    """

    def __init__(self, url: str, app: str, timeout: float) -> None:
        self._address = read_shared_url(url)
        self._prefix = f"sb:{{{app}}}:"
        self._timeout = timeout
        self._clients: list[Redis | RedisCluster] = []

    async def open(self, message: Message) -> None:
        """Connect, if need be: that takes up to six round trips, and more to a cluster or by Sentinels. What is read
        first is read where the messages go, so that nothing of the way there is left for them.
        """
        if self._clients:
            return
        self._clients = _clients(self._address, self._timeout)
        try:
            await self._clients[0].get(self._prefix + "e")
        except BaseException as error:
            await self._failed(error)
            raise

    async def send(self, message: Message) -> Reply:
        """Return the reply, over a connection that `open` has made.

        Raises:
            redis.RedisError, OSError, TimeoutError: there is none.
            ValueError: it is no reply to this.
        """
        client = self._clients[0]
        keys = message.keys(self._prefix)
        arguments = (*keys, *message.arguments())
        try:
            try:
                text = await client.evalsha(_SHA, len(keys), *arguments)
            except NoScriptError:
                text = await client.eval(SCRIPT, len(keys), *arguments)
        except BaseException as error:
            await self._failed(error)
            raise
        return read_reply(text)

    async def _failed(self, error: BaseException) -> None:
        await self.aclose()
        if advised := _advised(error):
            raise advised from None

    async def aclose(self) -> None:
        """Close the connection; the next message opens another."""
        clients, self._clients = self._clients, []
        await _close(clients, self._timeout)


class RedisStore:
    """The connection of shared answers: commands as they are, by the client's connection and without the client, which
    would cost more than all the rest. The first command opens it; whatever fails closes it.

    Args:
        url: as `router.config.shared_url` reads it.
        app: who shares, and which of the shards; all keys have it.
        timeout: seconds for connecting.
    """

    def __init__(self, url: str, app: str, timeout: float) -> None:
        self._address = read_shared_url(url)
        self._tag = f"{{{app}}}"
        self._timeout = timeout
        self._clients: list[Redis | RedisCluster] = []
        self._connection: AbstractConnection | None = None

    async def send(self, commands: Sequence[tuple[str | bytes, ...]]) -> list[Any]:
        """Return the reply to each command, the error where the server refuses one.

        Raises:
            redis.RedisError, OSError: there are none.
        """
        try:
            connection = self._connection or await self._connect()
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            return [await self._reply(connection) for _ in commands]
        except BaseException as error:
            await self.aclose()
            if advised := _advised(error):
                raise advised from None
            raise

    @staticmethod
    async def _reply(connection: AbstractConnection) -> Any:
        try:
            return await connection.read_response()
        except _ELSEWHERE:
            raise
        except ResponseError as error:
            return _advised(error) or error

    async def _connect(self) -> AbstractConnection:
        self._clients = _clients(self._address, self._timeout, as_text=False)
        client = self._clients[0]
        if isinstance(client, RedisCluster):
            await client.initialize()
            node = client.get_node_from_key(self._tag)
            if node is None:
                raise ConnectionError("no node of the cluster has the slot")
            connection: AbstractConnection = node.acquire_connection()
        else:
            connection = client.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # it has no types
        self._connection = connection
        await connection.connect()  # type: ignore[no-untyped-call]  # nor has this
        return connection

    async def aclose(self) -> None:
        """Close the connection; the next command opens another."""
        connection, self._connection = self._connection, None
        clients, self._clients = self._clients, []
        await _close(clients, self._timeout, connection)


def _advised(error: BaseException) -> Exception | None:
    """Return an error with what to do about it, where only the server tells a mistake; None for any other."""
    if isinstance(error, NoReplyError):
        return TimeoutError()  # as when it is the whole exchange that takes too long
    for kind, words, advice in _ADVICE:
        if isinstance(error, kind) and words in str(error):
            return ConnectionError(f"{words or error}; {advice}")
    return None


async def _close(
    clients: list[Redis | RedisCluster], timeout: float, connection: AbstractConnection | None = None
) -> None:
    """Close them, also when cancelled meanwhile: nobody else has them any more."""
    if clients and await to_the_end(_to_be_closed(clients, timeout, connection)):
        raise asyncio.CancelledError


async def _to_be_closed(
    clients: list[Redis | RedisCluster], timeout: float, connection: AbstractConnection | None
) -> None:
    if connection is not None:
        with suppress(Exception):
            async with asyncio.timeout(timeout):
                await connection.disconnect(nowait=True)
    for client in clients:
        with suppress(Exception):
            async with asyncio.timeout(timeout):
                await client.aclose()
                if isinstance(client, RedisCluster):  # after an error it leaves its connections open
                    await asyncio.gather(*(node.disconnect() for node in (*client.startup_nodes, *client.get_nodes())))


def _clients(address: SharedAddress, timeout: float, *, as_text: bool = True) -> list[Redis | RedisCluster]:
    """Return the client, which is not connected yet, and those that it has to find the way."""
    ways: dict[str, Any] = {
        "socket_connect_timeout": timeout,
        "socket_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": as_text,
    }
    options = dict(address.options)
    to_sentinel = {name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    if address.tls:
        ways |= {"ssl": True, **options}
    who: dict[str, Any] = {"username": address.username, "password": address.password, "client_name": "signalbox"}
    if address.by == "cluster":
        nodes = [ClusterNode(*host) for host in address.hosts]
        return [RedisCluster(startup_nodes=nodes, require_full_coverage=False, **ways, **who)]
    who |= {"db": address.db, "max_connections": 1}
    if address.by == "sentinel":
        # In another order each time: one that swallows everything takes all the time of one exchange.
        hosts = sample(address.hosts, len(address.hosts))
        sentinel = Sentinel(hosts, sentinel_kwargs={**ways, **to_sentinel}, **ways)  # type: ignore[no-untyped-call]  # it has no types
        return [sentinel.master_for(address.service, **who), *sentinel.sentinels]
    if address.by == "socket":
        return [Redis(unix_socket_path=address.path, **ways, **who)]
    ((host, port),) = address.hosts
    return [Redis(host=host, port=port, **ways, **who)]
