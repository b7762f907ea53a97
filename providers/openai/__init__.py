"""OpenAI chat completions, and the many servers that speak its dialects."""
