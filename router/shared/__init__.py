"""What processes and machines share over a Redis or Valkey: the vendors' limits, by leases (docs/shared.md)."""
