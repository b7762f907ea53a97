"""Kinds by name: shipped, registered by an app, and found in installed packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from providers import FakeProvider, Provider, ProviderSettings, registry
from providers.registry import UnknownKind


@pytest.mark.parametrize("kind", ["openai", "anthropic", "ollama", "fake"])
def test_shipped_kinds(kind: str) -> None:
    """Each makes a provider of its name, which has the whole interface, and needs neither key nor network for it."""
    made = registry.create(ProviderSettings(name="mine", kind=kind, api_key="sk-hush-1234"))
    assert made.name == "mine"
    for method in ("complete", "stream", "count_tokens", "capabilities", "aclose"):
        assert callable(getattr(made, method))
    assert "sk-hush-1234" not in repr(made) + repr(vars(made))


def test_an_unknown_kind_lists_the_known_ones() -> None:
    """And the nearest of them."""
    with pytest.raises(UnknownKind, match=r'did you mean "openai"') as caught:
        registry.create(ProviderSettings(name="a", kind="openia"))
    for kind in ("anthropic", "fake", "ollama", "openai"):
        assert kind in str(caught.value)


def test_an_app_registers_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a decorator; it may also take the place of a shipped one."""
    monkeypatch.setattr(registry, "_registered", {})

    @registry.register("mine")
    @registry.register("openai")
    def make(settings: ProviderSettings) -> Provider:
        return FakeProvider(settings)

    assert "mine" in registry.known_kinds()
    for kind in ("mine", "openai"):
        assert isinstance(registry.create(ProviderSettings(name="a", kind=kind)), FakeProvider)


def test_an_installed_package_adds_a_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the entry-point group signalbox.providers; its module is imported only when it is used."""
    (tmp_path / "acme_llm.py").write_text("from providers import FakeProvider as AcmeProvider\n")
    info = tmp_path / "acme_llm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-llm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[signalbox.providers]\nacme = acme_llm:AcmeProvider\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "acme" in registry.known_kinds()
    assert "acme_llm" not in sys.modules
    made = registry.create(ProviderSettings(name="a", kind="acme"))
    assert isinstance(made, FakeProvider)
    del sys.modules["acme_llm"]
