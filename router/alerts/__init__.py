"""Tells people by webhooks when something is wrong: what is looked at, when it is told, and how it gets there."""
