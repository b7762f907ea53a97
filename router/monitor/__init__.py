"""The socket by which a router is watched from another process of the same user; docs/monitor.md has the protocol."""
