"""Keys at the top that begin with `x-` are a place for anchors."""

from __future__ import annotations

import jsonschema
import yaml

from router.config import load_text
from router.config.json_schema import json_schema

TEXT = """
x-patient: &patient {timeout: {total: 5m}, retry: {max_wait: 1m}}
x-anything: [1, {a: "${NOT_SET}"}]
providers: {a: {kind: fake}}
routes:
  one: {targets: [a/x], <<: *patient}
  two: {targets: [a/y], <<: *patient}
"""


def test_anchors_have_a_place_of_their_own() -> None:
    loaded = load_text(TEXT, env={})
    assert loaded.diagnostics == ()
    assert [route.timeout.total for route in loaded.require().routes.values()] == [300.0, 300.0]
    jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(TEXT))


def test_only_at_the_top() -> None:
    assert 'no key is named "x-a"' in str(
        load_text(TEXT.replace("{kind: fake}", "{kind: fake, x-a: 1}"), env={}).diagnostics
    )
