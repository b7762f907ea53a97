"""Ours on uvloop: whose loop it is, is the app's choice."""

from __future__ import annotations

import uvloop

from benchmarks.peers.signalbox_router import open_peer
from benchmarks.worker import serve

if __name__ == "__main__":
    serve(open_peer, run=uvloop.run)
