"""The dashboard's one door to a router: in this process (`Router.feed()`), or in another one (`SocketFeed`)."""

from __future__ import annotations

from router.monitor.client import SocketFeed, discover
from router.telemetry.feed import Feed, FeedLost
from router.telemetry.local import LocalFeed

__all__ = ["Feed", "FeedLost", "LocalFeed", "SocketFeed", "discover"]
