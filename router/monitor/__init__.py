"""Watching a router, in this process or another: a `Feed` of snapshots, events and answers, and commands. The
dashboard is built on it.
"""
