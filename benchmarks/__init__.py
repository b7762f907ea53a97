"""Measurements that anyone can run: `make bench`, `make bench-quick` and `make bench-micro`."""
