"""What the screens and dialogs are made of. A widget draws what it is given, and posts messages of what people do."""
