"""What a router counts, for other systems: Prometheus and OpenTelemetry, each with an extra of its own. Public."""
