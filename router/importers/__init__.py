"""Other tools' configurations read as a routes.yaml: one package a tool, and what they have in common."""
