"""From a file to a checked `RoutesFile`: read, fill in variables, expand the short forms, validate, check the names."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from router.config.alert_rules import check_alerts
from router.config.alert_schema import AlertConfig
from router.config.diagnostics import ConfigError, Diagnostic, Findings, UnreadableFile, is_variable
from router.config.draw_rules import check_draws
from router.config.embed_rules import check_embeddings
from router.config.files import MAX_BYTES, TOO_LARGE, Contents, NoContent, text_of
from router.config.includes import Includes, Source
from router.config.interpolate import Expanded, Interpolator, Unset, is_path
from router.config.key_schema import AwsConfig, EntraConfig, GoogleConfig, KeyConfig
from router.config.label_rules import check_labels, check_requirements
from router.config.led_rules import check_led
from router.config.reach import warn_of_unreached
from router.config.route_breakers import check_breakers
from router.config.route_names import take_aliases, write_routes
from router.config.rules import check_names
from router.config.schema import ProviderConfig, RoutesFile
from router.config.serve_schema import ClientKeyConfig, ServeConfig
from router.config.shadow_rules import check_shadows
from router.config.shared_budget_rules import check_shared_budgets
from router.config.shared_schema import SharedConfig
from router.config.shorthand import expand_shorthand
from router.config.timeout_rules import check_timeouts
from router.config.validate import validate
from router.config.void_rules import check_spread, check_void
from router.config.when_rules import check_when
from router.config.yaml_reader import Node, Place, core_scalar, read_yaml
from router.patterns import Pattern

_SECRET_FILE = r"\$\{file:([^{}]*)\}"
_HINT = "a routes file is small: is this the right file?"
_NO_SECRETS = {field.alias or name for name, field in ProviderConfig.model_fields.items()} - {
    *("api_key", "api_keys", "headers", "options")
}
_KEYS = ("api_key",), ("api_keys",)  # the last part of their paths
_NAMES_OF_SOURCES = {
    field.alias or name
    for section in (KeyConfig, EntraConfig, GoogleConfig, AwsConfig)
    for name, field in section.model_fields.items()
}
_NO_SECRETS_OF_SOURCES = frozenset({"entra", "google", "aws", "ttl"})
_NO_CLIENTS_SECRETS = ClientKeyConfig.model_fields.keys() - {"key", "sha256"}  # the key, by mistake
_OF_SHARED = SharedConfig.model_fields.keys() - {"url", "secret"}
_OF_ALERTS = {field.alias or name for name, field in AlertConfig.model_fields.items()} - {"to"}
_OF_SERVE = ServeConfig.model_fields.keys() - {"keys"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What a file gave. `file` is None when `diagnostics` has an error.

    `revision` changes with the text and with every variable and file that it used. `origins` has line and column (from
    1) of every key, with the lines of included files numbered on: `where` has their own.
    `marks` stand for the contents of all its files when they were read, see `Contents.marks`.
    `disabled` has the providers that are left out (`when_unset: disable`) with the variable or file they lack.
    `aliases` are further names of routes, each with its route.
    """

    file: RoutesFile | None
    diagnostics: tuple[Diagnostic, ...]
    revision: str
    origins: Mapping[tuple[str | int, ...], tuple[int, int]] = field(repr=False)
    name: str
    path: Path | None = None
    disabled: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    findings: Findings | None = field(default=None, repr=False, compare=False)
    marks: Mapping[Path | Pattern, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def shown(self) -> str:
        """The file's text for people, keys blanked out; made anew at every call."""
        return "" if self.findings is None else self.findings.shown()

    @property
    def files(self) -> tuple[tuple[str, int], ...]:
        """The names of the file and of all that it includes, each with the number of lines of `shown` before it."""
        return () if self.findings is None else self.findings.files

    def where(self, path: tuple[str | int, ...]) -> tuple[str, int] | None:
        """The file of a key, and its line there; None for one that is not written."""
        at = self.origins.get(path)
        return None if at is None or self.findings is None else self.findings.place(at)

    def require(self) -> RoutesFile:
        """The file. Raises ConfigError when it has errors."""
        if self.file is None:
            raise ConfigError(self.diagnostics)
        return self.file


def load(
    path: str | Path,
    *,
    env: Mapping[str, str] | None = None,
    contents: Contents | None = None,
    replaced: Collection[str] = (),
    keyed: Collection[str] = (),
) -> LoadResult:
    """Read and check a file; its errors are in the result's `diagnostics`.

    Args:
        path: the file.
        env: the variables; None takes the process's environment.
        contents: what the file and its secret files hold; None reads them now.
        replaced: providers of which the file need not say all, since the app has its own in their place: a variable of
            theirs that is not set is none the worse.
        keyed: providers to whose key the app has its own; that of the file is not needed.

    Raises:
        UnreadableFile: missing, no regular file, over 1 MiB, or not text.
    """
    where = Path(path)
    contents = contents or Contents()
    variables = Interpolator(os.environ if env is None else env, where.parent, contents)
    return _load(
        _text(where, contents), name=str(path), variables=variables, path=where, replaced=replaced, keyed=keyed
    )


def load_text(
    text: str,
    *,
    name: str = "routes.yaml",
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
    files: Mapping[str, str] | None = None,
    replaced: Collection[str] = (),
    keyed: Collection[str] = (),
) -> LoadResult:
    """As `load`, for text that is at hand; relative `${file:…}` paths start in `folder`. What stands in `files`, as it
    is written, is not read.

    Raises:
        UnreadableFile: over 1 MiB, or not text.
        TypeError: it is no `str`.
    """
    if not isinstance(text, str):
        raise TypeError(f"this takes the text of a routes.yaml, not {type(text).__name__}")
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise UnreadableFile(name, f"{TOO_LARGE}; {_HINT}")
    variables = Interpolator(os.environ if env is None else env, folder or Path(), Contents(), files)
    return _load(text.removeprefix("\ufeff"), name=name, variables=variables, path=None, replaced=replaced, keyed=keyed)


def read_text(path: Path) -> str:
    """The text of a file. Raises UnreadableFile: missing, no regular file, over 1 MiB, or not text."""
    return _text(path, Contents())


def _text(path: Path, contents: Contents) -> str:
    try:
        content = contents.of(path)
    except NoContent as error:
        hint = f"; {_HINT}" if error.reason == TOO_LARGE else ""
        raise UnreadableFile(path, error.reason + hint) from None
    try:
        return text_of(content)
    except NoContent as error:
        raise UnreadableFile(path, error.reason) from None


def _load(
    text: str,
    *,
    name: str,
    variables: Interpolator,
    path: Path | None,
    replaced: Collection[str],
    keyed: Collection[str],
) -> LoadResult:
    findings = Findings(name, text)
    root = read_yaml(text, findings)
    file: RoutesFile | None = None
    origins: dict[tuple[str | int, ...], Place] = {}
    disabled: dict[str, str] = {}
    aliases: dict[str, str] = {}

    def prepare(tree: Node, source: Source) -> None:
        variables.move_to(source.path.parent, source.inner)
        _hide_keys(tree, findings)
        _drop_asides(tree)
        disabled.update(_fill_in(tree, variables, findings, replaced, keyed))

    includes = Includes(findings, variables.contents.of, variables.contents.matched, prepare)
    _hide_pasted(text, findings)
    if root is not None:
        source = Source(path or variables.folder / PurePath(name).name, name)
        prepare(root, source)
        includes.into(root, source, text)
        for included in includes.texts.values():
            _hide_pasted(included, findings)
        origins = {node.path: node.key_at for node in _all(root)}
    if root is not None and includes.is_whole:
        aliases = take_aliases(root, findings)
        expand_shorthand(root, findings)
        write_routes(root, aliases, findings)
        for node in _all(root):  # the keys that a short form stands for are where it is
            origins.setdefault(node.path, node.key_at)
        file = validate(root, set(disabled), findings)
        check_names(root, disabled, aliases, findings)
        if file is not None:
            check_embeddings(file, origins, findings)
            check_labels(file, origins, findings)
            check_draws(file, origins, findings)
            check_when(file, origins, findings)
        if file is not None and not findings.failed:
            check_requirements(file, origins, findings)
            warn_of_unreached(file, root, findings)
            check_timeouts(file, origins, findings)
            check_void(file, origins, findings)
            check_breakers(file, origins, findings)
            check_spread(file, origins, findings)
            check_led(file, origins, aliases, findings)
            check_shared_budgets(file, origins, findings)
            check_shadows(file, origins, findings)
            check_alerts(file, origins, findings)
    return LoadResult(
        file=None if findings.failed else file,
        diagnostics=findings.sorted(),
        revision=_revision(text, includes.texts, variables.resolved),
        origins=origins,
        name=name,
        path=path,
        disabled=disabled,
        aliases=aliases,
        findings=findings,
        marks=variables.contents.marks_of_asked(),
    )


def _revision(text: str, included: Mapping[str, str], resolved: Mapping[str, str]) -> str:
    digest = hashlib.sha256(text.encode(errors="surrogatepass"))
    for names in (included, resolved):
        for name in sorted(names):
            digest.update(f"\0{name}\0{names[name]}".encode(errors="surrogateescape"))
    return digest.hexdigest()[:12]


def _all(node: Node) -> Iterator[Node]:
    yield node
    children = node.value.values() if isinstance(node.value, dict) else node.value
    if isinstance(node.value, dict | list):
        for child in children:
            yield from _all(child)


def _drop_asides(root: Node) -> None:
    """What stands under `x-…` at the top is there for its anchors, which are read by now."""
    if isinstance(root.value, dict):
        for name in [name for name in root.value if name.startswith("x-")]:
            del root.value[name]


def _hide_keys(root: Node, findings: Findings) -> None:
    """Literal keys never reach a message, not even in the source line, and not below a mistyped name either."""
    for node in _secrets(root):
        for leaf in _all(node):
            for name in leaf.path[3:] if leaf.path[2:3] in _KEYS else ():
                if isinstance(name, str) and name not in _NAMES_OF_SOURCES:  # a key in place of a name
                    findings.hide(name)
            if isinstance(leaf.value, str) and not is_variable(leaf.value) and not _is_setting(leaf):
                findings.hide(leaf.value)
    serve = root.get("serve")
    for client in _children(serve and serve.get("keys")):
        if not is_path(str(client.path[-1])):  # a key in place of a name
            findings.hide(str(client.path[-1]))
        else:
            _show_client(client, findings)


def _is_setting(leaf: Node) -> bool:
    """Whether this says who issues a key, and is none itself; an argument of a program may be one."""
    way = leaf.path[3:]
    return leaf.path[2:3] in _KEYS and (
        (not _NO_SECRETS_OF_SOURCES.isdisjoint(way) and way[-1] != "client_secret") or way[-2:] == ("command", 0)
    )


def _show_client(client: Node, findings: Findings) -> None:
    """Show the lines of a client but for its key."""
    lines: dict[int, list[str]] = {line: [] for node in _all(client) for line, _ in (node.at, node.key_at)}
    for secret in (leaf for node in _secrets_of(client) for leaf in _all(node)):
        if not isinstance(secret.value, dict | list) and not (
            isinstance(secret.value, str) and is_variable(secret.value)
        ):
            lines[secret.at[0]].append(secret.value if isinstance(secret.value, str) else "")
    for line, secrets in lines.items():
        findings.show(line, secrets)


def _secrets(root: Node) -> Iterator[Node]:
    for provider in _children(root.get("providers")):
        yield from _but(provider, _NO_SECRETS)
    if (shared := root.get("shared")) is not None:
        yield from _but(shared, _OF_SHARED)
    for alert in _items(root.get("alerts")):
        yield from _but(alert, _OF_ALERTS)
    serve = root.get("serve")
    for keys in () if serve is None else _but(serve, _OF_SERVE):
        for client in _children(keys) or [keys]:
            yield from _secrets_of(client)


def _secrets_of(client: Node) -> list[Node]:
    """Those of a client of `serve`, whose key may stand alone."""
    return _but(client, _NO_CLIENTS_SECRETS) if isinstance(client.value, dict) else [client]


def _but(node: Node, known: Set[str]) -> list[Node]:
    """The entries of a mapping whose names are not among those known."""
    entries = node.value if isinstance(node.value, dict) else {}
    return [child for name, child in entries.items() if name not in known]


def _hide_pasted(text: str, findings: Findings) -> None:
    """A key that was pasted in place of a secret file's path is no better off there."""
    for match in re.finditer(_SECRET_FILE, text):
        if not is_path(match[1]):
            findings.hide(match[1])


def _items(node: Node | None) -> list[Node]:
    return node.value if node is not None and isinstance(node.value, list) else []


def _children(node: Node | None) -> list[Node]:
    return list(node.value.values()) if node is not None and isinstance(node.value, dict) else []


def _fill_in(
    root: Node, variables: Interpolator, findings: Findings, replaced: Collection[str], keyed: Collection[str]
) -> dict[str, str]:
    """Expand every text in place; gives the providers that an unset variable disables, with its name. A client that
    one disables has no key then.
    """
    disabled: dict[str, str] = {}
    serve = root.get("serve")
    may_disable = {
        owner.path
        for owner in (*_children(root.get("providers")), *_children(serve and serve.get("keys")))
        if (when := owner.get("when_unset")) is not None and when.value == "disable"
    }
    for node in _all(root):
        if not isinstance(node.value, str) or "$" not in node.value:
            continue
        written = node.value
        try:
            text = variables.expand(written)
        except Unset as error:
            owner = node.path[1] if len(node.path) > 1 else ""
            if node.path[0] == "providers" and (owner in replaced or (owner in keyed and node.path[2:3] in _KEYS)):
                pass
            elif node.path[:2] in may_disable:
                disabled.setdefault(str(node.path[1]), error.name)
            elif node.path[:3] not in may_disable or node.path[3] not in ("key", "sha256"):
                findings.add(node.at, node.path, str(error))
            node.unset = True
        except ValueError as error:
            findings.add(node.at, node.path, str(error))
            node.unset = True
        else:
            if text == written and "${" not in written:
                continue  # a dollar sign by itself: nothing was filled in
            node.value = Expanded.of(text, written, plain=node.plain)
            if node.plain and "params" in node.path[2:]:  # no model of ours reads these: the value decides its type
                typed = core_scalar(text)
                node.value = node.value if isinstance(typed, str) else typed
    return disabled
