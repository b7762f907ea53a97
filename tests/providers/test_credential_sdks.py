"""The vendors' real SDKs against token endpoints on loopback, and what they give in use."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from providers import CompletionRequest, ErrorCode, Message, ProviderError, ProviderSettings, registry
from providers.credentials.aws import AwsSource
from providers.credentials.entra import SCOPE, EntraSource
from providers.credentials.google import GoogleSource
from providers.simulator import Callers, Keys, Simulator
from providers.simulator.sigv4 import SignedRequest, refusal
from providers.sources import NoCredential, Source
from tests.support.token_server import TokenServer, token_server

REQUEST = CompletionRequest(model="m", messages=(Message.user("Hi"),))


@pytest.fixture(autouse=True)
def no_clouds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own is found: no login, no variables, no files."""
    for name in list(os.environ):
        if name.startswith(("AZURE_", "AWS_", "GOOGLE_", "GCE_", "IDENTITY_", "MSI_", "CLOUDSDK_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    for name in ("CONFIG_FILE", "SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(f"AWS_{name}", str(tmp_path / name))


@pytest.fixture
async def tokens() -> AsyncIterator[TokenServer]:
    async with token_server() as server:
        yield server


# --- Entra ID


@pytest.fixture
def identity(tokens: TokenServer, monkeypatch: pytest.MonkeyPatch) -> TokenServer:
    """The managed identity of Azure's App Service."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{tokens.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header-of-the-machine")
    tokens.body = {"access_token": "eyJ.a.b", "expires_on": str(int(time.time()) + 3600), "resource": SCOPE}
    return tokens


async def test_entra_gives_the_token_of_a_managed_identity(identity: TokenServer) -> None:
    issued = await EntraSource().fetch()
    assert issued.token == "eyJ.a.b"
    assert issued.bearer
    assert issued.lifetime == pytest.approx(3600, abs=30)
    [(_, path, headers, _)] = identity.asked
    assert "resource=https://cognitiveservices.azure.com" in path
    assert headers["x-identity-header"] == "header-of-the-machine"


async def test_entra_names_the_identity_and_the_scope(identity: TokenServer) -> None:
    await EntraSource(client_id="an-identity", scope="https://ai.azure.com/.default").fetch()
    assert "client_id=an-identity" in identity.asked[0][1]
    assert "resource=https://ai.azure.com" in identity.asked[0][1]


async def test_a_second_fetch_is_a_new_token_and_no_copy_of_the_sdk_s(identity: TokenServer) -> None:
    """Else a refused one would come again and again."""
    source = EntraSource()
    await source.fetch()
    identity.body = {**identity.body, "access_token": "eyJ.c.d"}
    assert (await source.fetch()).token == "eyJ.c.d"


async def test_entra_without_any_login_says_so() -> None:
    with pytest.raises(Exception, match=r"DefaultAzureCredential failed|No credential"):
        await EntraSource().fetch()


# --- Google


@pytest.fixture
def service_account(tokens: TokenServer, tmp_path: Path) -> Path:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    told = {
        "type": "service_account",
        "client_email": "sb@example.iam.gserviceaccount.com",
        "private_key": key.decode(),
        "private_key_id": "1",
        "project_id": "p",
        "token_uri": f"{tokens.url}/token",
    }
    path = tmp_path / "vertex.json"
    path.write_text(json.dumps(told))
    tokens.body = {"access_token": "ya29.abcdef", "expires_in": 3600, "token_type": "Bearer"}
    return path


async def test_google_gives_the_token_of_a_service_account(tokens: TokenServer, service_account: Path) -> None:
    issued = await GoogleSource(file=str(service_account)).fetch()
    assert (issued.token, issued.bearer) == ("ya29.abcdef", True)
    assert issued.lifetime == pytest.approx(3600, abs=30)
    assert b"assertion=" in tokens.asked[0][3]


async def test_google_s_own_way_to_a_file(
    tokens: TokenServer, service_account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account))
    assert (await GoogleSource().fetch()).token == "ya29.abcdef"


async def test_google_s_endpoint_that_refuses(tokens: TokenServer, service_account: Path) -> None:
    tokens.status, tokens.body = 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
    with pytest.raises(Exception, match="invalid_grant"):
        await GoogleSource(file=str(service_account)).fetch()


# --- AWS


@pytest.fixture
def static(monkeypatch: pytest.MonkeyPatch) -> Keys:
    keys = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_key)
    return keys


async def test_aws_gives_the_role_of_a_container(tokens: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{tokens.url}/role")
    ends = datetime.now(UTC) + timedelta(hours=1)
    tokens.body = {
        "AccessKeyId": "ASIA1",
        "SecretAccessKey": "secret-of-a-role",
        "Token": "session-token",
        "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    issued = await AwsSource(region="us-east-1").fetch()
    assert issued.lifetime == pytest.approx(3600, abs=30)
    assert issued.signer is not None
    headers = issued.signer("POST", "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1/chat/completions", b"{}")
    assert headers["x-amz-security-token"] == "session-token"
    assert "secret-of-a-role" in issued.secrets


async def test_no_log_has_a_session_token(
    tokens: TokenServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """botocore logs what it signs."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIA1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-a-role")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session-token-of-it")
    issued = await AwsSource(region="us-east-1", url="https://user:word-of-it@gateway.example/v1").fetch()
    assert issued.signer is not None
    assert issued.signer("POST", "https://gateway.example/v1/x", b"{}")["x-amz-security-token"] == "session-token-of-it"
    assert not [text for text in ("-of-it", "secret-of") if text in caplog.text]
    assert "word-of-it" not in repr(AwsSource(url="https://user:word-of-it@gateway.example/v1"))


async def test_aws_without_any_says_so() -> None:
    with pytest.raises(NoCredential, match="botocore finds none"):
        await AwsSource(region="us-east-1").fetch()


async def test_aws_without_a_region_says_so(static: Keys) -> None:
    with pytest.raises(NoCredential, match="no region is known"):
        await AwsSource(url="https://gateway.example/v1").fetch()


@pytest.mark.parametrize(
    ("url", "region", "service"),
    [
        ("https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1", "eu-central-1", "bedrock"),
        ("https://bedrock-mantle.us-west-2.api.aws/openai/v1", "us-west-2", "bedrock-mantle"),
        ("https://bedrock-mantle.us-west-2.api.aws/anthropic", "us-west-2", "bedrock-mantle"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com/anthropic", "us-gov-west-1", "bedrock"),
    ],
)
async def test_what_is_signed_for_is_told_by_the_address(static: Keys, url: str, region: str, service: str) -> None:
    issued = await AwsSource(url=url).fetch()
    assert issued.signer is not None
    assert f"/{region}/{service}/aws4_request" in issued.signer("POST", f"{url}/x", b"{}")["authorization"]


ODD = (
    "http://127.0.0.1:8000/v1/chat",
    "https://host.example/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke",
    "https://host.example/a%20b/ü?b=2&a=1&a=0&c=%2F%20",
    "https://host.example/",
)


@pytest.mark.parametrize("url", ODD)
async def test_odd_addresses_are_signed_as_aws_reads_them(static: Keys, url: str) -> None:
    issued = await AwsSource(region="us-east-1").fetch()
    assert issued.signer is not None
    headers = issued.signer("POST", url, b'{"a": 1}')
    host, _, rest = url.partition("://")[2].partition("/")
    path, _, query = f"/{rest}".partition("?")
    request = SignedRequest("POST", path, query, {**headers, "host": host}, b'{"a": 1}')
    assert refusal(request, {static.access_key: static}, time.time()) == ""
    assert refusal(request._replace(body=b'{"a": 2}'), {static.access_key: static}, time.time()) != ""


# --- in use, through real sockets


def provider(source: Source, url: str, kind: str = "openai", **options: Any) -> Any:
    settings = ProviderSettings(name="a", kind=kind, base_url=url, credential=source, options=options)
    return registry.create(settings)


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_the_vendor_verifies_what_is_signed(static: Keys, kind: str) -> None:
    async with Simulator() as simulator:
        vendor = simulator.vendor(kind)
        vendor.set(fast=True)
        vendor.callers = Callers()
        vendor.callers.add_keys(static)
        made = provider(AwsSource(region="us-east-1"), simulator.base_url(kind), kind)
        assert (await made.complete(REQUEST)).text
        async with made.stream(REQUEST) as stream:
            async for _ in stream:
                pass
        assert await made.list_models()
        assert vendor.callers.refused == 0
        await made.aclose()


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0, 86_400.0])
async def test_a_clock_that_is_wrong_is_corrected_by_the_vendor_s(static: Keys, ahead: float) -> None:
    async with Simulator() as simulator:
        vendor = simulator.vendor("openai")
        vendor.set(fast=True)
        vendor.callers = Callers()
        vendor.callers.add_keys(static)
        vendor.callers.ahead = ahead
        made = provider(AwsSource(region="us-east-1"), simulator.base_url("openai"))
        for _ in range(3):
            assert (await made.complete(REQUEST)).text
        assert vendor.callers.refused == 1, "it is learnt once"
        await made.aclose()


async def test_keys_that_aws_does_not_know_are_an_error_without_them(static: Keys) -> None:
    async with Simulator() as simulator:
        simulator.vendor("openai").callers = Callers()
        made = provider(AwsSource(region="us-east-1"), simulator.base_url("openai"))
        with pytest.raises(ProviderError) as raised:
            await made.complete(REQUEST)
        assert raised.value.code in (ErrorCode.AUTHENTICATION, ErrorCode.PERMISSION_DENIED)
        assert static.secret_key not in repr(raised.value.__dict__)
        await made.aclose()
