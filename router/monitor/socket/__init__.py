"""The feed over a Unix socket: a server in each watched process, a client that adds them up (docs/monitor.md)."""
