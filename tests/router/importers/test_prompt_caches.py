"""What LiteLLM's configs say of prompt caches: an hour's price, and where marks are injected."""

from __future__ import annotations

from pathlib import Path

import yaml

from router.importers.litellm import import_litellm

CONFIG = """
model_list:
  - model_name: claude
    litellm_params:
      model: anthropic/claude-sonnet-4-5
      api_key: os.environ/ANTHROPIC_API_KEY
      input_cost_per_token: 0.000003
      output_cost_per_token: 0.000015
      cache_creation_input_token_cost_above_1hr: 0.000006
      cache_control_injection_points: [{location: message, role: system}]
"""


def test_injected_marks_and_an_hours_price_come_along() -> None:
    """Where the marks are is the vendor's business from then on: they move with the conversation."""
    made = import_litellm(CONFIG, Path("config.yaml"))
    (model,) = yaml.safe_load(made.text)["models"].values()
    assert model["prompt_cache"] == "auto"
    assert model["price"] == {"input": 3, "output": 15, "cache_write_1h": 6}
    assert "cache_control_injection_points" not in made.text
