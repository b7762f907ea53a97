"""The dashboard's one door to a router: in this process (`LocalFeed`), or in another one (`SocketFeed`)."""

from __future__ import annotations

from router.monitor.feed import Feed, FeedLost
from router.monitor.local_feed import LocalFeed
from router.monitor.socket.client import SocketFeed, discover

__all__ = ["Feed", "FeedLost", "LocalFeed", "SocketFeed", "discover"]
