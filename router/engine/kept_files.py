"""Files that a request names by the ids under which a vendor keeps them: no other vendor is sent them.

Whose file it is, its `origin` says. Where it says nothing, it is the first provider's of the chain that keeps files; of
a client's own body the first that is asked in a protocol of that client's vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from providers.base import KeepsFiles, Provider, SpeaksProtocol
from providers.types import CompletionRequest, FilePart, ImagePart
from router.plan.plan import Chain
from router.plan.target import Target


def kept_elsewhere(
    chain: Chain, request: CompletionRequest, provider_of: Callable[[Target], Provider]
) -> dict[str, tuple[str, str]]:
    """Return the targets that do not keep what is named, by name, each with reason and message for its skip."""
    named = dict(_named(request))
    if not named:
        return {}
    if None in named.values():
        owner = next((target.provider for target in chain.targets if _may_keep(target, request, provider_of)), None)
        if owner is None and request.native is None:
            owner = _NOBODY
        named = {name: owner if origin is None else origin for name, origin in named.items()}
    found = {}
    for target in chain.targets:
        for name, owner in named.items():
            if owner not in (target.provider, _NOBODY):
                where = "another vendor" if owner is None else f'"{owner}"'
                found[target.name] = "unsupported", f'the file "{name}" is kept at {where}'
    return found


_NOBODY = ""  # keeps files in a chain: each provider says so itself


def _named(request: CompletionRequest) -> Iterator[tuple[str, str | None]]:
    """The ids of all files, each with who keeps it, where that is told."""
    for message in request.messages:
        if isinstance(message.content, str):
            continue
        for part in message.content:
            if isinstance(part, ImagePart | FilePart) and part.id is not None and part.data is None:
                yield part.id, part.origin


def _may_keep(target: Target, request: CompletionRequest, provider_of: Callable[[Target], Provider]) -> bool:
    provider, request = provider_of(target), replace(request, model=target.model)
    if request.native is None:
        return not isinstance(provider, KeepsFiles) or provider.keeps_files(request)
    spoken = provider.wire(request) if isinstance(provider, SpeaksProtocol) else None
    return spoken is not None and spoken.partition(".")[0] == request.native.protocol.partition(".")[0]
