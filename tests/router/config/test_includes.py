"""A file that includes others: what they may say, and the file, line and column of everything that is told."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from router.config import LoadResult, load, load_text
from router.config.json_schema import json_schema
from router.plan.compile import compile_plan
from router.simulate.scenario import load_routes

ROOT = """\
providers:
  a: {kind: fake}
include: teams/*.yaml
routes: {chat: a/m}
"""


def write(folder: Path, **texts: str) -> Path:
    """Write files by their names without `.yaml`, where __ is a folder; gives routes.yaml."""
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "routes.yaml"


def told(loaded: LoadResult, folder: Path) -> list[str]:
    return [found.render().splitlines()[0].replace(f"{folder}/", "") for found in loaded.diagnostics]


def read(folder: Path, **texts: str) -> list[str]:
    return told(load(write(folder, **texts), env={}), folder)


def test_providers_models_and_routes_of_all_files_are_one(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        routes=ROOT,
        teams__b="models: {small: b/s}\nroutes: {b.chat: [small, a/m]}\nproviders: {b: {kind: fake}}\n",
        teams__a="routes: {a.chat: {targets: [a/m], fallbacks: [b.chat]}}\n",
    )
    loaded = load(path, env={})
    plan = compile_plan(loaded)
    assert loaded.diagnostics == ()
    assert list(plan.file.routes) == ["chat", "a.chat", "b.chat"]
    assert [target.name for target in plan.chains["a.chat"].targets] == ["a/m", "small", "a/m"]
    assert loaded.where(("routes", "b.chat")) == (f"{tmp_path}/teams/b.yaml", 2)
    assert loaded.where(("routes", "chat")) == (str(path), 4)
    assert [name for name, _ in loaded.files] == [
        f"{tmp_path}/{name}" for name in ("routes.yaml", "teams/a.yaml", "teams/b.yaml")
    ]


def test_a_path_starts_at_the_file_that_says_it(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        routes="include: [teams/all.yaml]\nroutes: {chat: a/m}\n",
        teams__all="include: [more/*.yaml, ../vendors.yaml]\n",
        teams__more__x="routes: {x: a/m}\n",
        vendors='providers: {a: {kind: fake, api_key: "${file:key}"}}\n',
    )
    (tmp_path / "key").write_text("its-key")
    assert load(path, env={}).diagnostics == ()
    (tmp_path / "teams" / "more" / "x.yaml").write_text(
        'routes: {x: b/m}\nproviders: {b: {kind: fake, api_key: "${file:b.key}"}}\n'
    )
    (tmp_path / "teams" / "more" / "b.key").write_text("one")
    first = load(path, env={})
    assert first.diagnostics == ()
    (tmp_path / "teams" / "more" / "b.key").write_text("two")
    assert load(path, env={}).revision != first.revision


def test_a_finding_names_its_own_file_line_and_column(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        routes=ROOT.replace("chat: a/m", "chat: a/m, worse: c/m"),
        teams__a="\nroutes:\n  one: a/m\n  two: {targets: [nix]}\n",
        teams__c="routes: {same: a/m, same: a/m}\n",
    )
    assert found == [
        'routes.yaml:4:28: routes.worse: no provider is named "c"; providers: a',
        'teams/a.yaml:4:19: routes.two.targets.0: no model or route is named "nix"; a model is written PROVIDER/MODEL',
        'teams/c.yaml:1:21: routes.same: the key "same" is here twice (first in line 1)',
    ]


def test_where_a_file_is_no_yaml_nothing_is_said_of_names_that_it_may_have(tmp_path: Path) -> None:
    (found,) = read(tmp_path, routes=ROOT.replace("a/m}", "later}"), teams__b="models:\n  later: a/m\n   four: a/m\n")
    assert found.startswith("teams/b.yaml:3:4: 3 spaces before this key, and 2 in line 2: keys of one section")


def test_the_source_line_is_that_of_the_file_and_keys_are_blanked_out(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        routes=ROOT,
        teams__a="providers:\n  b: {kind: opnai, api_key: sk-1234567890abcdefghij}\nroutes: {r: b/m}\n",
    )
    loaded = load(path, env={})
    (found,) = loaded.diagnostics
    assert found.source.startswith("  b: {kind: opnai, api_key: ****")
    assert "1234567890" not in loaded.shown


@pytest.mark.parametrize("section", ["providers", "models", "routes"])
def test_a_name_in_two_files_is_an_error_that_names_both_places(tmp_path: Path, section: str) -> None:
    entry = {"providers": "x: {kind: fake}", "models": "x: a/m", "routes": "x: a/m"}[section]
    (found,) = read(
        tmp_path,
        routes=ROOT,
        teams__a=f"{section}:\n  {entry}\n",
        teams__b=f"# b\n{section}: {{{entry}}}\n",
    )
    column = len(section) + 4
    where = "teams/a.yaml:2"
    assert found == f'teams/b.yaml:2:{column}: {section}.x: "x" is defined in {where} already; a name is defined once'


def test_a_name_of_a_model_and_of_a_route_names_the_other_file(tmp_path: Path) -> None:
    (found,) = read(tmp_path, routes=ROOT, teams__a="models: {x: a/m}\n", teams__b="routes: {x: a/m}\n")
    assert "a model (teams/a.yaml:1) and a route share the name" in found


@pytest.mark.parametrize(
    "section", ["defaults: {balance: ordered}", "telemetry: {}", "version: 1", "serve: {}", "nonsense: 1"]
)
def test_what_concerns_all_stands_in_the_first_file(tmp_path: Path, section: str) -> None:
    (found,) = read(tmp_path, routes=ROOT, teams__a=f"{section}\nroutes: {{x: a/m}}\n")
    name = section.partition(":")[0]
    may = "an included file has providers, models, routes, include and x-… keys"
    assert found == f"teams/a.yaml:1:1: {name}: {may}; write this in routes.yaml"


def test_asides_and_anchors_are_each_files_own(tmp_path: Path) -> None:
    text = "x-slow: &slow {timeout: {total: 5m}}\nroutes: {p: {<<: *slow, targets: [a/m]}}\n"
    path = write(tmp_path, routes=ROOT, teams__a=text)
    loaded = load(path, env={})
    assert loaded.diagnostics == ()
    assert compile_plan(loaded).chains["p"].total == 300
    (found,) = read(tmp_path, routes=ROOT, teams__a="routes: {p: *slow}\n")
    assert found.startswith("teams/a.yaml:1:13: nothing above has this anchor (&name)")


def test_circles_are_told_with_the_way(tmp_path: Path) -> None:
    (found,) = read(tmp_path, routes=ROOT, teams__a="include: [../more.yaml]\n", more="include: teams/a.yaml\n")
    way = "teams/a.yaml → more.yaml → teams/a.yaml"
    assert found == f"more.yaml:1:10: include: these files include each other in a circle: {way}"


def test_a_pattern_that_matches_its_own_file_says_so(tmp_path: Path) -> None:
    (found,) = read(tmp_path, routes='providers: {a: {kind: fake}}\nroutes: {r: a/m}\ninclude: "*.yaml"\n')
    assert found.startswith("routes.yaml:3:10: include: these files include each other in a circle: ")
    assert found.endswith("; the pattern matches the file that it stands in")


def test_a_file_by_two_ways_is_read_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        routes=ROOT.replace("teams/*.yaml", "[teams/*.yaml, teams/a*.yaml, common.yaml]"),
        teams__a="include: [../common.yaml]\nroutes: {x: c/m}\n",
        common="providers: {c: {kind: fake}}\n",
    )
    os.symlink("a.yaml", tmp_path / "teams" / "link.yaml")
    assert load(path, env={}).diagnostics == ()


def test_what_editors_leave_beside_a_file_is_not_matched(tmp_path: Path) -> None:
    path = write(tmp_path, routes=ROOT, teams__a="routes: {x: a/m}\n")
    for name in (".a.yaml.swp", "a.yaml~", ".hidden.yaml", "a.yaml.bak"):
        (tmp_path / "teams" / name).write_text("nonsense")
    (tmp_path / "teams" / "folder.yaml").mkdir()
    assert load(path, env={}).diagnostics == ()


def test_a_missing_file_is_an_error_and_a_pattern_that_matches_none_a_warning(tmp_path: Path) -> None:
    found = read(tmp_path, routes=ROOT.replace("teams/*.yaml", "[teams/*.yaml, missing.yaml]"))
    assert found == [
        "routes.yaml:3:11: warning: include.0: no file matches this yet",
        "routes.yaml:3:25: include.1: there is no file missing.yaml",
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "teams/a.yaml:1:1: the file is empty; it needs providers, models or routes"),
        (b"\xff\xfe", "routes.yaml:3:10: include: {}/teams/a.yaml: not UTF-8 text; save it as UTF-8"),
        (b"[1]", "teams/a.yaml:1:1: the file must be a mapping with providers, models or routes"),
        (b"routes:\n", "teams/a.yaml:1:1: routes: this must be a mapping (key: value)"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, content: bytes, why: str) -> None:
    path = write(tmp_path, routes=ROOT, teams__a="")
    (tmp_path / "teams" / "a.yaml").write_bytes(content)
    assert told(load(path, env={}), tmp_path) == [why.replace("{}/teams", "teams")]


def test_all_files_together_are_bounded(tmp_path: Path) -> None:
    write(tmp_path, routes=ROOT, **{f"teams__f{number}": f"# {'x' * 300_000}\nx-a: 1\n" for number in range(4)})
    (found,) = read(tmp_path)
    assert "all files are over 1 MiB together" in found
    many = "[" + ", ".join("a" for _ in range(45_000)) + "]"
    for number in range(4):
        (tmp_path / "teams" / f"f{number}.yaml").write_text(f"x-a: {many}\n")
    found = read(tmp_path)[0]
    assert "all files have over 100,000 values together" in found


def test_lines_that_a_message_names_are_those_of_the_file(tmp_path: Path) -> None:
    rules = "routes:\n  x:\n    targets: [a/m]\n    when:\n      - {to: chat}\n      - {if: {tags: {t: u}}, to: chat}\n"
    found = read(tmp_path, routes=ROOT, teams__a=rules)
    assert found[0].startswith("teams/a.yaml:6:")
    assert "the rule of teams/a.yaml:5 always holds" in found[0]


def test_editors_check_both_kinds_of_files() -> None:
    """What a file lacks may be in those that it includes; an included one has fewer keys, and needs none."""
    whole, included = (Draft202012Validator(json_schema(included=each)) for each in (False, True))
    provider = {"a": {"kind": "openai", "api_key": "k"}}
    for good in ({"include": "teams/*.yaml"}, {"include": ["a.yaml"], "routes": {"x": "a/m"}}):
        whole.validate(good)
    for good in ({"routes": {"x": "a/m"}}, {"providers": provider, "include": "more.yaml", "x-a": 1}):
        included.validate(good)
    for bad in ({"routes": {"x": "a/m"}}, {"providers": provider}, {"include": 3}):
        assert not whole.is_valid(bad), bad
    for bad in ({"defaults": {}}, {"serve": {}}, {"include": {}}):
        assert not included.is_valid(bad), bad


def test_a_simulation_needs_no_key_of_any_file(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        routes="include: vendors.yaml\nroutes: {chat: a/m}\n",
        vendors='providers: {a: {kind: openai, api_key: "${KEY}"}, b: {kind: openai, api_key: "${file:none}"}}\n',
    )
    loaded = load_routes(path, env={})
    assert [found for found in loaded.diagnostics if found.severity == "error"] == []


def test_variables_fill_in_paths(tmp_path: Path) -> None:
    path = write(tmp_path, routes=ROOT.replace("teams/*.yaml", "${TEAMS}/*.yaml"), teams__a="routes: {x: a/m}\n")
    assert load(path, env={"TEAMS": "teams"}).diagnostics == ()
    assert told(load(path, env={}), tmp_path)[0].startswith("routes.yaml:3:10: include: the variable TEAMS is not set")


def test_the_revision_changes_with_every_file(tmp_path: Path) -> None:
    path = write(tmp_path, routes=ROOT, teams__a="routes: {x: a/m}\n")
    before = load(path, env={}).revision
    (tmp_path / "teams" / "a.yaml").write_text("routes: {x: a/n}\n")
    assert load(path, env={}).revision != before


def test_a_file_without_it_is_what_it_was(tmp_path: Path) -> None:
    text = "providers: {a: {kind: fake}}\nroutes: {chat: a/m}\n"
    assert (
        load(write(tmp_path, routes=text), env={}).revision
        == load_text(text, env={}).revision
        == sha256(text.encode()).hexdigest()[:12]
    )
