"""Coding agents and frameworks, by the recipes of docs/clients.md."""
