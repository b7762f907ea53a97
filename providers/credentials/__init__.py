"""Credentials that somebody else issues: kept, renewed ahead of time, and never shown."""
