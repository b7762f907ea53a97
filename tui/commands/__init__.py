"""The commands of `signalbox` that show the dashboard."""
