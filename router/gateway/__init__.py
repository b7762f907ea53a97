"""The router behind HTTP: the protocols of OpenAI, Anthropic and Ollama, served from one file."""
