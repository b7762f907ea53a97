"""What is remembered of targets, keys, routes and budgets, by identity: it outlives every plan. Interior."""
