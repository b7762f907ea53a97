"""What one request's failure says about its target, in view of the request: what is evidence, and what is only a doubt.

A refusal whose words are about the key or the model counts at once. Where they decide nothing, a second, different
request has to meet the same: a doubt waits for it, and every answer clears it.
"""

from __future__ import annotations

import re
from math import inf

from providers.embeddings import AnyRequest, EmbeddingRequest, RerankRequest
from providers.errors import CONSEQUENCES, ProviderError
from providers.evidence import Concern, concern

Marks = frozenset[int]  # hashes of what can be the cause of a refusal, in a request

# Names of headers and fields with which a request brings a key or an account of its own, and those that choose a model.
_OWN_ACCOUNT = (
    r"auth$|authori[sz]ation|^key$|^token$|(?:api|access|subscription|master|virtual|secret)-?key"
    r"|(?:api|auth|access|bearer|session|security)-?token|cookie|credential|secret|organi[sz]ation|project|workspace"
)
_OWN_MODEL = frozenset({"model", "models", "provider"})


def concern_for(error: ProviderError, request: AnyRequest) -> Concern | None:
    """Say what a failure tells of: the key, the model, or this request alone; None where nobody knows.

    What comes to a request with a key, an account or a model of its own is no evidence about ours.
    """
    fields, headers = request.extra_body or {}, request.extra_headers or {}
    if any(re.search(_OWN_ACCOUNT, name.lower().replace("_", "-")) for name in (*headers, *fields)):
        return "request" if CONSEQUENCES[error.code].breaker != "failure" else concern(error)
    about = concern(error)
    return "request" if about == "model" and not _OWN_MODEL.isdisjoint(fields) else about


def marks(request: AnyRequest) -> Marks:
    """Return what may have caused a refusal: who asks, what the conversation is, and what is sent beside it.

    Two requests that have none of it in common are different ones. That the system's instructions are the same says
    nothing.
    """
    found = [("said", _said(request))]
    found += [
        ("caller", caller) for caller in (request.user, request.affinity, request.namespace) if caller is not None
    ]
    beside = {"body": request.extra_body, "headers": request.extra_headers}
    found += [(name, repr(values)) for name, values in beside.items() if values]
    return frozenset(hash(mark) for mark in found)


def _said(request: AnyRequest) -> object:
    if isinstance(request, EmbeddingRequest):
        return request.inputs[0]
    if isinstance(request, RerankRequest):
        return request.query
    return next((message for message in request.messages if message.role == "user"), request.messages[0]).content


class Doubt:
    """A refusal that nothing is known of yet."""

    __slots__ = ("_marks", "_until")

    def __init__(self) -> None:
        self._marks: Marks = frozenset()
        self._until = -inf

    def confirmed_by(self, seen: Marks, now: float, seconds: float) -> bool:
        """Say whether a different request met the same within so many seconds; else this one is remembered."""
        if now < self._until:
            return self._marks.isdisjoint(seen)
        self._marks, self._until = seen, now + seconds
        return False

    def clear(self) -> None:
        """Forget it, since a request was served."""
        self._until = -inf
