"""What a request means, read from our types and back from each protocol's body, to see that nothing is lost between."""

from __future__ import annotations

import json
from typing import Any

from providers.types import CompletionRequest, FilePart, ImagePart, TextPart

Meaning = dict[str, Any]


def _squeeze(texts: list[str]) -> str:
    """All text in order; white space and the marks of a system message do not count."""
    joined = "".join("".join(texts).split())
    return joined.replace("<system>", "").replace("</system>", "")


def _meaning(texts: list[str], calls: list[Any], results: list[str], media: list[str], tools: list[str]) -> Meaning:
    found = {"calls": calls, "results": ["".join(each.split()) for each in results]}
    return {"text": _squeeze(texts), "media": media, "tools": tools, **found}


def of_request(request: CompletionRequest) -> Meaning:
    texts, calls, results, media = [], [], [], []
    for message in request.messages:
        if message.role == "tool":
            results.append(message.text)
            continue
        parts = (TextPart(message.content),) if isinstance(message.content, str) else message.content
        for part in parts:
            if isinstance(part, TextPart):
                texts.append(part.text)
            elif isinstance(part, ImagePart):
                media.append(part.url or "image")
            elif isinstance(part, FilePart):
                media.append("file")
        calls += [(call.name, call.arguments) for call in message.tool_calls]
    return _meaning(texts, calls, results, media, [tool.name for tool in request.tools])


def _url(url: str) -> str:
    return "image" if url.startswith("data:") else url


def _content(content: Any, texts: list[str], media: list[str]) -> None:
    """The parts of OpenAI's two protocols."""
    if isinstance(content, str):
        texts.append(content)
    for part in content if isinstance(content, list) else ():
        if "text" in part:
            texts.append(part["text"])
        elif "image_url" in part:
            url = part["image_url"]
            media.append(_url(url["url"] if isinstance(url, dict) else url))
        elif part["type"] in ("file", "input_file"):
            media.append("file")


def of_chat(body: dict[str, Any]) -> Meaning:
    texts: list[str] = []
    calls, results, media = [], [], list[str]()
    for message in body["messages"]:
        if message["role"] == "tool":
            results.append(message["content"])
            continue
        _content(message.get("content"), texts, media)
        called = [call["function"] for call in message.get("tool_calls", ())]
        calls += [(each["name"], json.loads(each["arguments"] or "{}")) for each in called]
    return _meaning(texts, calls, results, media, [tool["function"]["name"] for tool in body.get("tools", ())])


def of_responses(body: dict[str, Any]) -> Meaning:
    texts: list[str] = []
    calls, results, media = [], [], list[str]()
    for item in body["input"]:
        if item.get("type") == "function_call":
            calls.append((item["name"], json.loads(item["arguments"] or "{}")))
        elif item.get("type") == "function_call_output":
            said: list[str] = []
            _content(item["output"], said, media)
            results.append("".join(said))
        else:
            _content(item.get("content"), texts, media)
    return _meaning(texts, calls, results, media, [tool["name"] for tool in body.get("tools", ())])


def of_anthropic(body: dict[str, Any]) -> Meaning:
    texts: list[str] = []
    calls, results, media = [], [], []
    _content(body.get("system"), texts, [])
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            if block["type"] == "text":
                texts.append(block["text"])
            elif block["type"] == "tool_use":
                calls.append((block["name"], block["input"]))
            elif block["type"] == "tool_result":
                said: list[str] = []
                _content(block.get("content"), said, [])
                results.append("".join(said))
            elif block["type"] == "image":
                media.append(block["source"].get("url", "image"))
            elif block["type"] == "document":
                media.append("file")
    return _meaning(texts, calls, results, media, [tool["name"] for tool in body.get("tools", ())])


def of_ollama(body: dict[str, Any]) -> Meaning:
    texts, calls, results, media = [], [], [], []
    for message in body["messages"]:
        if message["role"] == "tool":
            results.append(message["content"])
            continue
        texts.append(message["content"])
        media += ["image"] * len(message.get("images", ()))
        calls += [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", ())]
    return _meaning(texts, calls, results, media, [tool["function"]["name"] for tool in body.get("tools", ())])
