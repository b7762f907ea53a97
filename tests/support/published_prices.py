"""A list of prices as genai-prices publishes it, with what may be odd in one."""

from __future__ import annotations

from typing import Any

PUBLISHED: list[dict[str, Any]] = [
    {
        "id": "openai",
        "api_pattern": r"https://api\.openai\.com",
        "models": [
            {
                "id": "gpt-4o",
                "match": {"or": [{"equals": "gpt-4o"}, {"starts_with": "gpt-4o-2"}]},
                "context_window": 128_000,
                "prices": [
                    {"prices": {"input_mtok": 9, "output_mtok": 9}},
                    {
                        "constraint": {"start_date": "2026-01-01"},
                        "prices": {
                            "input_mtok": {"base": 1, "tiers": [{"start": 1_000, "price": 2}]},
                            "output_mtok": 4,
                            "cache_write_1h_mtok": 3,
                        },
                    },
                    {"constraint": {"start_date": "2999-01-01"}, "prices": {"input_mtok": 7, "output_mtok": 7}},
                    {
                        "constraint": {"start_time": "16:30:00Z", "end_time": "00:30:00Z"},
                        "prices": {"input_mtok": 0.1, "output_mtok": 0.1},
                    },
                ],
            },
            {"id": "odd", "match": {"sounds_like": "gpt"}, "prices": {"input_mtok": 1, "output_mtok": 1}},
        ],
    },
    {"id": "new", "api_pattern": r"https://new\.example", "models": [{"match": {"contains": "m"}, "prices": {}}]},
]
