"""What opens over a screen. A dialog reads what it is given, and returns what people chose."""
