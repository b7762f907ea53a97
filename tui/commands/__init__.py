"""The verbs of `signalbox` that need the dashboard."""
