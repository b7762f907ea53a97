"""The six screens, a file each. The app makes each of them once."""
