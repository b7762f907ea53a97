"""The rules of the `shared` section that no single value can break."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from router.config.diagnostics import Findings
from router.config.shared_url import LOCAL
from router.config.yaml_reader import Node

_NO_SECRET = "and there is none: add secret: ${SB_SHARED_SECRET} beside it, the same for all processes"


def check_shared(root: Node, findings: Findings) -> None:
    """Add a finding for every broken rule. The tree may be malformed: what has no shape is passed over."""
    shared = root.get("shared")
    if shared is not None:
        _Rules(root, shared, findings).check()


# Of what is shared, what each of these is for.
_FOR = {"away": ("limits",), "host": ("fleet",), "lease": ("limits", "budgets")}


class _Rules:
    def __init__(self, root: Node, shared: Node, findings: Findings) -> None:
        self._root = root
        self._shared = shared
        self._findings = findings
        self._share = shared.get("share")
        self._words = _words(self._share) or ["limits"]
        url = shared.get("url")
        self._is_local = url is not None and url.value == LOCAL

    def check(self) -> None:
        if not self._is_local and find_spec("redis") is None:
            self._error(self._shared, 'its client is not installed: pip install "llm-signalbox[redis]"')
        if self._words == ["limits"] and not self._is_anywhere("limits", "requests", "tokens", "in_flight"):
            self._unused(self._shared, "nothing is shared: neither a provider, a model nor a key has limits")
        for name, kinds in _FOR.items():
            if (node := self._shared.get(name)) is not None and not {*kinds} & {*self._words}:
                self._unused(node, f"it has no effect: it is for {' and '.join(kinds)}, which share does not name")
        self._fleet()
        self._answers()

    def _fleet(self) -> None:
        if self._share is None or "fleet" not in self._words:
            if (commands := self._shared.get("commands")) is not None:
                self._unused(commands, "it has no effect: commands come by way of the fleet (share: [limits, fleet])")
        elif self._is_local:
            self._unused(self._share, "fleet has no effect over local: `signalbox dash` watches the workers anyhow")
        elif self._shared.get("secret") is None:
            self._error(self._share, f"what processes tell of themselves is sealed with a secret, {_NO_SECRET}")

    def _answers(self) -> None:
        if self._share is None or "cache" not in self._words:
            if (flight := self._shared.get("single_flight")) is not None:
                self._unused(flight, "it has no effect: answers are not shared (share: [limits, cache])")
            return
        if self._is_local:
            text = "url: local has no server that could keep answers; take cache out: workers share those of cache.path"
            self._error(self._share, text)
        elif self._shared.get("secret") is None:
            self._error(self._share, f"shared answers are sealed with a secret, {_NO_SECRET}")
        if not self._is_anywhere("cache", "ttl"):
            self._unused(self._share, "no answers are shared: no route keeps any (cache: {ttl: 1h})")

    def _is_anywhere(self, policy: str, *names: str) -> bool:
        """Say whether a policy says something of this anywhere in the file."""
        serve, defaults = self._root.get("serve"), self._root.get("defaults")
        named = [self._root.get(name) for name in ("providers", "models", "routes")] + [serve and serve.get("keys")]
        owners = [defaults, *(owner for each in named for owner in _entries(each).values())]
        found = [owner and owner.get(policy) for owner in owners]
        return any(each and any(each.get(name) for name in names) for each in found)

    def _error(self, node: Node, message: str) -> None:
        self._findings.add(node.key_at, node.path, message)

    def _unused(self, node: Node, message: str) -> None:
        self._findings.add(node.key_at, node.path, message, severity="warning")


def _entries(node: Node | None) -> Mapping[str, Node]:
    return node.value if node is not None and isinstance(node.value, dict) else {}


def _words(node: Node | None) -> list[str]:
    """What a list of words holds, or a word alone."""
    if node is None:
        return []
    return [str(item.value) for item in node.value] if isinstance(node.value, list) else [str(node.value)]
