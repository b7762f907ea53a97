"""What `signalbox serve` says when it begins: where, and for whom."""

from __future__ import annotations

import pytest

from router.cli.serve_lines import banner, serves
from router.config import load_text
from router.plan.compile import compile_plan
from router.plan.serving import Serving

FILE = "providers: {f: {kind: fake}}\nroutes: {chat: f/m}\n"
KEY = "sb-aaaaaaaaaaaaaaaaaaaaaaa"


def serving_of(section: str) -> Serving:
    return compile_plan(load_text(f"{FILE}serve: {section}\n")).serving


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{}", "serves http://127.0.0.1:4180  (no key needed, from this machine alone)"),
        (f"{{keys: {{a: {KEY}}}}}", "serves http://127.0.0.1:4180  (1 client key)"),
        (f"{{keys: {{a: {KEY}, b: {KEY}b}}}}", "serves http://127.0.0.1:4180  (2 client keys)"),
        (
            f'{{listen: ":80", keys: {{a: {KEY}}}}}',
            "serves http://127.0.0.1:80  (1 client key, on every address of this machine)",
        ),
    ],
)
def test_it_says_for_whom_it_is_there(section: str, said: str) -> None:
    serving = serving_of(section)
    assert serves(serving, serving.listen) == said


def test_where_there_is_only_a_socket_no_base_url_is_told() -> None:
    serving = serving_of('{listen: "unix:/run/sb.sock"}')
    said = banner("routes.yaml", serving, serving.listen)
    assert "curl --unix-socket /run/sb.sock http://localhost/v1/models" in said
    assert "base URL" not in said
