"""JSON Schemas and names as each vendor accepts them: `rules` has a row for each vendor, the rest applies it."""
