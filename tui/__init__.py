"""What a person sees: the terminal dashboard (it reaches the engine only through `router`)."""
