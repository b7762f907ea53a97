"""The table of a fleet's load, of given costs."""

from __future__ import annotations

from benchmarks.fleet import Cost, Measured, on_paper


def test_what_shards_and_network_a_fleet_needs() -> None:
    exchange, entry = Cost(17e-6, 40e-6, 150e-6, 300), Cost(8e-6, 10e-6, 3e-6, 150)
    rows = on_paper(Measured(exchange, entry, of_limit=216, of_process=1000), sparse=0.7, dense=0.2).splitlines()
    assert rows[2].endswith("| 0/s | 0.0 + 0.17 | 1 (17%) | 3 MB/s |")
    assert rows[3].endswith("| 140,000/s | 1.1 + 0.17 | 3 (54%) | 30 MB/s |")
    assert rows[5].endswith("| 400,000/s | 3.2 + 0.17 | 8 (57%) | 84 MB/s |")
    assert "10.4 MB for 2,000 limits and 10,000 processes" in rows[-1]
