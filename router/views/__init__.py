"""What anybody sees of a router, as plain data: figures, routes, requests, traces, events, the file. Read by the
monitor, the dashboard and the exporters; the fields are the socket's protocol (docs/monitor.md).
"""
