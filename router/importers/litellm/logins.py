"""How requests to the clouds are signed, where a config has no key: what LiteLLM's libraries find, ours find too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from router.importers.litellm.reading import Fields, Tell
from router.importers.variables import Variables, named, variable_name


class Login(NamedTuple):
    """A source of credentials (docs/credentials.md).

    `keys` are LiteLLM's for what may be said of it, and `found` those for what its library finds by itself. Without
    any of these LiteLLM signs by it all the same, where it `is_usual`.
    """

    source: str
    library: str
    keys: Mapping[str, str]
    found: Mapping[str, str]
    is_usual: bool = True


_ROWS = {
    "bedrock": Login(
        "aws",
        "botocore",
        {"aws_profile_name": "profile"},
        {
            **dict.fromkeys(
                ("aws_access_key_id", "aws_secret_access_key", "aws_session_token"),
                "botocore finds it in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or in a profile",
            ),
            **dict.fromkeys(
                ("aws_role_name", "aws_session_name", "aws_external_id", "aws_web_identity_token", "aws_sts_endpoint"),
                "a profile of AWS's own files assumes the role: api_key: {aws: {profile: NAME}}",
            ),
        },
    ),
    "azure": Login(
        "entra",
        "azure-identity",
        {"client_id": "client_id", "tenant_id": "tenant_id", "client_secret": "client_secret", "azure_scope": "scope"},
        {
            "azure_ad_token": "azure-identity fetches one, and a new one before it ends",
            **dict.fromkeys(
                ("azure_username", "azure_password"), "azure-identity finds it in AZURE_USERNAME and AZURE_PASSWORD"
            ),
        },
        is_usual=False,
    ),
    "vertex": Login(
        "google", "google-auth", dict.fromkeys(("vertex_credentials", "vertex_ai_credentials"), "file"), {}
    ),
}
_ALL = tuple(name for row in _ROWS.values() for name in (*row.keys, *row.found))


def login(vendor: str, params: Fields, variables: Variables, tell: Tell) -> dict[str, Any] | None:
    """The source that signs a provider's requests; None where it has a key, or its vendor no such source.

    Args:
        vendor: LiteLLM's prefix.
        tell: takes the sort of a note, the key, and the text.
    """
    row = next((row for prefix, row in _ROWS.items() if vendor.startswith(prefix)), None)
    has_key = any(name in params.left for name in ("api_key", "azure_api_key"))
    source = None
    if row is not None and not has_key:
        named_here = [name for name in (*row.keys, *row.found) if name in params.left]
        if named_here or row.is_usual:
            said = _said(row, vendor, params, variables)
            source = {row.source: said or "default"}
            text = f"{row.library} signs the requests: pip install 'llm-signalbox[{row.source}]' (docs/credentials.md)"
            tell("check", named_here[0] if named_here else "model", text)
            for name, why in row.found.items():
                if params.take(name) is not None:
                    tell("check", name, why)
    for name in _ALL:
        if params.take(name) is not None:
            tell("left out", name, "its api_key is sent alone" if has_key else "nothing is signed by it here")
    return source


def _said(row: Login, vendor: str, params: Fields, variables: Variables) -> dict[str, str]:
    """What the config says of a source; what it says in vain stays there."""
    names = {own: name for name, own in row.keys.items() if name in params.left}
    if "client_secret" in names and not {"tenant_id", "client_id"} <= names.keys():
        return {}
    said = {}
    for own, name in names.items():
        node = params.left[name]
        if isinstance(node.value, str) and not node.value.lstrip().startswith("{"):  # a whole JSON key is no file
            value = params.text(name) or ""
            is_secret = own == "client_secret" and named(value) is None
            usual = variable_name(vendor, name)
            said[own] = variables.in_place_of(value, usual) if is_secret else variables.written(value)
    return said
