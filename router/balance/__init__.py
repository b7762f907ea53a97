"""Which of a tier's targets is called next. The engine picks by it; nothing here is public."""
