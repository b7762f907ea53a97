"""`signalbox import litellm` as a user runs it: what goes where, exit codes, and never a key on the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from router.cli import group
from router.config import load_text
from tests.support.litellm_configs import CONFIGS, SECRETS

CONFIG = "model_list:\n- model_name: chat\n  litellm_params: {model: gpt-4o, api_key: sk-very-secret-1, odd: 1}\n"


def signalbox(*args: str) -> Result:
    return CliRunner().invoke(group, list(args))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


def import_(*args: str) -> Result:
    return signalbox("import", "litellm", *args)


def test_it_writes_a_file_and_tells_what_to_know(config: Path) -> None:
    run = import_("config.yaml", "-o", "routes.yaml")
    assert run.exit_code == 0
    assert run.stdout.startswith("routes.yaml is written: 1 provider, 0 models, 1 route\n")
    assert "config.yaml:3: chat.litellm_params.odd: " in run.stdout
    assert "variables that it needs: OPENAI_API_KEY" in run.stdout
    assert "next: signalbox check routes.yaml" in run.stdout
    made = Path("routes.yaml").read_text()
    assert load_text(made, env={"OPENAI_API_KEY": "k"}).diagnostics == ()
    assert "sk-very-secret" not in run.output + made


@pytest.mark.parametrize("args", [[], ["-o", "-"]])
def test_without_a_file_it_is_printed_and_the_rest_goes_to_stderr(config: Path, args: list[str]) -> None:
    run = import_("config.yaml", *args)
    assert run.exit_code == 0
    assert load_text(run.stdout, env={"OPENAI_API_KEY": "k"}).diagnostics == ()
    assert "config.yaml:3: chat.litellm_params.odd: " in run.stderr
    assert not Path("routes.yaml").exists()


def test_a_file_that_exists_is_written_over_with_force_alone(config: Path) -> None:
    """The same file each time; and never the config itself."""
    Path("routes.yaml").write_text("mine")
    run = import_("config.yaml", "-o", "routes.yaml")
    assert (run.exit_code, Path("routes.yaml").read_text()) == (1, "mine")
    assert import_("config.yaml", "-o", "routes.yaml", "--force").exit_code == 0
    made = Path("routes.yaml").read_text()
    assert import_("config.yaml", "-o", "routes.yaml", "--force").exit_code == 0
    assert Path("routes.yaml").read_text() == made == import_("config.yaml").stdout
    assert import_("config.yaml", "-o", "config.yaml", "--force").exit_code == 1
    assert config.read_text() == CONFIG


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (None, 2, "no such file"),
        ("", 1, "the file is empty"),
        ("model_list: [\n  api_key: sk-very-secret-1", 1, "[ has no ]"),
        ("model_list:\n\t- a", 1, "a tab"),
        ("model_list: []\nmodel_list: []", 1, 'the key "model_list" is here twice'),
        ("services: {web: {image: x}}", 1, "is no LiteLLM config: it has neither model_list"),
        ("providers: {a: {kind: fake}}\nroutes: {chat: a/m}", 1, "is a routes.yaml already"),
        ("model_list: []", 1, "has no model that Signalbox could call"),
        ("include: [gone.yaml]", 2, "gone.yaml: no such file"),
    ],
)
def test_what_is_no_config_is_told_in_a_line(config: Path, text: str | None, code: int, words: str) -> None:
    if text is None:
        config.unlink()
    else:
        config.write_text(text)
    run = import_("config.yaml", "-o", "routes.yaml")
    assert run.exit_code == code
    assert words in run.output
    assert "sk-very-secret" not in run.output
    assert not Path("routes.yaml").exists()


@pytest.mark.parametrize("name", ["team", "home", "shop"])
def test_no_key_is_shown(name: str, tmp_path: Path) -> None:
    """Neither on stdout nor on stderr, nor by `check` of the config itself."""
    path = str(CONFIGS / f"{name}.yaml")
    for run in (import_(path), import_(path, "-o", str(tmp_path / "r.yaml")), signalbox("check", path)):
        assert not SECRETS.search(run.output)


def test_check_of_a_config_says_first_what_makes_a_file_of_it(config: Path) -> None:
    run = signalbox("check", "config.yaml")
    first = run.stderr.splitlines()[0]
    assert first.endswith(
        "this is a LiteLLM config; `signalbox import litellm config.yaml -o routes.yaml` makes a routes.yaml of it"
    )


@pytest.mark.parametrize("key", ["model_list", "litellm_settings", "router_settings", "general_settings"])
def test_each_section_tells_whose_file_it_is(key: str) -> None:
    """One error, and not a word about each key; a routes.yaml with such a key is a routes.yaml with a mistake."""
    [found] = load_text(f"# ours\n{key}: {{a: 1}}\nother: 1\n", name="my file.yaml", env={}).diagnostics
    assert "`signalbox import litellm 'my file.yaml' -o routes.yaml`" in found.message
    [found] = load_text(f"providers: {{a: {{kind: fake}}}}\nroutes: {{chat: a/m}}\n{key}: {{}}\n", env={}).diagnostics
    assert found.line == 3
    assert found.message.startswith(f'no key is named "{key}" here')


def test_help_has_examples() -> None:
    run = import_("--help")
    assert "signalbox import litellm config.yaml -o routes.yaml" in run.output
