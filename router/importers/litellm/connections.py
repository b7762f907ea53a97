"""How a deployment's vendor is reached here: kind, address, dialect, key and headers out of `litellm_params`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from providers.header_names import authenticates
from providers.openai.dialects import DIALECTS, dialect_for
from router.config.diagnostics import has_credential
from router.importers.litellm.logins import login
from router.importers.litellm.reading import Fields, Tell, entries
from router.importers.litellm.vendors import VENDORS, Vendor
from router.importers.variables import Variables, named, variable_name

# Keys that are written since a client wants some, and that servers of one's own do not look at.
_NO_KEY = re.compile(
    r"none|null|empty|dummy|fake|anything|ignored|unused|n/?a|x+|0+|no[-_]?(key|auth)\S*"
    r"|not[-_ ]?(needed|required|used)\S*"
    r"|(sk-?)?(fake|dummy|test|none|empty|local|noop|no-key|no-auth)\S{0,12}|lm[-_]?studio|ollama|vllm",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(
    r"api-?key|(?<![a-z])key|token|secret|passw|auth|cookie|credential|bearer|signature", re.IGNORECASE
)
_ANOTHER_PROTOCOL = ("gemini", "cohere", "cohere_chat")  # that LiteLLM speaks to them
_ENDS = {
    "openai": re.compile(r"/(chat/completions|completions|responses)$"),
    "anthropic": re.compile(r"(/v1)?(/messages)?$"),
    "ollama": re.compile(r"(/v1|/api)?(/chat|/generate|/chat/completions)?$"),
}


@dataclass(frozen=True)
class Connection:
    """A provider to be. `vendor` is LiteLLM's prefix, `keys` are references; `more` are further keys of a provider."""

    vendor: str
    kind: str
    base_url: str | None = None
    dialect: str | None = None
    keys: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)
    alone: str = ""  # of whom it is, where nobody else may use it: it has a budget of its own

    @property
    def is_usual(self) -> bool:
        """Whether it is the vendor's own address."""
        row = VENDORS[self.vendor]
        return self.base_url == row.address and not row.base

    @property
    def place(self) -> str:
        """The first telling part of its host's name, to tell several of a vendor apart; "" where there is none."""
        host = "" if self.base_url is None or "${" in self.base_url else urlsplit(self.base_url).hostname or ""
        parts = [part for part in host.split(".") if part not in ("api", "www", "localhost") and not part.isdigit()]
        return "" if ":" in host or not parts else re.sub(r"[^a-z0-9]+", "-", parts[0].lower()).strip("-")

    def as_dict(self) -> dict[str, Any]:
        """The keys of a provider."""
        said: dict[str, Any] = {"kind": self.kind}
        if self.base_url is not None:
            said["base_url"] = self.base_url
        if self.dialect is not None:
            said["dialect"] = self.dialect
        if self.keys:
            said |= {"api_key": self.keys[0]} if len(self.keys) == 1 else {"api_keys": list(self.keys)}
        return {**said, **self.more}


def connect(vendor: Vendor, model: str, params: Fields, variables: Variables, tell: Tell) -> tuple[Connection, str]:
    """The connection of a deployment, and the model's id there."""
    reader = _Reader(vendor, params, variables, tell)
    special = _SPECIAL.get(vendor.prefix, _Reader.usual)
    found, its_id = special(reader, model)
    return reader.finished(found), its_id


class _Reader:
    def __init__(self, vendor: Vendor, params: Fields, variables: Variables, tell: Tell) -> None:
        self.vendor = vendor
        self.params = params
        self.variables = variables
        self.tell = tell
        self.base = self._base()

    # --- addresses

    def _base(self) -> str | None:
        written = self.params.text("api_base", "base_url", "azure_endpoint")
        if written is None:
            return None
        if named(written) is None and (has_credential(written) or re.search(r"[?&][\w-]{0,40}(key|token)=", written)):
            usual = self.vendor.base or variable_name(self.vendor.prefix, "API_BASE")
            told = self.variables.in_place_of(written, usual)
            self.tell(
                "check", "api_base", f"it has a key or password in it: written as {told}; set that variable to it"
            )
            return told
        return self.variables.written(written.strip())

    def stripped(self, kind: str) -> str | None:
        """The address without the path that a client adds."""
        if self.base is None:
            return None
        return _ENDS[kind].sub("", self.base.rstrip("/")).rstrip("/")

    def own(self) -> str:
        """The address of a server of one's own; where the file has none, the variable that LiteLLM reads."""
        return self.stripped("openai") or self.variables.refer(self.vendor.base)

    def usual(self, model: str) -> tuple[Connection, str]:
        row = self.vendor
        if self.base is not None and row.prefix in _ANOTHER_PROTOCOL:
            self.tell(
                "check", "api_base", f"OpenAI's protocol is spoken here, as at {row.address}, and not the vendor's own"
            )
        base = self.stripped(row.kind) or (self.variables.refer(row.base) if row.base else row.address)
        return self.made(row.kind, base, row.dialect), model

    def made(self, kind: str, base: str | None, dialect: str | None = None) -> Connection:
        """A connection, with the dialect written where the address does not tell it."""
        told = base is not None and dialect is not None and dialect_for(base).name == dialect
        if self.vendor.prefix == "openai" and base is not None and base == DIALECTS["openai"].base_url:
            base = None
        if kind == "anthropic" and base == "https://api.anthropic.com":
            base = None
        return Connection(self.vendor.prefix, kind, base, None if told else dialect)

    # --- keys and headers

    def finished(self, found: Connection) -> Connection:
        headers = self._headers()
        more: dict[str, Any] = {"headers": headers} if headers else {}
        verify = self.params.take("ssl_verify")
        if verify is not None and isinstance(verify.value, bool | str) and verify.value is not True:
            more["verify"] = verify.value
        for name in ("num_ctx", "keep_alive") if found.kind == "ollama" else ():
            node = self.params.take(name)
            if node is not None and isinstance(node.value, str | int):
                more[name] = node.value
        source = login(self.vendor.prefix, self.params, self.variables, self.tell)
        if source is not None:
            return replace(found, more={"api_key": source, **more, **found.more})
        return replace(found, keys=self._key(found), more={**more, **found.more})

    def _key(self, found: Connection) -> tuple[str, ...]:
        written = self.params.text("api_key", "azure_api_key")
        usual = self.vendor.key or variable_name(self.vendor.prefix, "API_KEY")
        elsewhere = self.base is not None and not self.vendor.base and not found.is_usual
        if written is None or not written.strip():
            if elsewhere and self.vendor.key:
                text = f"LiteLLM sends {usual} to this address; here no key goes there until it is written"
                self.tell("check", "api_base", text)
            return (self.variables.refer(usual),) if self.vendor.key and not elsewhere else ()
        if elsewhere:  # the vendor's own key, which may be set too, is not for this address
            usual = variable_name(
                self.vendor.prefix if self.vendor.prefix != "openai" else "", found.place or "own", "API_KEY"
            )
        name = named(written.strip())
        if name is not None:
            return (self.variables.refer(name),)
        if written.startswith("os.environ"):
            self.tell("check", "api_key", f"this is no variable's name: written as ${{{usual}}}")
            return (self.variables.refer(usual),)
        if _NO_KEY.fullmatch(written.strip()) and not found.is_usual:
            return ()
        told = self.variables.in_place_of(written, usual)
        self.tell("check", "api_key", f"a key in the clear: written as {told}; set that variable to it")
        return (told,)

    def _headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for source in ("extra_headers", "headers", "default_headers"):
            for name, node in entries(self.params.take(source)).items():
                if node.value is not None and not isinstance(node.value, dict | list):
                    found[name] = self._header(f"{source}.{name}", name, str(node.value))
        organization = self.params.text("organization")
        if organization is not None:
            found["OpenAI-Organization"] = self.variables.written(organization)
        return found

    def _header(self, key: str, name: str, value: str) -> str:
        is_secret = authenticates(name) or _SECRET_NAME.search(name) or has_credential(value)
        if is_secret and named(value) is None:
            told = self.variables.in_place_of(value, variable_name(self.vendor.prefix, name))
            self.tell("check", key, f"it may be a key: written as {told}; set that variable to it")
            return told
        return self.variables.written(value)

    # --- vendors with rules of their own

    def azure(self, model: str) -> tuple[Connection, str]:
        base = re.sub(r"/openai(/.*)?$", "", self.own())
        if self.params.take("api_version") is not None:
            self.tell(
                "differs", "api_version", "the path /openai/v1 is called, which takes none; the model is the deployment"
            )
        model = re.sub(r"^(responses|o_series|gpt5_series)/", "", model)
        return self.made("openai", f"{base}/openai/v1", "azure"), model

    def azure_ai(self, model: str) -> tuple[Connection, str]:
        base = re.sub(r"/(models|openai|anthropic)(/.*)?$", "", self.own())
        self.params.take("api_version")
        if "claude" in model:
            return self.made("anthropic", f"{base}/anthropic"), model
        if "services.ai.azure.com" not in base and "${" not in base:
            self.tell("check", "api_base", "an address of Azure that is not known here; is its path right?")
            return self.made("openai", self.own(), "azure"), model
        return self.made("openai", f"{base}/openai/v1", "azure"), model

    def bedrock(self, model: str) -> tuple[Connection, str]:
        region = self.params.text("aws_region_name", "region_name")
        parts = [part for part in model.split("/") if part not in ("converse", "converse_like", "invoke", "openai")]
        if len(parts) > 1 and re.fullmatch(r"[a-z]{2}-[a-z]{1,12}(-[a-z]{1,12})?-\d", parts[0]):
            region, parts = parts[0], parts[1:]
        model = "/".join(parts)
        where = self.variables.refer("AWS_REGION_NAME") if region is None else self.variables.written(region)
        base = f"https://bedrock-runtime.{where}.amazonaws.com"
        if "anthropic." in model:
            return self.made("anthropic", f"{base}/anthropic"), model
        self.tell("check", "model", "asked for by Bedrock's OpenAI protocol, which not all of its models speak")
        return self.made("openai", f"{base}/openai/v1", "bedrock"), model

    def vertex(self, model: str) -> tuple[Connection, str]:
        project = self.params.text("vertex_project", "vertex_ai_project")
        location = self.params.text("vertex_location", "vertex_ai_location", "region_name")
        project = self.variables.refer("VERTEXAI_PROJECT") if project is None else self.variables.written(project)
        location = self.variables.refer("VERTEXAI_LOCATION") if location is None else self.variables.written(location)
        host = "aiplatform.googleapis.com" if location == "global" else f"{location}-aiplatform.googleapis.com"
        root = f"https://{host}/v1/projects/{project}/locations/{location}"
        if "claude" in model:
            return self.made("anthropic", f"{root}/publishers/anthropic/models"), model
        model = model if "/" in model else f"google/{model}"
        return self.made("openai", f"{root}/endpoints/openapi", "vertex"), model

    def fireworks(self, model: str) -> tuple[Connection, str]:
        found, _ = self.usual(model)
        return found, model if "/" in model or "#" in model else f"accounts/fireworks/models/{model}"

    def huggingface(self, model: str) -> tuple[Connection, str]:
        if self.base is not None:
            base = self.own()
            return self.made("openai", base if base.endswith("/v1") else f"{base}/v1"), model
        found, _ = self.usual(model)
        vendor, _, rest = model.partition("/")
        return found, f"{rest}:{vendor}" if "/" in rest else model


_SPECIAL: dict[str, Callable[[_Reader, str], tuple[Connection, str]]] = {
    "azure": _Reader.azure,
    "azure_ai": _Reader.azure_ai,
    "bedrock": _Reader.bedrock,
    "bedrock_converse": _Reader.bedrock,
    "vertex_ai": _Reader.vertex,
    "vertex_ai_beta": _Reader.vertex,
    "fireworks_ai": _Reader.fireworks,
    "huggingface": _Reader.huggingface,
}
