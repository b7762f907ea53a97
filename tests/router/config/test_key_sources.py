"""What may stand for a key in a routes.yaml, and what is said of what may not."""

from __future__ import annotations

import pytest

from providers.credentials.aws import AwsSource
from providers.credentials.command import CommandSource
from providers.credentials.entra import EntraSource
from providers.credentials.google import GoogleSource
from providers.sources import Source
from router.config import LoadResult, load_text
from router.plan.compile import compile_plan

URL = "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1"


def read(key: str, name: str = "api_key", **env: str) -> LoadResult:
    text = f"providers: {{a: {{kind: openai, base_url: {URL}, {name}: {key}}}}}\nroutes: {{chat: a/m}}\n"
    return load_text(text, env=env)


def sources(loaded: LoadResult) -> list[Source | None]:
    return [key.settings.credential for key in compile_plan(loaded).catalogue.keys["a"] if key.settings is not None]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{entra: default}", EntraSource()),
        ("{entra: true}", EntraSource()),
        ("{entra: {}}", EntraSource()),
        ("{entra: {client_id: c, scope: s/.default}}", EntraSource(client_id="c", scope="s/.default")),
        (
            "{entra: {tenant_id: t, client_id: c, client_secret: hush-hush}}",
            EntraSource(tenant_id="t", client_id="c", client_secret="hush-hush"),
        ),
        ("{google: default}", GoogleSource()),
        ("{google: {file: /x.json}}", GoogleSource(file="/x.json")),
        ("{aws: default}", AwsSource(url=URL)),
        ("{aws: {profile: p, region: r, service: s}}", AwsSource(profile="p", region="r", service="s", url=URL)),
    ],
)
def test_sources(written: str, meant: Source) -> None:
    assert sources(read(written)) == [meant]


@pytest.mark.parametrize("written", ['"python3 -c x"', "[python3, -c, x]", '["${PY}", -c, x]'])
def test_a_command_is_a_list_or_words(written: str) -> None:
    [source] = sources(read(f"{{command: {written}, ttl: 5m}}", PY="python3"))
    assert source is not None
    assert isinstance(source, CommandSource)
    assert source.shape == CommandSource(("python3", "-c", "x"), 300.0).shape


def test_a_pool_mixes_keys_and_sources() -> None:
    loaded = read('["${A}", {entra: default}, {entra: {client_id: other}}]', "api_keys", A="a-key")
    assert sources(loaded) == [None, EntraSource(), EntraSource(client_id="other")]
    identities = [key.identity for key in compile_plan(loaded).catalogue.keys["a"]]
    assert len(set(identities)) == 3
    assert sources(read("{entra: default}", "api_keys")) == [EntraSource()], "one alone"


@pytest.mark.parametrize(
    ("written", "path", "words"),
    [
        ("entra", "api_key", "that source is written {entra: default}"),
        ("{}", "api_key", "one of entra, google, aws, command: {entra: default}"),
        ("{entra: default, aws: default}", "api_key", "one of entra, google, aws, command"),
        ("{enrta: default}", "api_key.enrta", 'did you mean "entra"?'),
        ("{azure: default}", "api_key", "no key has this name here; its keys: key, entra, google, aws, command, ttl"),
        ("{entra: {client_secret: hush-hush}}", "api_key.entra", "client_secret goes with tenant_id and client_id"),
        ("{ttl: 5m, aws: default}", "api_key", "ttl goes with command"),
        ('{command: "a | b"}', "api_key.command", "no shell runs this"),
        ("{command: []}", "api_key.command", "a program is expected"),
        ("{command: {a: b}}", "api_key.command", "a list of texts"),
        ('{command: "no-such-program-here x"}', "api_key.command", "there is no such program here"),
    ],
)
def test_what_is_wrong_is_said(written: str, path: str, words: str) -> None:
    [told] = read(written).diagnostics
    assert told.path == f"providers.a.{path}"
    assert words in told.message


@pytest.mark.parametrize(
    "written",
    [
        "{hush-1234-literal: 1}",
        "{key: hush-1234-literal, ttl: 5m}",
        "{entra: {hush-1234-literal: 1}}",
        "{entra: {client_secret: hush-1234-literal}}",
        "{command: [sh, hush-1234-literal], ttl: x}",
        "{command: {hush-1234-literal: 1}}",
    ],
)
def test_no_mistake_gives_a_secret_away(written: str) -> None:
    loaded = read(written)
    assert loaded.file is None
    assert "hush-1234" not in "\n".join(found.render() for found in loaded.diagnostics)


def test_the_file_s_models_show_no_secret() -> None:
    loaded = read("{command: [python3, --token, hush-hush-hush]}")
    assert loaded.file is not None
    assert "hush" not in repr(loaded.file) + loaded.file.model_dump_json() + loaded.shown + repr(compile_plan(loaded))
    loaded = read("{entra: {tenant_id: t, client_id: c, client_secret: hush-hush}}")
    assert loaded.file is not None
    assert "hush" not in repr(loaded.file) + loaded.file.model_dump_json() + loaded.shown + repr(sources(loaded))


@pytest.mark.parametrize("name", ["entra", "google", "aws"])
def test_an_sdk_that_is_not_there_is_told_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.config.key_rules.find_spec", lambda module: None)
    [told] = read(f"{{{name}: default}}").diagnostics
    assert (told.severity, told.path) == ("error", f"providers.a.api_key.{name}")
    assert told.message == f"{name} needs its extra: pip install 'llm-signalbox[{name}]'"


def test_a_provider_that_is_left_out_needs_no_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.config.key_rules.find_spec", lambda module: None)
    provider = 'a: {kind: openai, when_unset: disable, api_key: {entra: {client_id: "${NOT}"}}}'
    text = f"providers: {{{provider}, b: {{kind: fake}}}}\n"
    assert load_text(f"{text}routes: {{chat: [a/m, b/m]}}\n", env={}).file is not None


def test_a_changed_source_is_another_connection_and_the_same_is_not() -> None:
    def identity(key: str) -> str:
        return compile_plan(read(key)).catalogue.keys["a"][0].identity

    assert identity("{entra: default}") == identity("{entra: {}}")
    keys = ("{entra: default}", "{entra: {client_id: c}}", "{aws: default}", "{aws: {profile: p}}", "{google: default}")
    keys = (*keys, "{command: [python3, a]}", "{command: [python3, b]}", "{command: [python3, b], ttl: 1h}", "a-key")
    assert len({identity(key) for key in keys}) == len(keys)
