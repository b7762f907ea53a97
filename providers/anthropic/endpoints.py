"""Who else speaks Anthropic's Messages protocol, and where: one row of data each.

From the vendors' documentation.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from urllib.parse import urlsplit

import msgspec


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One row.

    `base_url` has {…} where a part is the caller's own. `hosts` are ends of the hosts' names by which the endpoint is
    told, with `*` for any text. `also` are other names of the vendor. `bearer` sends the key as a bearer token.
    `model_in_path` has the model in the path, the API's version in the body: `method` and `stream_method` are what
    follows it. `ends` is the end of the base URL's path that tells it from others of the same host. `event_stream`:
    streams are AWS's own, and betas go in the body. `note` says what is special.
    """

    name: str
    base_url: str
    hosts: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    bearer: bool = False
    model_in_path: str = ""
    method: str = ""
    stream_method: str = ""
    ends: str = ""
    event_stream: bool = False
    note: str = ""


_UNSIGNED = "thinking is not signed, and goes back so"
_NEEDED = f"{_UNSIGNED}; it has to with tool calls"

ENDPOINTS = (
    Endpoint(name="anthropic", base_url="https://api.anthropic.com", hosts=("anthropic.com",), also=("claude",)),
    Endpoint(
        name="bedrock_invoke",
        base_url="https://bedrock-runtime.{region}.amazonaws.com/model",
        hosts=("bedrock-*.amazonaws.com",),
        bearer=True,
        model_in_path="bedrock-2023-05-31",
        method="/invoke",
        stream_method="/invoke-with-response-stream",
        ends="/model",
        event_stream=True,
        note="InvokeModel: the model's id, or its ARN, goes into the path; streams are AWS's own",
    ),
    Endpoint(
        name="bedrock",
        base_url="https://bedrock-runtime.{region}.amazonaws.com/anthropic",
        hosts=("bedrock-*.amazonaws.com", "bedrock-*.api.aws"),
        also=("aws", "aws_bedrock", "amazon_bedrock", "amazon"),
        bearer=True,
        note=(
            "the key is a Bedrock API key, or signs: `{aws: default}`; models are named anthropic.…; "
            "also https://bedrock-mantle.{region}.api.aws/anthropic"
        ),
    ),
    Endpoint(
        name="vertex",
        base_url=(
            "https://{location}-aiplatform.googleapis.com/v1/projects/{project}/locations/{location}"
            "/publishers/anthropic/models"
        ),
        hosts=("*aiplatform.googleapis.com",),
        also=("vertexai", "vertex_ai", "google_vertex"),
        bearer=True,
        model_in_path="vertex-2023-10-16",
        method=":rawPredict",
        stream_method=":streamRawPredict",
        note="the key is an access token of Google Cloud: `{google: default}`; the model goes into the path",
    ),
    Endpoint(
        name="foundry",
        base_url="https://{resource}.services.ai.azure.com/anthropic",
        hosts=("services.ai.azure.com",),
        also=("azure", "azure_ai", "azure_foundry", "microsoft_foundry"),
        note="a token of Entra ID goes as bearer: `{entra: default}`; `model` is the deployment",
    ),
    Endpoint(name="deepseek", base_url="https://api.deepseek.com/anthropic", hosts=("deepseek.com",), note=_NEEDED),
    Endpoint(
        name="moonshot",
        base_url="https://api.moonshot.ai/anthropic",
        hosts=("moonshot.ai", "moonshot.cn", "kimi.com"),
        also=("kimi", "moonshotai", "moonshot_ai"),
        note=_NEEDED,
    ),
    Endpoint(
        name="zai",
        base_url="https://api.z.ai/api/anthropic",
        hosts=("z.ai", "bigmodel.cn"),
        also=("z_ai", "zhipu", "zhipuai", "glm", "bigmodel"),
        note=_UNSIGNED,
    ),
    Endpoint(
        name="minimax",
        base_url="https://api.minimax.io/anthropic",
        hosts=("minimax.io", "minimaxi.com", "minimax.chat"),
        note=_UNSIGNED,
    ),
    Endpoint(
        name="dashscope",
        base_url="https://dashscope-intl.aliyuncs.com/apps/anthropic",
        hosts=("dashscope*.aliyuncs.com",),
        also=("qwen", "alibaba", "aliyun", "tongyi", "bailian", "modelstudio"),
        note=_UNSIGNED,
    ),
    Endpoint(name="openrouter", base_url="https://openrouter.ai/api", hosts=("openrouter.ai",), bearer=True),
    Endpoint(name="vercel", base_url="https://ai-gateway.vercel.sh", hosts=("ai-gateway.vercel.sh",)),
)
_UNKNOWN = Endpoint(name="generic", base_url="{base_url}")


def endpoint_for(base_url: str, name: str | None = None) -> Endpoint:
    """The row of a URL's host; one without anything special for all others.

    Args:
        name: of the row, where the URL does not tell it.

    Raises:
        ValueError: no row has this name.
    """
    if name is not None:
        found = next((row for row in ENDPOINTS if row.name == name), None)
        if found is None:
            known = ", ".join(row.name for row in ENDPOINTS)
            raise ValueError(f"options.endpoint is one of {known}, not {name!r}")
        return found
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    for row in ENDPOINTS:
        is_host = any(fnmatchcase(host, end) or fnmatchcase(host, f"*.{end}") for end in row.hosts)
        if is_host and parts.path.rstrip("/").endswith(row.ends):
            return row
    return _UNKNOWN
