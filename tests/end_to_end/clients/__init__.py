"""Clients that others wrote, through the gateway."""
